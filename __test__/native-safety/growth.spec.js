'use strict'

/*
 * Memory (requirements 132 and 133): requests of every kind leave nothing behind, neither in the engine nor in JavaScript.
 * TORTURE=1 serves a million on each driver.
 */

const { tally } = require('../support/tally')
const { DRIVERS, fit, measure } = require('./growth')

/** As many as fit into half a minute. */
const REQUESTS = { memory: 60000, file: 12000, database: 30000, custom: 30000 }

jest.setTimeout(process.env.TORTURE ? 3600000 : 180000)

describe.each(DRIVERS)('the %s driver', (driver) => {
  test('leaves nothing behind of requests of every kind', async () => {
    const requests = process.env.TORTURE ? 1000000 : REQUESTS[driver]
    const { bad } = await measure(driver, requests)
    expect(bad).toEqual([])
    tally(driver, requests)
  })
})

test('growth is told from noise', () => {
  const points = Array.from({ length: 16 }, (_, at) => [at * 1000, 7 + at * 50 + (at % 2)])
  const { slope, error } = fit(points)
  expect(slope).toBeCloseTo(0.05, 3)
  expect(error).toBeGreaterThan(0)
  expect(error).toBeLessThan(0.001)
})
