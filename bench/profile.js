'use strict'

/**
 * Prints where the time of a server went: the functions with the most self time in the profiles that
 * `node bench/run.js --profile FOLDER` leaves. Knows JavaScript only; the addon shows as its native functions.
 *
 * node bench/profile.js FILE.cpuprofile… [COUNT]
 */

const fs = require('node:fs')
const path = require('node:path')

/** Time by function, in microseconds. */
function selfTimes({ nodes, samples, timeDeltas }) {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const times = new Map()
  samples.forEach((id, at) => {
    const name = names.get(id)
    times.set(name, (times.get(name) ?? 0) + timeDeltas[at])
  })
  times.delete('(idle)')
  return times
}

function nameOf({ functionName, url, lineNumber }) {
  const name = functionName || '(anonymous)'
  return url === '' ? name : `${name}  ${path.basename(path.dirname(url))}/${path.basename(url)}:${lineNumber + 1}`
}

function print(file, count) {
  const times = selfTimes(JSON.parse(fs.readFileSync(file, 'utf8')))
  const total = [...times.values()].reduce((sum, time) => sum + time, 0)
  console.log(`${path.basename(file)}: ${Math.round(total / 1000)} ms busy`)
  const longest = [...times].sort((a, b) => b[1] - a[1]).slice(0, count)
  for (const [name, time] of longest) console.log(`${((100 * time) / total).toFixed(1).padStart(6)} %  ${name}`)
}

const given = process.argv.slice(2)
const count = /^\d+$/.test(given.at(-1)) ? Number(given.pop()) : 30
for (const file of given) print(file, count)
