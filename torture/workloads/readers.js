'use strict'

/**
 * Overlapping requests that only read: nobody may be logged out by them.
 */

const { inFlight } = require('../fleet')

/** Visitors, and their requests that are under way at the same time: about four of each visitor. */
const VISITORS = 16
const AT_A_TIME = 64

/** As large as a small shop's session, so that a half-written one can be seen. */
const CART = Array.from({ length: 40 }, (_, n) => ({ id: n, name: `article number ${n}`, price: n * 1.5 }))

async function logIn(fleet, id) {
  const { cookie } = await fleet.request(id, [['put', 'user', { id }], ['put', 'cart', CART]])
  return cookie
}

/**
 * Gives `{requests, logOuts, errors}`: answers to which the visitor was a stranger or got another id, and other failures. Whoever
 * was logged out logs in again.
 */
async function readers(fleet, { requests }) {
  const visitors = []
  for (let id = 0; id < VISITORS; id += 1) visitors.push(await logIn(fleet, id))
  let logOuts = 0
  let errors = 0
  await inFlight(AT_A_TIME, requests, async (n) => {
    // Runs of requests of one visitor, spread over all processes.
    const id = Math.floor(n / 4) % VISITORS
    const sent = visitors[id]
    const { status, results: [user], cookie } = await fleet.request(n, [['get', 'user']], sent)
    const isKnown = user?.id === id && (cookie === undefined || cookie === sent)
    if (status !== 200) errors += 1
    else if (!isKnown && visitors[id] === sent) {
      logOuts += 1
      visitors[id] = undefined
      visitors[id] = await logIn(fleet, id)
    }
  })
  const { error, gone, corrupt, uncaught, exits } = await fleet.counts()
  return { requests, logOuts, errors: errors + error + gone + corrupt + uncaught + exits }
}

module.exports = { readers }
