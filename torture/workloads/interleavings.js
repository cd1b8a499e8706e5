'use strict'

/**
 * Two requests of one session in every order in which they can load and save it, forced by gates; for each of the rules in
 * `rows.js` and `renames.js`.
 */

const { isDeepStrictEqual, inspect } = require('node:util')
const { inFlight } = require('../fleet')
const { operationsOf } = require('../subjects')
const rows = require('../rows')
const renames = require('../renames')

const AT_A_TIME = 16

/** Every rule as `{row, name, seed, a, b, expect, …}`. */
const RULES = [rows.ROWS, renames.ROWS].flatMap((table) => {
  return Object.entries(table).flatMap(([row, rules]) => rules.map((rule) => ({ row, ...rule })))
})

/** Who loads and who saves, in every order; in the last both save at the same time. */
const ORDERS = {
  'A, then B': ['load a', 'save a', 'load b', 'save b'],
  'B, then A': ['load b', 'save b', 'load a', 'save a'],
  'load A, load B, save A, save B': ['load a', 'load b', 'save a', 'save b'],
  'load A, load B, save B, save A': ['load a', 'load b', 'save b', 'save a'],
  'load B, load A, save A, save B': ['load b', 'load a', 'save a', 'save b'],
  'load B, load A, save B, save A': ['load b', 'load a', 'save b', 'save a'],
  'load A, load B, save both at once': ['load a', 'load b', 'save both'],
}

/** Which orders an outcome may be that of. */
function meanings(steps) {
  const overlaps = steps[1].startsWith('load')
  const order = (first) => ({ first, second: first === 'a' ? 'b' : 'a', overlaps })
  const saves = steps.filter((step) => step.startsWith('save'))
  if (saves[0] === 'save both') return [order('a'), order('b')]
  return [order(saves[0].slice(-1))]
}

/** One of the two requests. */
class Request {
  constructor(fleet, server, steps, cookie, tag) {
    this.fleet = fleet
    this.server = server
    this.tag = tag
    this.gate = fleet.gateName()
    this.steps = [['tag', tag], ['wait', this.gate, 1], ...steps]
    this.cookie = cookie
    this.answer = undefined
  }

  /** Resolves when the session is loaded. */
  load() {
    const loaded = this.fleet.whenFull(this.gate)
    this.answer = this.fleet.request(this.server, this.steps, this.cookie)
    return loaded
  }

  /** Resolves when the response has been received. */
  save() {
    this.fleet.open(this.gate, [this.server])
    return this.answer
  }
}

/** Makes the session, gives its cookie and id. */
async function seed(fleet, rule, n) {
  const { results: [id], cookie } = await fleet.request(n, [['id'], ['put', rule.seed]])
  const flash = Object.entries(rule.flash ?? {}).map(([name, value]) => ['flash', name, value])
  if (flash.length > 0) await fleet.request(n, flash, cookie)
  // A flush removes the token too, and what was flashed.
  if (rule.isWithoutToken) await fleet.request(n, [['flush']], cookie)
  return { id, cookie }
}

/** What became of a request: its results, its cookie and where that leads, and what the application heard. */
async function outcomeOf(fleet, request, n, given) {
  const { status, results, cookie } = await request.answer
  const kind = cookie === undefined ? 'none' : cookie === null ? 'removed' : cookie === given ? 'same' : 'new'
  const events = fleet.eventsOf(request.tag).map(({ event }) => event)
  const outcome = { status, results, cookie: kind, events }
  if (kind === 'new') outcome.leadsTo = (await fleet.request(n, [['all']], cookie)).results[0]
  return outcome
}

/** Runs a rule in one order; gives its outcome. */
async function play(fleet, rule, steps, n) {
  const { id, cookie } = await seed(fleet, rule, n)
  const requests = {
    a: new Request(fleet, n, rule.a, cookie, `a${n}`),
    b: new Request(fleet, n + 1, rule.b, cookie, `b${n}`),
  }
  for (const step of steps) {
    const [what, who] = step.split(' ')
    if (who === 'both') await Promise.all([requests.a.save(), requests.b.save()])
    else await requests[who][what]()
  }
  const first = await fleet.request(n + 1, [['id'], ['all'], ['token']], cookie)
  const second = await fleet.request(n, [['all']], cookie)
  await fleet.counts()
  const isStored = first.results[0] === id
  return {
    stored: isStored ? first.results[1] : null,
    then: second.results[0],
    token: first.results[2],
    a: await outcomeOf(fleet, requests.a, n, cookie),
    b: await outcomeOf(fleet, requests.b, n, cookie),
  }
}

/**
 * The members of `expected` that `outcome` does not have, as text; empty when it is as expected. Of others than this package only
 * what became of the data is asked.
 */
function difference(expected, outcome, isOurs) {
  const wrong = []
  for (const [name, value] of Object.entries(expected)) {
    if (!isOurs && (name === 'events' || name === 'cookie')) continue
    if (!isOurs && value === null && isDeepStrictEqual(outcome[name], {})) continue
    if (name === 'a' || name === 'b') {
      const inner = difference(value, outcome[name], isOurs)
      if (inner !== '') wrong.push(`${name.toUpperCase()}: ${inner}`)
    } else if (!isDeepStrictEqual(outcome[name], value)) {
      const show = (what) => inspect(what, { depth: 6, breakLength: Infinity })
      wrong.push(`${name} is ${show(outcome[name])} in place of ${show(value)}`)
    }
  }
  return wrong.join('; ')
}

/** Why an outcome is wrong, or ''. */
function judge(rule, steps, outcome, isOurs) {
  const wrongs = meanings(steps).map((order) => difference(rule.expect(order, outcome), outcome, isOurs))
  const failed = ['a', 'b'].filter((who) => outcome[who].status !== 200 || outcome[who].events.includes('error'))
  if (failed.length > 0) return `${failed.join(' and ')} failed: ${inspect(outcome, { depth: 6, breakLength: Infinity })}`
  return wrongs.includes('') ? '' : wrongs.join(', or ')
}

/** Whether a subject has all that a rule does. */
function canPlay(subject, rule) {
  const operations = operationsOf(subject)
  const needed = [...rule.a, ...rule.b].map(([name]) => name)
  if (rule.flash) needed.push('flash')
  return needed.every((name) => name in operations)
}

/**
 * Runs rules in every order; with several processes A and B go to different ones. Gives `{played, rules, wrong}`, `wrong` being a list of
 * `{row, name, order, why}`.
 */
async function interleavings(fleet, { rules = RULES } = {}) {
  const playable = rules.filter((rule) => canPlay(fleet.subject, rule))
  const games = playable.flatMap((rule) => Object.entries(ORDERS).map(([order, steps]) => ({ rule, order, steps })))
  const wrong = []
  await inFlight(AT_A_TIME, games.length, async (n) => {
    const { rule, order, steps } = games[n]
    const outcome = await play(fleet, rule, steps, n)
    const why = judge(rule, steps, outcome, fleet.subject.kind === 'ours')
    if (why !== '') wrong.push({ row: rule.row, name: rule.name, order, why })
  })
  return { played: games.length, rules: playable.length, wrong }
}

module.exports = { RULES, ORDERS, meanings, difference, interleavings }
