'use strict'

/**
 * Turns samples into tables: what each contender costs, and how much more the others cost than this package.
 *
 * Pure: samples in, text out. `node bench/report.js FILE` prints what `--json FILE` kept.
 */

const { median, rounded, table } = require('./table')

/** Overheads below this are counted as this: less cannot be told from none. Units: microseconds of CPU per request. */
const RESOLUTION = 0.5

/** In the order in which they are printed. */
const WORKLOADS = ['read', 'write', 'new', 'large', 'mixed']

/**
 * Who is compared with whom, and how many times more session overhead theirs is meant to have: in the order of `WORKLOADS`,
 * `undefined` where nothing is aimed at.
 */
const COMPARISONS = [
  { ours: 'ours, memory', theirs: 'node-session 1.2.1, memory', goals: [15, 12, 10, 200] },
  { ours: 'ours, memory', theirs: 'express-session, MemoryStore', goals: [15, 12, 5, 200] },
  { ours: 'ours, memory', theirs: 'cookie-session', goals: [10, 10, 2] },
  { ours: 'ours, file', theirs: 'node-session 1.2.1, file', goals: [20, 3, 5, 60] },
  { ours: 'ours, file', theirs: 'express-session, session-file-store', goals: [40, 6, 4, 60] },
  { ours: 'ours, database', theirs: 'express-session, better-sqlite3-session-store', goals: [10, 5, 3, 40] },
  { ours: 'ours, redis', theirs: 'express-session, connect-redis', goals: [6, 5, 3, 20] },
  { ours: 'ours, postgres', theirs: 'express-session, connect-pg-simple', goals: [6, 4, 3, 15] },
  { ours: 'ours, mysql', theirs: 'express-session, express-mysql-session', goals: [6, 4, 3, 15] },
]

/** Adds to each sample what the session alone cost. The floor is the median one, since a single one may be a slow one. */
function withOverheads(samples) {
  const floors = new Map()
  for (const workload of WORKLOADS) {
    floors.set(workload, median(pick(samples, 'floor', workload).map((sample) => sample.cpu)))
  }
  return samples.map((sample) => ({ ...sample, overhead: sample.cpu - floors.get(sample.workload) }))
}

/** The samples of one cell of the tables, by rounds. */
function pick(samples, contender, workload) {
  return samples.filter((sample) => sample.contender === contender && sample.workload === workload)
}

function costLine(contender, cell) {
  const of = (field) => median(cell.map((sample) => sample[field]))
  const bad = of('bad')
  return [
    contender,
    rounded(of('cpu')),
    contender === 'floor' ? '' : rounded(of('overhead')),
    Math.round(of('rate')).toLocaleString('en'),
    rounded(of('p50')),
    rounded(of('p99')),
    bad === 0 ? '' : `${rounded(bad * 100)} %`,
  ]
}

/** What each contender costs in one workload. */
function costs(samples, workload) {
  const head = [workload, 'CPU µs', 'overhead', 'req/s', 'p50 µs', 'p99 µs', 'lost']
  const contenders = [...new Set(samples.map((sample) => sample.contender))]
  const cells = contenders.map((contender) => [contender, pick(samples, contender, workload)])
  const lines = cells.filter(([, cell]) => cell.length > 0).map(([contender, cell]) => costLine(contender, cell))
  return table([head, ...lines])
}

/** How many times our session overhead theirs is. */
function ratio(theirs, ours) {
  return Math.max(theirs, RESOLUTION) / Math.max(ours, RESOLUTION)
}

/** Theirs ÷ ours: of the medians, and between brackets the least and the most of the rounds. */
function ratioCell(samples, { ours, theirs }, workload, goal) {
  const overheads = (contender) => pick(samples, contender, workload).map((sample) => sample.overhead)
  const [their, our] = [overheads(theirs), overheads(ours)]
  if (their.length === 0 || our.length === 0) return '–'
  const rounds = their.map((overhead, at) => ratio(overhead, our[at]))
  const spread = `${rounded(Math.min(...rounds))}–${rounded(Math.max(...rounds))}`
  const aim = goal === undefined ? '' : `, goal ${goal}`
  return `${rounded(ratio(median(their), median(our)))} (${spread})${aim}`
}

/** How many times our session overhead the others pay, and how many times it is meant to be. */
function comparisons(samples) {
  const there = COMPARISONS.filter(({ theirs }) => samples.some((sample) => sample.contender === theirs))
  const lines = there.map((comparison) => [
    `${comparison.theirs} ÷ ${comparison.ours}`,
    ...WORKLOADS.map((workload, at) => ratioCell(samples, comparison, workload, comparison.goals[at])),
  ])
  return table([['session overhead, theirs ÷ ours', ...WORKLOADS], ...lines])
}

/** A contender's requests per second ÷ the floor's; `NaN` where they were not measured. */
function shareOfFloor(samples, contender, workload) {
  const rate = (name) => median(pick(samples, name, workload).map((sample) => sample.rate))
  return rate(contender) / rate('floor')
}

/** Our requests per second as a share of the floor's. */
function shares(samples) {
  const contenders = [...new Set(samples.map((sample) => sample.contender))].filter((name) => name.startsWith('ours'))
  const cell = (number) => (Number.isNaN(number) ? '–' : number.toFixed(2))
  const share = (contender) => WORKLOADS.map((workload) => cell(shareOfFloor(samples, contender, workload)))
  const lines = contenders.map((contender) => [contender, ...share(contender)])
  return table([['requests per second ÷ the floor\'s', ...WORKLOADS], ...lines])
}

function heading(conditions) {
  const { node, processor, cores, generator, connections, sessions, fileSystem, rounds, measured, loadBefore } = conditions
  const pinning = cores.server === undefined ? 'nothing pinned' : `server on core ${cores.server}, load on ${cores.load}`
  return (
    `Node ${node}, ${processor}; ${generator}, ${connections} connections, ${sessions} sessions; files on ${fileSystem}; ${pinning}\n` +
    `${rounds} rounds of ${measured} ms, medians, with the least and the most in brackets; load average before: ${loadBefore}. ` +
    'Overhead: CPU per request less the floor\'s. Lost: answers without the session\'s value.'
  )
}

/**
 * The whole report.
 *
 * @param {object} conditions what the figures were taken with
 * @param {object[]} samples `{round, contender, workload, cpu, rate, p50, p99, bad}`
 * @returns {string}
 */
function report(conditions, samples) {
  const all = withOverheads(samples)
  const measured = WORKLOADS.filter((workload) => pick(all, 'floor', workload).length > 0)
  const parts = [heading(conditions), ...measured.map((workload) => costs(all, workload)), comparisons(all), shares(all)]
  return parts.join('\n\n')
}

/**
 * What the session alone cost with each contender: of the medians.
 *
 * @param {object[]} samples as `report` takes them
 * @returns {Map<string, Record<string, number>>} by contender and workload; in microseconds of CPU per request
 */
function overheads(samples) {
  const all = withOverheads(samples)
  const contenders = [...new Set(all.map((sample) => sample.contender))].filter((name) => name !== 'floor')
  const of = (contender, workload) => median(pick(all, contender, workload).map((sample) => sample.overhead))
  const measured = (contender) => WORKLOADS.map((workload) => [workload, of(contender, workload)])
  const entries = (contender) => measured(contender).filter(([, overhead]) => !Number.isNaN(overhead))
  return new Map(contenders.map((contender) => [contender, Object.fromEntries(entries(contender))]))
}

module.exports = { COMPARISONS, RESOLUTION, overheads, ratio, report, shareOfFloor }

if (require.main === module) {
  const { conditions, samples } = JSON.parse(require('node:fs').readFileSync(process.argv[2], 'utf8'))
  console.log(report(conditions, samples))
}
