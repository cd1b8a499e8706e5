'use strict'

/*
 * Whether a million requests of every kind leave something behind (requirements 132 and 133).
 *
 * node growth.js [REQUESTS] [DRIVER…]
 *
 * The last line is a report as JSON; the exit code says whether nothing grew.
 */

const { spawn } = require('child_process')
const fs = require('fs')
const os = require('os')
const path = require('path')

const CHILD = path.join(__dirname, 'growth.child.js')
const DRIVERS = ['memory', 'file', 'database', 'custom']
const SAMPLES = 16
/** What a million requests may add to the memory of a process. Units: bytes. */
const MOST_GROWTH = 1 << 20
/**
 * What a run may add, however short it is: V8's own notes on code that runs hot, and what allocators hold back, which is more on
 * a machine that has other work. Units: bytes.
 */
const NOISE = 4 << 20
/** What seems to grow has to grow in a run that is so many times as long, too. */
const LONGER = 4
/** What is held when nothing is under way, at most; what the engine has for as long as JavaScript holds it comes on top. */
const BOUNDS = {
  waiting: 0,
  operations: 0,
  calls: 0,
  underWay: 0,
  turns: 0,
  locks: 0,
  creating: 0,
  inTrouble: 0,
  engines: 1,
  sessions: 512 + 64,
  closed: 512,
  closedBytes: 16 << 20,
  ended: 10000,
  parsed: 1024,
  handled: 10000 + 2048,
}

/** The line through points: its slope, and how far off that may be, as a standard error. */
function fit(points) {
  const n = points.length
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / n
  const [x, y] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))]
  const spread = points.reduce((sum, [at]) => sum + (at - x) ** 2, 0)
  const slope = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0) / spread
  const off = points.reduce((sum, [at, value]) => sum + (value - y - slope * (at - x)) ** 2, 0)
  return { slope, error: Math.sqrt(off / (n - 2) / spread) }
}

/**
 * What a million requests add, and whether that is too much: more than is allowed, even when the line is as much less steep as
 * the scatter of the samples leaves open.
 */
function growthOf(samples, name) {
  const { slope, error } = fit(samples.map((sample) => [sample.served, sample[name]]))
  const least = slope - 2 * error
  const isTooMuch = least * 1e6 > MOST_GROWTH && least * samples.at(-1).served > NOISE
  return { perMillion: Math.round(slope * 1e6), give: Math.round(2 * error * 1e6), isTooMuch }
}

/** Serves so many requests on a driver; gives what grew, and sentences about what must not be, once more if there are any. */
async function measure(driver, requests) {
  const report = await run(driver, requests)
  return report.bad.length === 0 ? report : run(driver, LONGER * requests)
}

function run(driver, requests) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-growth-'))
  const warmUp = Math.max(4000, Math.floor(requests / 10))
  // A small nursery is full, and counted, from the beginning. glibc's arenas, one for each thread, hold back what was freed: for
  // a megabyte or two it takes them half a million requests to come to rest.
  const given = ['--expose-gc', '--max-semi-space-size=1', CHILD, driver, folder, warmUp, requests, SAMPLES]
  const child = spawn(process.execPath, given, { env: { ...process.env, MALLOC_ARENA_MAX: '1' } })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => { stdout += text })
  child.stderr.on('data', (text) => { stderr += text })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      fs.rmSync(folder, { recursive: true, force: true })
      if (!stdout.startsWith('{')) {
        resolve({ driver, bad: [`the process ended with ${signal ?? code}: ${stderr.slice(-2000)}`] })
        return
      }
      const { samples, seconds, stats } = JSON.parse(stdout)
      const [rss, heapUsed] = ['rss', 'heapUsed'].map((name) => growthOf(samples, name))
      const bad = []
      if (rss.isTooMuch) bad.push(`the process grows by ${rss.perMillion} bytes with a million requests`)
      if (heapUsed.isTooMuch) bad.push(`JavaScript's heap grows by ${heapUsed.perMillion} bytes with a million requests`)
      for (const [name, most] of Object.entries(BOUNDS)) {
        const held = Math.max(...samples.map((sample) => sample[name]))
        if (!(held <= most)) bad.push(`${held} \`${name}\` are held, more than ${most}`)
      }
      resolve({ driver, requests, seconds, rss, heapUsed, stats, last: samples.at(-1), bad })
    })
  })
}

module.exports = { DRIVERS, fit, measure }

if (require.main === module) {
  const [, , requests = '1000000', ...drivers] = process.argv
  const main = async () => {
    const reports = []
    for (const driver of drivers.length > 0 ? drivers : DRIVERS) reports.push(await measure(driver, Number(requests)))
    console.log(JSON.stringify(reports))
    process.exitCode = reports.every(({ bad }) => bad.length === 0) ? 0 : 1
  }
  main()
}
