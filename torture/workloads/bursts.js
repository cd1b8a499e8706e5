'use strict'

/**
 * Many requests of one session at the same time: all of them load it before any of them saves it. What they put must all be
 * there afterwards, and what they count must add up.
 */

const { inFlight } = require('../fleet')

/** Requests of one session that overlap. */
const BURST = 50
/** Sessions that are busy at the same time. */
const AT_A_TIME = 6

/** Sends one request for each of `steps`, spread over all processes, and lets them save when all have loaded. */
async function burst(fleet, cookie, steps) {
  const processes = Math.min(fleet.servers.length, steps.length)
  const name = fleet.gateName()
  const share = (server) => Math.floor((steps.length - 1 - server) / processes) + 1
  const isFull = fleet.whenFull(name, processes)
  const answers = steps.map((step, at) => {
    const server = at % processes
    return fleet.request(server, [['wait', name, share(server)], step], cookie)
  })
  await isFull
  fleet.open(name, Array.from({ length: processes }, (_, server) => server))
  return Promise.all(answers)
}

/** Logs visitors in; gives their cookies. */
async function logIn(fleet, sessions) {
  const cookies = []
  await inFlight(32, sessions, async (n) => {
    const { cookie } = await fleet.request(n, [['put', 'user', { id: n }]])
    cookies[n] = cookie
  })
  return cookies
}

function failures(answers) {
  return answers.filter(({ status }) => status !== 200).length
}

/** Each request puts a key of its own. Gives `{puts, lost, errors}`. */
async function keys(fleet, { sessions }) {
  const cookies = await logIn(fleet, sessions)
  let errors = 0
  await inFlight(AT_A_TIME, sessions, async (n) => {
    const steps = Array.from({ length: BURST }, (_, key) => ['put', `k${key}`, n * BURST + key])
    errors += failures(await burst(fleet, cookies[n], steps))
  })
  let lost = 0
  await inFlight(32, sessions, async (n) => {
    const { results: [found] } = await fleet.request(n + 1, [['all']], cookies[n])
    if (found?.user?.id !== n) lost += 1
    for (let key = 0; key < BURST; key += 1) if (found?.[`k${key}`] !== n * BURST + key) lost += 1
  })
  return { puts: sessions * BURST, lost, errors: errors + (await saveErrors(fleet)) }
}

async function saveErrors(fleet) {
  const { error, gone, corrupt, uncaught, exits } = await fleet.counts()
  return error + gone + corrupt + uncaught + exits
}

/** Each request counts one more. Gives `{counted, missing, errors}`. */
async function increments(fleet, { sessions }) {
  const cookies = await logIn(fleet, sessions)
  let errors = 0
  await inFlight(AT_A_TIME, sessions, async (n) => {
    const steps = Array.from({ length: BURST }, () => ['increment', 'visits', 1])
    errors += failures(await burst(fleet, cookies[n], steps))
  })
  return counted(fleet, cookies, errors)
}

/** The same by reading, letting others run, and writing; with the session locked, if it is to be. */
async function readModifyWrites(fleet, { sessions, lock }) {
  const cookies = await logIn(fleet, sessions)
  let errors = 0
  await inFlight(AT_A_TIME, sessions, async (n) => {
    const answers = Array.from({ length: BURST }, (_, at) => {
      return fleet.request(at, [['readModifyWrite', 'visits']], cookies[n], { lock })
    })
    errors += failures(await Promise.all(answers))
  })
  return counted(fleet, cookies, errors)
}

async function counted(fleet, cookies, errors) {
  let sum = 0
  await inFlight(32, cookies.length, async (n) => {
    const { results: [found] } = await fleet.request(n + 1, [['get', 'visits']], cookies[n])
    if (Number.isInteger(found)) sum += found
  })
  return { counted: sum, of: cookies.length * BURST, errors: errors + (await saveErrors(fleet)) }
}

module.exports = { BURST, burst, logIn, keys, increments, readModifyWrites }
