'use strict'

/**
 * Renews what README.md says about speed: measures all drivers and scale, draws `docs/speed.svg`, and writes the tables between the
 * two marks in the README.
 *
 * What was measured stays in `bench/results/`, a file for each driver and `scale.json`; what is not measured anew is taken from there.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { COUNT, optionsOf } = require('../scripts/cli')
const { DRIVERS: NAMES, chart, shortName } = require('./chart')
const { DRIVERS } = require('./contenders')
const { COMPARISONS, overheads, ratio } = require('./report')
const { summary } = require('./scale/report')
const { markdown, rounded } = require('./table')

const ROOT = path.join(__dirname, '..')
const RESULTS = path.join(__dirname, 'results')
const README = path.join(ROOT, 'README.md')
const CHART = path.join('docs', 'speed.svg')
/** What stands between them is written here. */
const MARKS = ['<!-- speed: renewed by npm run bench:readme -->', '<!-- end of speed -->']

const PARTS = [...DRIVERS, 'scale']

const USAGE = `Usage: npm run bench:readme -- [--quick] [--rounds N] [--only NAME] [--draw]

Measures every driver beside its peers, then scale; draws docs/speed.svg and renews the tables in README.md. It takes two hours.

  --quick      fewer rounds, shorter ones, and 100000 sessions in place of a million: half an hour
  --rounds N   so many rounds
  --only NAME  measures one part anew: ${PARTS.join(', ')}
  --draw       measures nothing: draws what is in bench/results
`

/** The workloads that the table shows, and what they are called. */
const WORKLOADS = { read: 'read', write: 'write', new: 'new session', large: '50 kB session' }

const fileOf = (part) => path.join(RESULTS, `${part}.json`)

function measure(part, quick, rounds) {
  const which = part === 'scale' ? ['--scale'] : ['--driver', part]
  const given = [path.join(__dirname, 'run.js'), ...which, ...(quick ? ['--quick'] : []), '--json', fileOf(part)]
  if (rounds !== undefined) given.push('--rounds', rounds)
  const { status } = spawnSync(process.execPath, given, { stdio: 'inherit' })
  if (status !== 0) throw new Error(`${part} cannot be measured`)
}

function kept(part) {
  return fs.existsSync(fileOf(part)) ? JSON.parse(fs.readFileSync(fileOf(part), 'utf8')) : undefined
}

function circumstances({ conditions: { node, processor, fileSystem, rounds, measured } }) {
  return `Node.js ${node.slice(1)}, ${processor}, files on ${fileSystem}; medians of ${rounds} rounds of ${measured / 1000} s`
}

/** Who costs how many times as much, with both costs. */
function comparisons(runs) {
  const costs = new Map(runs.flatMap(({ samples }) => [...overheads(samples)]))
  const cell = (ours, theirs) => {
    if (ours === undefined || theirs === undefined) return ''
    const times = ratio(theirs, ours)
    return `${times >= 10 ? Math.round(times) : times.toFixed(1)} (${rounded(theirs)} ÷ ${rounded(ours)})`
  }
  const there = COMPARISONS.filter(({ ours, theirs }) => costs.has(ours) && costs.has(theirs))
  const lines = there.map(({ ours, theirs }) => [
    NAMES[ours.slice('ours, '.length)],
    shortName(theirs),
    ...Object.keys(WORKLOADS).map((workload) => cell(costs.get(ours)[workload], costs.get(theirs)[workload])),
  ])
  return markdown([['driver', 'beside', ...Object.values(WORKLOADS)], ...lines])
}

/** What stands between the marks. */
function section(runs, scale) {
  const parts = [
    `![CPU that a session adds to a request, for each driver beside other libraries](${CHART})`,
    `Times the cost of this package (theirs ÷ ours, in µs of CPU); ${circumstances(runs[0])}:`,
    comparisons(runs),
  ]
  if (scale !== undefined) {
    const stored = scale.conditions.stored.toLocaleString('en')
    parts.push(
      `With ${stored} sessions of 300 B stored, CPU of a whole request (\`npm run bench -- --scale\`; ${circumstances(scale)}):`,
      markdown(summary(scale))
    )
  }
  return parts.join('\n\n')
}

function renew(runs, scale) {
  const readme = fs.readFileSync(README, 'utf8')
  const [from, to] = MARKS.map((mark) => readme.indexOf(mark))
  if (from === -1 || to < from) throw new Error('README.md has lost the marks between which speed stands')
  const before = readme.slice(0, from + MARKS[0].length)
  fs.writeFileSync(README, `${before}\n\n${section(runs, scale)}\n\n${readme.slice(to)}`)
  fs.mkdirSync(path.join(ROOT, 'docs'), { recursive: true })
  fs.writeFileSync(path.join(ROOT, CHART), chart(runs))
}

function main() {
  const known = { quick: { type: 'boolean' }, rounds: { type: 'string' }, only: { type: 'string' }, draw: { type: 'boolean' } }
  const { quick, rounds, only, draw } = optionsOf(USAGE, known, { only: PARTS, rounds: COUNT })
  fs.mkdirSync(RESULTS, { recursive: true })
  const parts = draw ? [] : PARTS.filter((part) => only === undefined || part === only)
  for (const part of parts) measure(part, quick, rounds)
  const runs = DRIVERS.map(kept).filter(Boolean)
  if (runs.length === 0) throw new Error(`there is nothing in ${RESULTS}`)
  renew(runs, kept('scale'))
}

main()
