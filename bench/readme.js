'use strict'

/**
 * Renews what README.md and ARCHITECTURE.md say about speed: measures all drivers and scale, draws `docs/speed.svg`, and writes the
 * tables between the marks in the two documents.
 *
 * What was measured stays in `bench/results/`, a file for each driver and `scale.json`; what is not measured anew is taken from
 * there. A table of what is not there either stays as it is.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { COUNT, optionsOf } = require('../scripts/cli')
const { DRIVERS: NAMES, chart, shortName } = require('./chart')
const { DRIVERS } = require('./contenders')
const { COMPARISONS, overheads, ratio, shareOfFloor } = require('./report')
const { goals, summary } = require('./scale/report')
const { markdown, rounded } = require('./table')

const ROOT = path.join(__dirname, '..')
const RESULTS = path.join(__dirname, 'results')
const CHART = path.join('docs', 'speed.svg')
/** The share of the floor's requests per second that a read in memory is meant to have. */
const SHARE = 0.7

const PARTS = [...DRIVERS, 'scale']

const USAGE = `Usage: npm run bench:readme -- [--quick] [--rounds N] [--only NAME] [--draw]

Measures every driver beside its peers, then scale; draws docs/speed.svg and renews the tables in README.md and ARCHITECTURE.md. It
takes two hours.

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

/** A line for each comparison of which both sides were measured; `cell` is given both costs and what is aimed at. */
function lines(runs, cell) {
  const costs = new Map(runs.flatMap(({ samples }) => [...overheads(samples)]))
  const there = COMPARISONS.filter(({ ours, theirs }) => costs.has(ours) && costs.has(theirs))
  const filled = (our, their, goal) => (our === undefined || their === undefined ? '' : cell(our, their, goal))
  return there.map(({ ours, theirs, goals: aims }) => [
    NAMES[ours.slice('ours, '.length)],
    shortName(theirs),
    ...Object.keys(WORKLOADS).map((workload, at) => filled(costs.get(ours)[workload], costs.get(theirs)[workload], aims[at])),
  ])
}

const times = (number) => (number >= 10 ? String(Math.round(number)) : number.toFixed(1))

/** Who costs how many times as much, with both costs. */
function comparisons(runs) {
  const cell = (ours, theirs) => `${times(ratio(theirs, ours))} (${rounded(theirs)} ÷ ${rounded(ours)})`
  return markdown([['driver', 'beside', ...Object.values(WORKLOADS)], ...lines(runs, cell)])
}

/** The same beside what is aimed at. */
function aims(runs) {
  const cell = (ours, theirs, goal) => (goal === undefined ? '' : `${times(ratio(theirs, ours))} (${goal})`)
  return markdown([['driver', 'beside', ...Object.values(WORKLOADS)], ...lines(runs, cell)])
}

/** The share of the floor's requests per second that a read in memory has, where that was measured. */
function shares(runs) {
  return runs.map(({ samples }) => shareOfFloor(samples, 'ours, memory', 'read')).filter((share) => !Number.isNaN(share))
}

/** Writes `parts` between two marks of a document. */
function renew(document, name, parts) {
  const file = path.join(ROOT, document)
  const text = fs.readFileSync(file, 'utf8')
  const marks = [`<!-- ${name}: renewed by npm run bench:readme -->`, `<!-- end of ${name} -->`]
  const [from, to] = marks.map((mark) => text.indexOf(mark))
  if (from === -1 || to < from) throw new Error(`${document} has lost the marks between which ${name} stands`)
  fs.writeFileSync(file, `${text.slice(0, from + marks[0].length)}\n\n${parts.join('\n\n')}\n\n${text.slice(to)}`)
}

function renewSpeed(runs) {
  fs.mkdirSync(path.join(ROOT, 'docs'), { recursive: true })
  fs.writeFileSync(path.join(ROOT, CHART), chart(runs))
  const measured = circumstances(runs[0])
  renew('README.md', 'speed', [
    `![CPU that a session adds to a request, for each driver beside other libraries](${CHART})`,
    `Times the cost of this package (theirs ÷ ours, in µs of CPU); ${measured}:`,
    comparisons(runs),
  ])
  renew('ARCHITECTURE.md', 'aims', [
    `Theirs ÷ ours, and in brackets what is aimed at; ${measured}:`,
    aims(runs),
    ...shares(runs).map((share) => `A read in memory has ${share.toFixed(2)} of the floor's requests per second (${SHARE}).`),
  ])
}

function renewScale(scale) {
  const stored = scale.conditions.stored.toLocaleString('en')
  const measured = circumstances(scale)
  renew('README.md', 'scale', [
    `With ${stored} sessions of 300 B stored, CPU of a whole request (\`npm run bench -- --scale\`; ${measured}):`,
    markdown(summary(scale)),
  ])
  renew('ARCHITECTURE.md', 'aims of scale', [`With ${stored} sessions; ${measured}:`, markdown(goals(scale).lines)])
}

function main() {
  const known = { quick: { type: 'boolean' }, rounds: { type: 'string' }, only: { type: 'string' }, draw: { type: 'boolean' } }
  const { quick, rounds, only, draw } = optionsOf(USAGE, known, { only: PARTS, rounds: COUNT })
  fs.mkdirSync(RESULTS, { recursive: true })
  const parts = draw ? [] : PARTS.filter((part) => only === undefined || part === only)
  for (const part of parts) measure(part, quick, rounds)
  const runs = DRIVERS.map(kept).filter(Boolean)
  if (runs.length === 0) throw new Error(`there is nothing in ${RESULTS}`)
  renewSpeed(runs)
  const scale = kept('scale')
  if (scale !== undefined) renewScale(scale)
}

main()
