'use strict'

/*
 * Ends worker threads in the middle of their saves, and looks whether that was clean: the processes end by themselves with
 * code 0, and every record is whole (requirement 134).
 *
 * node workers.js [WORKERS] [SEED]
 *
 * The last line is a report as JSON; the exit code says whether all was well.
 */

const { spawn } = require('child_process')
const fs = require('fs')
const os = require('os')
const path = require('path')

const { survey } = require('./survey')

const CHILD = path.join(__dirname, 'workers.child.js')
/** Workers that one process has, one after the other and four at a time. */
const BATCH = 25
/** Longest time that such a process may take. Units: milliseconds. */
const LIMIT = 120000

/** Runs one process; gives its report and how it ended. */
function batch(workers, folder, seed) {
  const child = spawn(process.execPath, [CHILD, workers, folder, seed], { stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => { stdout += text })
  child.stderr.on('data', (text) => { stderr += text })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const report = stdout.startsWith('{') ? JSON.parse(stdout) : { clean: 0, bad: ['no report'] }
      const end = signal ?? code
      if (end !== 0) report.bad.push(`the process with the seed ${seed} ended with ${end}: ${stderr.slice(-2000)}`)
      resolve(report)
    })
  })
}

/**
 * Ends so many workers.
 *
 * @returns {Promise<{workers: number, clean: number, processes: number, records: number, torn: number, bad: string[], seed: number}>}
 */
async function endWorkers(workers, seed = Date.now() % 1000000) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-workers-'))
  const sum = { workers, clean: 0, processes: 0, records: 0, torn: 0, bad: [], seed }
  try {
    for (let left = workers; left > 0; left -= BATCH) {
      const { clean, bad } = await batch(Math.min(left, BATCH), folder, seed + sum.processes)
      sum.clean += clean
      sum.processes += 1
      sum.bad.push(...bad)
    }
    const { records, torn } = await survey(folder)
    return { ...sum, records, torn }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

module.exports = { endWorkers }

if (require.main === module) {
  const [, , workers = '1000', seed] = process.argv
  endWorkers(Number(workers), seed === undefined ? undefined : Number(seed)).then((sum) => {
    console.log(JSON.stringify(sum))
    process.exitCode = sum.clean === sum.workers && sum.torn === 0 && sum.bad.length === 0 ? 0 : 1
  })
}
