'use strict'

/*
 * Waiting for what happens without an answer (a sweep, an event), without sleeping: turn after turn of the event loop, until
 * the test's own time limit.
 */

/** Resolves once `holds()` gives something truthy, with it. */
async function until(holds) {
  for (;;) {
    const value = await holds()
    if (value) return value
    await new Promise(setImmediate)
  }
}

module.exports = { until }
