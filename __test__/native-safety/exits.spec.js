'use strict'

/*
 * Processes that end while they save (requirements 121, 126 and 136): each keeps its exit code, `close()` waits for what is under
 * way, and every record is whole.
 */

const { endProcesses } = require('./exits')

const PROCESSES = 40

jest.setTimeout(180000)

test(`${PROCESSES} processes that end while they save keep their exit code, and leave whole records`, async () => {
  const sum = await endProcesses(PROCESSES)
  expect(sum).toMatchObject({ clean: PROCESSES, torn: 0, lost: 0, bad: [] })
  expect(sum.records).toBeGreaterThan(0)
})
