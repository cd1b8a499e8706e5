'use strict'

/*
 * Ends processes in the middle of their saves, by `process.exit`, an exception, SIGTERM and `close()`, and looks whether each
 * ended as it was meant to and every record is whole (requirements 121, 126 and 136).
 *
 * node exits.js [PROCESSES] [SEED]
 *
 * The last line is a report as JSON; the exit code says whether all was well.
 */

const { fork } = require('child_process')
const fs = require('fs')
const os = require('os')
const path = require('path')

const { random } = require('./saver')
const { survey } = require('./survey')

const CHILD = path.join(__dirname, 'exits.child.js')
/** How a process ends, and with what code or signal that is. */
const WAYS = { exit: 7, uncaught: 1, killed: 'SIGTERM', drained: 0 }
/** Longest time that a process may take. Units: milliseconds. */
const LIMIT = 60000

/** Runs one process; gives what was wrong with its end, and the ids that it said it had stored. */
function run(way, folder, seed, delay) {
  const child = fork(CHILD, [way, folder, seed, delay], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => { stdout += text })
  child.stderr.on('data', (text) => { stderr += text })
  child.once('message', () => {
    if (way === 'killed' || way === 'drained') setTimeout(() => child.kill('SIGTERM'), delay)
  })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const end = signal ?? code
      const bad = end === WAYS[way] ? undefined : `${way}, seed ${seed}, delay ${delay}: ended with ${end}: ${stderr.slice(-1000)}`
      resolve({ bad, begun: 0, ids: [], ...(stdout === '' ? {} : JSON.parse(stdout)) })
    })
  })
}

/**
 * Ends so many processes.
 *
 * @returns {Promise<{processes: number, clean: number, drained: number, lost: number, records: number, torn: number, bad: string[],
 *   seed: number}>} `lost` of the sessions that `close()` had `drained`
 */
async function endProcesses(processes, seed = Date.now() % 1000000) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-exits-'))
  const next = random(seed)
  const sum = { processes, clean: 0, drained: 0, lost: 0, records: 0, torn: 0, bad: [], seed }
  const stored = []
  try {
    let left = processes
    const lane = async () => {
      while (left > 0) {
        left -= 1
        const way = Object.keys(WAYS)[next(4)]
        const { bad, begun, ids } = await run(way, folder, next(2 ** 31), next(80))
        if (bad === undefined) sum.clean += 1
        else sum.bad.push(bad)
        sum.drained += begun
        stored.push(...ids)
      }
    }
    await Promise.all([lane(), lane()])
    const { records, torn, ids } = await survey(folder)
    return { ...sum, lost: sum.drained - stored.filter((id) => ids.has(id)).length, records, torn }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

module.exports = { endProcesses }

if (require.main === module) {
  const [, , processes = '1000', seed] = process.argv
  endProcesses(Number(processes), seed === undefined ? undefined : Number(seed)).then((sum) => {
    console.log(JSON.stringify(sum))
    process.exitCode = sum.clean === sum.processes && sum.torn + sum.lost + sum.bad.length === 0 ? 0 : 1
  })
}
