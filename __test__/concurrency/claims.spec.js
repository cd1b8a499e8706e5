'use strict'

/*
 * What `npm run torture` claims of requests that overlap, at the size of continuous integration, for every driver that can be
 * reached from here: real servers, in one process and in several, over one storage.
 */

const { DRIVERS, available } = require('../../torture/drivers')
const { KEYS, RULES, MODEL, READERS, LOG_OUTS, INCREMENTS, LOCKS } = require('../../torture/claims')
const { ours } = require('../../torture/subjects')

jest.setTimeout(240000)

const SENTENCES = [
  ['none of the keys is lost that 50 overlapping requests put', KEYS],
  ['two requests leave what the rules say, in whatever order they load and save', RULES],
  ['three requests leave what the model says', MODEL],
  ['nobody is logged out by requests that read', READERS],
  ['no slower request brings a session back after a log-out', LOG_OUTS],
  ['increments of overlapping requests add up', INCREMENTS],
  ['requests that take turns under a lock can read and write', LOCKS],
]

describe.each(available)('the %s driver', (driver) => {
  test.each(SENTENCES)('%s', async (sentence, { run, sizes }) => {
    const size = (DRIVERS[driver].isSlow && sizes.brief) || sizes.quick
    const result = await run(ours(driver), size)
    if (result !== undefined) expect({ details: [], ...result }).toMatchObject({ details: [], wrong: 0, errors: 0 })
  })
})
