'use strict'

/**
 * Log-outs that are raced by slower requests, which loaded the session before and save it afterwards or meanwhile. Whatever
 * they do, the session that was logged out must not come back.
 */

const { inFlight } = require('../fleet')

const AT_A_TIME = 16

/** How a visitor is logged out; the old session must be gone in each case. */
const WAYS = [['destroy'], ['invalidate'], ['regenerate', true]]
/** The one that all libraries have. */
const COMMON_WAYS = [['logOut']]

/** What the slower requests do. */
const SLOW = [
  ['change', 'user', 'name', 'Bob'],
  ['put', 'user.seen', true],
  ['put', 'visits', 7],
  ['get', 'user'],
]

/** Loads the session in a request that stands still; gives what lets it go on, and resolves when it has ended. */
async function begin(fleet, server, step, cookie) {
  const gate = fleet.gateName()
  const loaded = fleet.whenFull(gate)
  const answer = fleet.request(server, [['wait', gate, 1], step], cookie)
  await loaded
  return () => {
    fleet.open(gate, [server])
    return answer
  }
}

/** The log-out has been acknowledged when the slower requests go on, one after the other. */
async function oneByOne(logOut, slow) {
  const answers = [await logOut()]
  for (const goOn of slow) answers.push(await goOn())
  return answers
}

/** They race; the log-out goes on as the first of them, or later. */
function atOnce(logOut, slow, place) {
  return Promise.all([...slow.slice(0, place), logOut, ...slow.slice(place)].map((goOn) => goOn()))
}

/** One log-out; gives whether the old session could be loaded after it. */
async function trial(fleet, n, way) {
  const { cookie } = await fleet.request(n, [['put', 'user', { id: n, name: 'Ann' }], ['put', 'visits', 1]])
  const [logOut, ...slow] = await Promise.all([way, ...SLOW].map((step, at) => begin(fleet, n + at, step, cookie)))
  const place = Math.floor(n / 2) % (SLOW.length + 1)
  const answers = await (n % 2 === 0 ? oneByOne(logOut, slow) : atOnce(logOut, slow, place))
  const { results: [user] } = await fleet.request(n + 1, [['get', 'user']], cookie)
  const failed = answers.filter(({ status, results: [result] }) => status !== 200 || result?.thrown !== undefined).length
  return { revived: user !== null && user !== undefined, failed }
}

/** Gives `{trials, revived, errors}`. */
async function logOuts(fleet, { trials, ways = WAYS }) {
  let revived = 0
  let errors = 0
  await inFlight(AT_A_TIME, trials, async (n) => {
    const way = ways[Math.floor(n / (2 * SLOW.length + 2)) % ways.length]
    const result = await trial(fleet, n, way)
    if (result.revived) revived += 1
    errors += result.failed
  })
  const { error, corrupt, uncaught, exits } = await fleet.counts()
  return { trials, revived, errors: errors + error + corrupt + uncaught + exits }
}

module.exports = { logOuts, WAYS, COMMON_WAYS }
