'use strict'

/**
 * Claims that the suites in `__test__/` put to the test: runs them, and tells what they say of each driver.
 *
 * A suite of Jest's says how much it did by `tally` of `__test__/support/tally.js`; its tests name the driver in the title around them.
 */

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { endProcesses } = require('../__test__/native-safety/exits')
const { endWorkers } = require('../__test__/native-safety/workers')
const { DRIVERS } = require('./drivers')

const ROOT = path.join(__dirname, '..')

/** The driver that a title is about, or `all`. */
function driverOf(title = '') {
  return Object.keys(DRIVERS).find((name) => new RegExp(`^the ${DRIVERS[name].suite}\\b`).test(title)) ?? 'all'
}

const SUITES = [
  {
    name: 'kills',
    title: 'states that are neither old nor new, of servers killed at each system call of a save',
    paths: ['__test__/storage-faults/kills'],
    environment: { full: { KILLS: '1' }, quick: {} },
  },
  {
    name: 'faults',
    title: 'fault cells (fault × driver) that fail',
    paths: ['__test__/storage-faults/(?!kills)', '__test__/faults\\.storage', '__test__/bounds\\.'],
    environment: { full: {}, quick: {} },
  },
  {
    name: 'growth',
    title: 'drivers on which requests leave something in memory',
    paths: ['__test__/native-safety/growth'],
    environment: { full: { TORTURE: '1' }, quick: {} },
  },
  {
    name: 'panics',
    title: 'panics inside the addon that reach more than the callback concerned',
    paths: ['__test__/native-safety/panics'],
    environment: { full: {}, quick: {} },
  },
]

/** Threads and processes that end while they save, on all drivers in turn. */
const ENDS = [
  {
    name: 'workers',
    title: 'worker threads ended in the middle of their saves that did not end cleanly, and records torn by them',
    sizes: { quick: 100, full: 1000 },
    run: endWorkers,
  },
  {
    name: 'exits',
    title: 'processes ended in the middle of their saves that did not end as meant, and records torn or lost by them',
    sizes: { quick: 40, full: 400 },
    run: endProcesses,
  },
]

/** Ends so many; gives the one cell that there is. */
async function runEnds({ run, sizes }, size) {
  const { clean, torn, lost = 0, bad } = await run(sizes[size])
  return { all: { wrong: sizes[size] - clean + torn + lost, of: sizes[size], errors: 0, details: bad } }
}

/** Runs Jest; gives its report and the lines that were tallied. */
async function jest(suite, size, folder) {
  const [report, tally] = ['report.json', 'tally'].map((name) => path.join(folder, `${suite.name}-${name}`))
  const given = ['--silent', '--runInBand', '--passWithNoTests', '--json', '--outputFile', report, ...suite.paths]
  const env = { ...process.env, ...suite.environment[size], TALLY: tally }
  const child = spawn(process.execPath, [require.resolve('jest/bin/jest'), ...given], { cwd: ROOT, env, stdio: 'ignore' })
  await new Promise((resolve) => child.on('exit', resolve))
  const lines = fs.existsSync(tally) ? fs.readFileSync(tally, 'utf8').split('\n').filter(Boolean) : []
  return { report: JSON.parse(fs.readFileSync(report, 'utf8')), tallied: lines.map((line) => JSON.parse(line)) }
}

/**
 * Runs a suite; gives for each driver `{wrong, of, skipped, details}`, and under `all` the same for tests that name none: failed
 * tests, all tests, and skipped ones. A test that tallies counts as often as it says.
 */
async function runSuite(suite, size, drivers, folder) {
  const { report, tallied } = await jest(suite, size, folder)
  const cells = Object.fromEntries([...drivers, 'all'].map((name) => [name, { wrong: 0, of: 0, skipped: 0, details: [] }]))
  for (const { assertionResults, status, message, name } of report.testResults) {
    if (status === 'failed' && assertionResults.length === 0) count(cells.all, 'failed', `${path.basename(name)}: ${message}`)
    for (const test of assertionResults) {
      const cell = cells[driverOf(test.ancestorTitles[0])]
      if (cell !== undefined) count(cell, test.status, test.fullName)
    }
  }
  for (const line of tallied) {
    const cell = cells[driverOf(line.driver)]
    if (cell !== undefined) cell.of += line.count - 1
  }
  return cells
}

function count(cell, status, name) {
  if (status === 'pending' || status === 'todo') {
    cell.skipped += 1
    return
  }
  cell.of += 1
  if (status === 'passed') return
  cell.wrong += 1
  cell.details.push(name)
}

module.exports = { SUITES, ENDS, runSuite, runEnds }
