'use strict'

/*
 * Waiting for what happens without an answer (a sweep, an event), without sleeping: turn after turn of the event loop, until
 * a limit that lies below a test's own.
 */

const LIMIT = 4000

/** Resolves once `holds()` gives something truthy, with it; rejects after `LIMIT` milliseconds. */
async function until(holds) {
  const end = Date.now() + LIMIT
  while (Date.now() < end) {
    const value = await holds()
    if (value) return value
    await new Promise(setImmediate)
  }
  throw new Error(`this never came to hold: ${holds}`)
}

/** A gate that a test opens: whoever awaits `opened` goes on then. */
function gate() {
  let open
  const opened = new Promise((resolve) => { open = resolve })
  return { open, opened }
}

module.exports = { until, gate }
