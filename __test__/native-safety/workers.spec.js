'use strict'

/*
 * Worker threads that are ended while they save (requirement 134): each ends cleanly, the addon goes on serving the other
 * threads, and every record is whole. `workers.js` ends a thousand.
 */

const { endWorkers } = require('./workers')

const WORKERS = 100

jest.setTimeout(180000)

test(`${WORKERS} worker threads that are ended while they save end cleanly, and leave the addon to others`, async () => {
  const sum = await endWorkers(WORKERS)
  expect(sum).toMatchObject({ clean: WORKERS, torn: 0, bad: [] })
  expect(sum.records).toBeGreaterThan(0)
})
