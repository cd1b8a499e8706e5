'use strict'

/*
 * What a request's session costs, counted and not timed: how often it crosses between JavaScript and the addon, what it allocates
 * there, and whether what it makes dies young. Where each allocation comes from: `node support/expense.child.js list memory FOLDER`.
 */

const { execFile } = require('child_process')
const path = require('path')

const { faultyAddon } = require('./native-safety/addon')
const { tempDir } = require('./support/cleanup')
const { ours, describeOurs } = require('./support/packages')

/**
 * The most that the session of one request may take: `[crossings, allocations, bytes]`. Crossings are calls into the addon and out
 * of it, and may not be more than they are; allocations stand a little above what they are. Who makes them fewer lowers the numbers.
 */
const MOST = {
  memory: { read: [3, 5, 1200], write: [4, 15, 5600], large: [3, 5, 1200], new: [3, 32, 5300] },
  file: { read: [4, 7, 4100], write: [5, 21, 11500], large: [4, 7, 104000], new: [4, 31, 5200] },
  database: { read: [4, 6, 1400], write: [5, 19, 9500], large: [4, 6, 1400], new: [4, 33, 5500] },
}
/** The most garbage that a request's session may leave to JavaScript, twice what it is: how V8 compiles decides it too. Units: bytes. */
const MOST_GARBAGE = 3072
/** By how much a request may let the heap's old part grow. Units: bytes. */
const MOST_OLD = 150

const EXPENSE = path.join(__dirname, 'support', 'expense.child.js')
const HEAP = path.join(__dirname, 'support', 'cost.child.js')
/** A nursery that holds what is left between two collections that are asked for. */
const ROOMY = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']

/** One in which a request's objects now and then outlive a collection, as they do under load. */
const SMALL = ['--expose-gc', '--max-semi-space-size=4']

jest.setTimeout(600000)

/** Runs a program of Node's; gives the report that is its last line. */
function report(given, env) {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, given, { timeout: 300000, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr || error.message))
      else resolve(JSON.parse(stdout.trim().split('\n').pop()))
    })
  })
}

/** What is more than the table allows, as sentences. */
function excess(driver, found, place, tell) {
  const workloads = Object.entries(MOST[driver])
  expect(Object.keys(found)).toEqual(workloads.map(([workload]) => workload))
  return workloads
    .map(([workload, most]) => [workload, most[place], ...tell(found[workload])])
    .filter(([, most, count]) => !(count <= most))
    .map(([workload, most, count, what]) => `${workload}: ${count} ${what}, more than ${most}`)
}

describeOurs.each(Object.keys(MOST))("a request's session on the %s driver", (driver) => {
  const expense = (what, env) => report([EXPENSE, what, driver, tempDir()], env)

  test('crosses the boundary no more often than it did', async () => {
    const found = await expense('crossings')
    const sum = (calls) => Object.values(calls).reduce((all, count) => all + count, 0)
    expect(excess(driver, found, 0, (calls) => [sum(calls), `crossings ${JSON.stringify(calls)}`])).toEqual([])
  })

  test('allocates natively no more than it did', async () => {
    const found = await expense('allocations', { NAPI_RS_NATIVE_LIBRARY_PATH: faultyAddon() })
    expect(excess(driver, found, 1, ({ allocations }) => [allocations, 'allocations'])).toEqual([])
    expect(excess(driver, found, 2, ({ bytes }) => [bytes, 'bytes'])).toEqual([])
  })
})

describeOurs('what requests make in JavaScript', () => {
  test('is little', async () => {
    const found = await report([...ROOMY, EXPENSE, 'garbage', 'memory', tempDir()])
    const tooMuch = Object.entries(found).filter(([, { garbage }]) => !(garbage <= MOST_GARBAGE))
    expect(tooMuch).toEqual([])
  })

  // It is 50 bytes a request; with one object written as a literal, which V8 then takes for long-lived, 1,400, and full collections.
  test.each(['read', 'write', 'live', 'new'])('dies young, of a request of the kind "%s"', async (kind) => {
    const { major, old } = await report([...SMALL, HEAP, ours.entry, '8000', kind])
    expect(major).toBeLessThanOrEqual(1)
    expect(old).toBeLessThan(MOST_OLD)
  })
})
