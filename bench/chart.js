'use strict'

/**
 * Draws what sessions cost, out of what `run.js --json FILE` kept: an SVG that is read on light and on dark pages.
 *
 * node bench/chart.js FILE… > docs/speed.svg
 *
 * Each driver is a block of lines, each workload a column. Bars are in proportion within one block and one column only, for what is
 * shown differs by a thousand times; so each has its value beside it.
 */

const fs = require('node:fs')
const { COMPARISONS, RESOLUTION, overheads, ratio } = require('./report')
const { rounded } = require('./table')

/** The workloads that are shown, and what they are called. */
const COLUMNS = { read: 'read', write: 'write', new: 'new session', large: 'read of a 50 kB session' }
const DRIVERS = { memory: 'memory', file: 'files', database: 'SQLite', redis: 'Redis', postgres: 'PostgreSQL', mysql: 'MySQL' }

/** Units: pixels. A bar is followed by its label, for which there is room beside the longest. */
const SIZE = { names: 215, column: 182, bar: 84, line: 21, thick: 13, head: 64, block: 30, foot: 12 }
const WIDTH = SIZE.names + Object.keys(COLUMNS).length * SIZE.column

const TITLE = 'CPU that a session adds to a request, in µs: less is better'
const NOTE = 'In brackets: how many times the cost of this package. Stores are used with express-session. Each bar is in proportion to those above and below it.'

const STYLE = `text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.driver, .ours { font-weight: 600 }
.faint { fill: #59636e; font-size: 12px }
.bar { fill: #9aa4af }
.bar.ours { fill: #1f6feb }
.rule { stroke: #9aa4af; stroke-opacity: 0.4 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .faint { fill: #9198a1 }
  .bar { fill: #6e7681 }
  .bar.ours { fill: #4493f8 }
}`

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

function text(x, y, content, style = '') {
  return `<text x="${x}" y="${y}"${style && ` class="${style}"`}>${escaped(content)}</text>`
}

/** A contender's name without what the chart's heading or the block's says. */
function shortName(contender) {
  if (contender.startsWith('ours')) return 'this package'
  const [library, store] = contender.split(', ')
  return library === 'express-session' && store !== 'MemoryStore' ? store : library
}

/** The blocks: by driver, ours and those that it is compared with, as far as they were measured. */
function blocks(costs) {
  const named = Object.keys(DRIVERS).map((driver) => {
    const ours = `ours, ${driver}`
    const others = COMPARISONS.filter((comparison) => comparison.ours === ours).map(({ theirs }) => theirs)
    return { driver, contenders: [ours, ...others].filter((contender) => costs.has(contender)) }
  })
  return named.filter(({ contenders }) => contenders.length > 1)
}

/** What stands beside a bar: its value, and how many times ours that is. */
function label(cost, ours, isOurs) {
  const value = cost < RESOLUTION ? `< ${RESOLUTION}` : rounded(cost)
  if (isOurs || ours === undefined) return value
  const times = ratio(cost, ours)
  return `${value}  (${times >= 10 ? Math.round(times) : times.toFixed(1)}×)`
}

/** The bars of one workload in a block, the first of them ours. */
function bars(costs, contenders, workload, x, top) {
  const values = contenders.map((contender) => costs.get(contender)[workload])
  const most = Math.max(...values.filter((value) => value !== undefined))
  return contenders.flatMap((_, at) => {
    if (values[at] === undefined) return []
    const length = Math.max(2, (SIZE.bar * values[at]) / most)
    const y = top + at * SIZE.line
    const style = at === 0 ? 'bar ours' : 'bar'
    const said = label(values[at], values[0], at === 0)
    return [
      `<rect class="${style}" x="${x}" y="${y + 3}" width="${length.toFixed(1)}" height="${SIZE.thick}" rx="2"/>`,
      text((x + length + 6).toFixed(1), y + SIZE.thick + 1, said, at === 0 ? 'ours' : ''),
    ]
  })
}

function block(costs, { driver, contenders }, top) {
  const first = top + SIZE.block
  const names = contenders.map((contender, at) => {
    return text(14, first + at * SIZE.line + SIZE.thick + 1, shortName(contender), at === 0 ? 'ours' : '')
  })
  const columns = Object.keys(COLUMNS).flatMap((workload, at) => {
    return bars(costs, contenders, workload, SIZE.names + at * SIZE.column, first)
  })
  const rule = `<line class="rule" x1="0" x2="${WIDTH}" y1="${top + 4}" y2="${top + 4}"/>`
  return [rule, text(0, top + 22, DRIVERS[driver], 'driver'), ...names, ...columns]
}

/**
 * The chart.
 *
 * @param {{samples: object[]}[]} runs what `run.js --json` kept, of any number of drivers; the later ones count
 * @returns {string} an SVG
 */
function chart(runs) {
  const costs = new Map(runs.flatMap(({ samples }) => [...overheads(samples)]))
    const parts = [
    text(0, 18, TITLE, 'title'),
    text(0, 38, NOTE, 'faint'),
    ...Object.values(COLUMNS).map((name, at) => text(SIZE.names + at * SIZE.column, SIZE.head - 2, name, 'faint')),
  ]
  let top = SIZE.head
  for (const one of blocks(costs)) {
    parts.push(...block(costs, one, top))
    top += SIZE.block + one.contenders.length * SIZE.line + SIZE.foot
  }
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}" role="img">`
  return [open, `<title>${TITLE}</title>`, `<style>\n${STYLE}\n</style>`, ...parts, '</svg>', ''].join('\n')
}

module.exports = { DRIVERS, chart, shortName }

if (require.main === module) {
  const files = process.argv.slice(2)
  process.stdout.write(chart(files.map((file) => JSON.parse(fs.readFileSync(file, 'utf8')))))
}
