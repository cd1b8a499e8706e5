'use strict'

/**
 * What many stored sessions cost: what they take, whether requests cost more among them, and whether removing them is felt.
 *
 * Called by `run.js` with `--scale`. Asserts nothing; the report says which goals are reached.
 */

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { DRIVERS } = require('./contenders')
const { begin, circumstances, measure, sleep, startServer, targetsOf, warmUp } = require('./measure')
const { report } = require('./scale/report')

/** What is kept where there is a handful of sessions, for comparison. */
const FEW = 1000
/** What holds its sessions in this process or on its disk; the other drivers keep them on servers. */
const EMBEDDED = ['memory', 'file', 'database']
/** What a session that has expired has been idle for: longer than any lives. Units: milliseconds. */
const EXPIRED = 48 * 3600 * 1000
/** Visitors out of all that are stored, at most: as many as a round has requests. */
const SPREAD = 100000
/** Between two requests of a connection while sessions are swept: the server then has time left, as one in use has. Units: milliseconds. */
const PAUSE = 8
/** Free room that a session needs on the disk, at least: its file, its inode, and another's log. Units: bytes. */
const ROOM = 6000

/**
 * See `PLANS` in `run.js`. `sweeps` is how often sessions are swept, `quiet` how long the same load is watched without. Files are swept
 * once, which takes long enough: some file systems make new ones slowly after that.
 */
const PLANS = {
  quick: { rounds: 3, start: 1000, warmUp: 200, measured: 1000, sweeps: { memory: 3, file: 1, database: 1 }, quiet: 3000, stored: 100000 },
  full: { rounds: 5, start: 3000, warmUp: 500, measured: 3000, sweeps: { memory: 5, file: 1, database: 3 }, quiet: 10000, stored: 1000000 },
}

function progress(text) {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}

/** Refuses what the disk has no room for. */
function checkRoom(folder, sessions) {
  const { bavail, bsize, ffree, files } = fs.statfsSync(folder)
  if (bavail * bsize < sessions * ROOM) throw new Error(`${folder} has no room for ${sessions} sessions`)
  if (files > 0 && ffree < 2 * sessions) throw new Error(`${folder} has no inodes for ${sessions} session files`)
}

/** Starts this package on a driver, in a folder that may hold sessions already. */
function startHolder(driver, folder, bench, ...given) {
  const script = ['--expose-gc', path.join(__dirname, 'scale', 'holder.js'), driver, folder, ...given]
  return startServer(`ours, ${driver}`, script, folder, bench)
}

async function withHolder(driver, folder, bench, given, work) {
  const holder = await startHolder(driver, folder, bench, ...given)
  try {
    return await work(holder)
  } finally {
    await holder.stop()
  }
}

const newFolder = (bench) => fs.mkdtempSync(path.join(bench.folder, 'scale-'))

/** Units: bytes. */
function diskUse(folder) {
  return Number(execFileSync('du', ['-sB1', folder], { encoding: 'utf8' }).split('\t', 1)[0])
}

/** What idle sessions take. They stay in `folder`. */
async function holdIdle(driver, folder, bench) {
  const held = await withHolder(driver, folder, bench, [], async (holder) => {
    const before = await holder.ask('memory')
    const { took } = await holder.ask({ ask: 'fill', from: 0, count: bench.plan.stored, age: 0 })
    return { before, after: await holder.ask('memory'), took }
  })
  return { driver, ...held, disk: diskUse(folder) }
}

/** So many numbers below `count`, all different while there are enough, in no order. */
function picked(count) {
  const step = 514229
  return Array.from({ length: Math.min(count, SPREAD) }, (_, at) => (at * step) % count)
}

/** Requests of the visitors whose sessions are stored, in place of some that have just signed in. */
async function spreadTargets(holder, stored, target) {
  const { cookies } = await holder.ask({ ask: 'cookies', numbers: picked(stored) })
  return cookies.map((cookie) => ({ path: target, cookie }))
}

/** The workloads of a round, as functions that give their requests. */
const WORKLOADS = {
  read: (holder) => targetsOf(holder, 'read'),
  write: (holder) => targetsOf(holder, 'write'),
  'read, any session': (holder, stored) => spreadTargets(holder, stored, '/read'),
  'write, any session': (holder, stored) => spreadTargets(holder, stored, '/write'),
}

/** What requests cost where so many sessions are stored. */
async function takeTurn(driver, { stored, folder }, round, bench) {
  return withHolder(driver, folder, bench, [], async (holder) => {
    if (driver === 'memory') await holder.ask({ ask: 'fill', from: 0, count: stored, age: 0 })
    // What sweeps cost is measured apart; after this one there is none for a while, as after any other.
    await holder.ask('sweep')
    await warmUp(holder, bench)
    const samples = []
    for (const [workload, targets] of Object.entries(WORKLOADS)) {
      const cost = await measure(holder, await targets(holder, stored), bench)
      samples.push({ driver, stored, workload, round, ...cost })
    }
    return samples
  })
}

/** Requests among few sessions and among many, in turns. */
async function compareCosts(driver, folder, bench) {
  const few = { stored: FEW, folder: newFolder(bench) }
  const many = { stored: bench.plan.stored, folder }
  const samples = []
  try {
    if (driver !== 'memory') {
      const fill = (holder) => holder.ask({ ask: 'fill', from: 0, count: FEW, age: 0 })
      await withHolder(driver, few.folder, bench, [], fill)
    }
    for (let round = 1; round <= bench.plan.rounds; round += 1) {
      progress(`${driver}: requests among ${FEW} and ${bench.plan.stored} sessions, round ${round}`)
      for (const place of [few, many]) samples.push(...(await takeTurn(driver, place, round, bench)))
    }
  } finally {
    await drop(driver, few.folder, bench)
  }
  return samples
}

/** Removes what a server holds. Files go with the benchmark's folder. */
async function drop(driver, folder, bench) {
  if (EMBEDDED.includes(driver)) return
  const holder = await startHolder(driver, folder, bench)
  await holder.stop({ ask: 'stop', isLast: true })
}

/** Has half of the sessions in a folder expired; in memory there are none yet. */
async function expireHalf(holder, driver, round, bench) {
  const half = Math.floor(bench.plan.stored / 2)
  // The memory driver keeps its sessions in the order of their activity: the oldest come first.
  await holder.ask({ ask: 'fill', from: round * bench.plan.stored, count: half, age: EXPIRED })
  if (driver === 'memory' || round === 1) {
    await holder.ask({ ask: 'fill', from: 0, count: bench.plan.stored - half, age: 0 })
  }
}

/** The event loop's delays under one load, without a sweep and while half of the sessions are swept. */
async function sweepHalf(driver, folder, round, bench) {
  progress(`${driver}: a sweep of ${bench.plan.stored} sessions, half of them expired, round ${round}`)
  return withHolder(driver, folder, bench, ['no lottery'], async (holder) => {
    await expireHalf(holder, driver, round, bench)
    await warmUp(holder, bench)
    const endLoad = await begin(holder, await targetsOf(holder, 'mixed'), bench, PAUSE)
    await sleep(bench.plan.warmUp)
    const quiet = await watched(holder, 'quiet', () => sleep(bench.plan.quiet))
    const sweep = {}
    const swept = await watched(holder, 'swept', async () => Object.assign(sweep, await holder.ask('sweep')))
    await endLoad()
    return { driver, round, ...sweep, quiet, swept }
  })
}

/** The delays during some work. */
async function watched(holder, name, work) {
  await holder.ask({ ask: 'watch', name })
  await work()
  return holder.ask({ ask: 'unwatch', name })
}

/** How long `require` takes in a process that has just begun. Units: milliseconds. */
function requireTimes(times, bench) {
  const script = 'const t = process.hrtime.bigint(); require(process.argv[1]); console.log(Number(process.hrtime.bigint() - t) / 1e6)'
  const pin = bench.cores.server === undefined ? [] : ['taskset', '-c', String(bench.cores.server)]
  const [program, ...given] = [...pin, process.execPath, '-e', script, path.join(__dirname, '..')]
  return Array.from({ length: times }, () => Number(execFileSync(program, given, { encoding: 'utf8' })))
}

async function measureDriver(driver, bench, results) {
  const folder = newFolder(bench)
  progress(`${driver}: ${bench.plan.stored} idle sessions`)
  const held = await holdIdle(driver, folder, bench)
  if (EMBEDDED.includes(driver)) results.idle.push(held)
  results.costs.push(...(await compareCosts(driver, folder, bench)))
  await drop(driver, folder, bench)
  if (!EMBEDDED.includes(driver)) return
  const swept = newFolder(bench)
  for (let round = 1; round <= bench.plan.sweeps[driver]; round += 1) {
    results.sweeps.push(await sweepHalf(driver, swept, round, bench))
  }
}

/**
 * Measures one driver, or all of them.
 *
 * @param {object} bench `{cores, hasWrk, folder}`; gets the `plan`
 * @param {{quick: boolean, driver?: string, sessions?: string}} options
 * @returns {Promise<{kept: object, text: string}>} what was measured, and the report
 */
async function runScale(bench, { quick, rounds, driver, sessions }) {
  const plan = quick ? PLANS.quick : PLANS.full
  bench.plan = { ...plan, rounds: Number(rounds ?? plan.rounds), stored: Number(sessions ?? plan.stored) }
  checkRoom(bench.folder, bench.plan.stored)
  const conditions = circumstances(bench)
  const results = { conditions, requireTimes: requireTimes(15, bench), idle: [], costs: [], sweeps: [] }
  for (const name of DRIVERS) if (driver === undefined || driver === name) await measureDriver(name, bench, results)
  return { kept: results, text: report(results) }
}

module.exports = { runScale }
