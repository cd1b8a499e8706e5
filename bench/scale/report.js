'use strict'

/**
 * The report of `npm run bench -- --scale`. Pure: what was measured in, text out.
 */

const { median, rounded, table } = require('../table')

/** How the drivers are called where there is room for it. */
const NAMES = { memory: 'memory', file: 'files', database: 'SQLite', redis: 'Redis', postgres: 'PostgreSQL', mysql: 'MySQL' }

/** What is aimed at, with a million sessions. Units: as named. */
const GOALS = { residentMb: 460, heapMb: 1, sweepMs: 2, costShare: 1.1, requireMs: 15 }
const MILLION = 1e6

const mb = (bytes) => bytes / 1e6
const count = (number) => number.toLocaleString('en')
const each = (list, field) => [...new Set(list.map((item) => item[field]))]

/** What sessions take beside V8, whose young generation has grown while they were made. Units: megabytes. */
const taken = ({ before, after }) => mb(after.native - before.native)

/** What so many idle sessions take in a process and on its disk. */
function idle({ idle: list, conditions: { stored } }) {
  if (list.length === 0) return undefined
  const head = ['', 'resident MB', 'with them', 'they take MB', 'V8 heap MB', 'with them', 'full GC ms', 'with them', 'on disk, B each', 'to store one, µs']
  const lines = list.map(({ driver, before, after, took, disk }) => [
    NAMES[driver],
    ...[mb(before.rss), mb(after.rss), taken({ before, after }), mb(before.heap), mb(after.heap), before.gc, after.gc].map(rounded),
    driver === 'memory' ? '' : count(Math.round(disk / stored)),
    rounded((took * 1000) / stored),
  ])
  return { title: `${count(stored)} idle sessions of 300 B`, lines: [head, ...lines] }
}

/** The figures of one cell, by rounds. */
function pick(costs, driver, workload, stored) {
  return costs.filter((cost) => cost.driver === driver && cost.workload === workload && cost.stored === stored)
}

/** What a request costs among many sessions ÷ among few: of the medians, and in each round. */
function growth(costs, driver, workload) {
  const [few, many] = each(costs, 'stored').sort((a, b) => a - b)
  const cpu = (stored) => pick(costs, driver, workload, stored).map((cost) => cost.cpu)
  const [less, more] = [cpu(few), cpu(many)]
  return { few: median(less), many: median(more), ratio: median(more) / median(less), rounds: more.map((cost, at) => cost / less[at]) }
}

/** What requests cost among few sessions and among many. */
function costs({ costs: list }) {
  if (list.length === 0) return undefined
  const [few, many] = each(list, 'stored').sort((a, b) => a - b)
  const head = ['CPU of a request, µs', '', `${count(few)} stored`, `${count(many)} stored`, '÷', 'rounds', 'lost']
  const line = (driver, workload) => {
    const { few: less, many: more, ratio, rounds } = growth(list, driver, workload)
    const lost = Math.max(...pick(list, driver, workload, many).map((cost) => cost.bad))
    const spread = `${Math.min(...rounds).toFixed(2)}–${Math.max(...rounds).toFixed(2)}`
    return [NAMES[driver], workload, rounded(less), rounded(more), ratio.toFixed(2), spread, lost === 0 ? '' : `${rounded(lost * 100)} %`]
  }
  const lines = each(list, 'driver').flatMap((driver) => each(list, 'workload').map((workload) => line(driver, workload)))
  return { title: 'Requests among many stored sessions', lines: [head, ...lines] }
}

/** What one core serves. */
function cores({ costs: list }) {
  if (list.length === 0) return undefined
  const [few, many] = each(list, 'stored').sort((a, b) => a - b)
  const of = (driver, stored, field) => median(pick(list, driver, 'read', stored).map((cost) => cost[field]))
  const head = ['read', 'requests/s on one core', `with ${count(many)} stored`, 'p99 µs', 'CPU of a request, µs']
  const lines = each(list, 'driver').map((driver) => [
    NAMES[driver],
    count(Math.round(of(driver, few, 'rate'))),
    count(Math.round(of(driver, many, 'rate'))),
    rounded(of(driver, few, 'p99')),
    rounded(of(driver, few, 'cpu')),
  ])
  return { title: 'What one core of this process serves', lines: [head, ...lines] }
}

/** How much longer the event loop was held up while it swept, in each round. Units: milliseconds. */
const added = (sweeps) => sweeps.map(({ quiet, swept }) => swept.p999 - quiet.p999)

function sweeps({ sweeps: list, conditions: { stored } }) {
  if (list.length === 0) return undefined
  const head = ['event loop delay, ms', 'p99', 'sweeping', 'p99.9', 'sweeping', 'added', 'rounds', 'removed', 'took s']
  const lines = each(list, 'driver').map((driver) => {
    const rounds = list.filter((sweep) => sweep.driver === driver)
    const of = (field) => median(rounds.map(field))
    const more = added(rounds)
    const delays = ['p99', 'p999'].flatMap((at) => [of(({ quiet }) => quiet[at]), of(({ swept }) => swept[at])])
    return [
      NAMES[driver],
      ...[...delays, median(more)].map(rounded),
      `${rounded(Math.min(...more))}–${rounded(Math.max(...more))}`,
      count(of(({ removed }) => removed)),
      rounded(of(({ took }) => took / 1000)),
    ]
  })
  return { title: `A sweep of ${count(stored)} sessions, half of them expired, under load`, lines: [head, ...lines] }
}

/** What is aimed at with a million sessions, and what was measured. */
function goals({ idle: list, costs: spent, sweeps: swept, requireTimes, conditions: { stored } }) {
  const lines = []
  const add = (name, aim, value, text) => lines.push([name, aim, text, value])
  const memory = list.find(({ driver }) => driver === 'memory')
  if (memory !== undefined && stored === MILLION) {
    const resident = taken(memory)
    add('resident for a million sessions', '≤ 460 MB', resident <= GOALS.residentMb, `${rounded(resident)} MB`)
  }
  for (const { driver, before, after } of list) {
    const more = mb(after.heap - before.heap)
    add(`V8 heap, ${NAMES[driver]}`, 'no growth', more < GOALS.heapMb, `${rounded(more)} MB`)
  }
  for (const driver of each(swept, 'driver')) {
    const more = median(added(swept.filter((sweep) => sweep.driver === driver)))
    add(`p99.9 delay while sweeping, ${NAMES[driver]}`, '≤ +2 ms', more <= GOALS.sweepMs, `${rounded(more)} ms`)
  }
  for (const driver of each(spent, 'driver')) {
    for (const workload of each(spent, 'workload')) {
      const { ratio } = growth(spent, driver, workload)
      add(`cost among many ÷ few, ${NAMES[driver]}, ${workload}`, '≤ 1.10', ratio <= GOALS.costShare, ratio.toFixed(2))
    }
  }
  const took = median(requireTimes)
  add('require(\'node-session\')', '≤ 15 ms', took <= GOALS.requireMs, `${rounded(took)} ms`)
  const cells = lines.map(([name, aim, text, isReached]) => [name, aim, text, isReached ? 'yes' : 'no'])
  return { title: 'Goals', lines: [['', 'aim', 'measured', 'reached'], ...cells] }
}

function heading({ node, processor, cores: { server, load }, generator, connections, fileSystem, rounds, measured, loadBefore }) {
  const pinning = server === undefined ? 'nothing pinned' : `server on core ${server}, load on ${load}`
  return (
    `Node ${node}, ${processor}; ${generator}, ${connections} connections; files on ${fileSystem}; ${pinning}; ` +
    `${rounds} rounds of ${measured} ms, medians; load average before: ${loadBefore}`
  )
}

const PARTS = [idle, costs, cores, sweeps, goals]

/**
 * The whole report.
 *
 * @param {object} results as `runScale` keeps them
 * @returns {string}
 */
function report(results) {
  const parts = PARTS.map((part) => part(results)).filter(Boolean)
  return [heading(results.conditions), ...parts.map(({ title, lines }) => `${title}\n${table(lines)}`)].join('\n\n')
}

/** What a driver's sessions take: in memory, or on the disk. */
function room({ idle: list, conditions: { stored } }, driver) {
  const held = list.find((item) => item.driver === driver)
  if (held === undefined) return ''
  const bytes = driver === 'memory' ? held.after.native - held.before.native : held.disk
  return `${count(Math.round(bytes / stored))} B`
}

/**
 * The most important of it, a line for each driver.
 *
 * @returns {string[][]} lines of cells, the first of which is the head
 */
function summary(results) {
  const { costs: spent, sweeps: swept } = results
  const [few, many] = each(spent, 'stored').sort((a, b) => a - b)
  const line = (driver) => {
    const rounds = swept.filter((sweep) => sweep.driver === driver)
    const rates = pick(spent, driver, 'read', few).map((cost) => cost.rate)
    const cells = ['read', 'write'].flatMap((workload) => {
      const { few: less, many: more } = growth(spent, driver, workload)
      return [rounded(less), rounded(more)]
    })
    const delay = rounds.length === 0 ? '' : `${rounded(median(added(rounds)))} ms`
    return [NAMES[driver], ...cells, count(Math.round(median(rates))), room(results, driver), delay]
  }
  const among = (workload) => [`${workload} among ${count(few)}, µs`, `among ${count(many)}`]
  const head = ['driver', ...among('read'), ...among('write'), 'reads/s on one core', 'an idle session takes', 'a sweep of half adds to p99.9 delay']
  return [head, ...each(spent, 'driver').map(line)]
}

module.exports = { goals, report, summary }

if (require.main === module) {
  console.log(report(JSON.parse(require('node:fs').readFileSync(process.argv[2], 'utf8'))))
}
