'use strict'

/**
 * Responses that end in the same turn of the event loop leave together, when the turn ends: see `src/binding/cork.rs`.
 *
 * Only their way to the client waits. For Node and the application they are sent when they always were: `finish` comes, and what
 * the process does next, ending included, takes nothing back.
 */

// The application may have replaced the global one, as tests do.
const { setImmediate } = require('node:timers')
const native = require('./native')

let isWaiting = false
/** For so many responses the addon need not be asked: they leave by themselves. */
let unasked = 0

function uncork() {
  isWaiting = false
  try {
    native.uncorkSockets()
  } catch {
    // The system lets them go by itself a fifth of a second later.
  }
}

/**
 * Lets what is written to a response's connection from now on leave when this turn of the event loop ends, where the system can
 * do that, the connection is known to it, and it costs less. Never throws.
 *
 * @private
 * @param {import('http').ServerResponse} response
 */
function corkUntilTurnEnds(response) {
  if (unasked > 0) {
    unasked -= 1
    return
  }
  try {
    const number = response.socket?._handle?.fd
    if (typeof number !== 'number') return
    const answer = native.corkSocket(number)
    if (answer < 0) unasked = -answer
    if (answer < 0 || isWaiting) return
    isWaiting = true
    setImmediate(uncork)
  } catch {
    // It leaves by itself then.
  }
}

module.exports = { corkUntilTurnEnds }
