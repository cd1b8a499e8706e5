'use strict'

/*
 * What a suite did, for `npm run torture`, which prints it: a line of JSON for each call, in the file that TALLY names.
 */

const fs = require('fs')

/** Counts what was done to a driver, which is named as in the title around its tests. */
function tally(driver, count) {
  if (process.env.TALLY) fs.appendFileSync(process.env.TALLY, `${JSON.stringify({ driver: `the ${driver} driver`, count })}\n`)
}

module.exports = { tally }
