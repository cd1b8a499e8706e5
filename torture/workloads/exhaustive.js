'use strict'

/**
 * Three requests of one session, four steps each, in every order there is, against the model.
 *
 * A program is what one request does between loading and its end: two steps, of `operations.js`. In the model the new id of
 * the request that renames the session is the request's number. Where the requests run is a world's business: in this process,
 * with the memory driver behind real request and response objects; or on servers, for a sample of the orders.
 */

const { IncomingMessage, ServerResponse } = require('node:http')
const { isDeepStrictEqual, inspect } = require('node:util')
const { inFlight } = require('../fleet')
const { byMethods } = require('../operations')
const { Model, clone } = require('../model')

const SECRET = 'x2Qe0hS9o8wRj4kVbTnYc7mLpZdUfGaK'
const SEED = { user: { id: 1, name: 'Ann', tags: [] }, list: [0], n: 5 }

/** By what they do. */
const PROGRAMS = {
  puts: [['put', 'user.role', 'admin'], ['put', 'x', 1]],
  'puts, saves by hand': [['put', 'user.mail', 'a@b.c'], ['save']],
  'saves by hand, puts': [['save'], ['put', 'user.mail', 'b@c.d']],
  pushes: [['push', 'list', 'p'], ['push', 'user.tags', 'p']],
  'pushes, saves by hand': [['push', 'list', 'q'], ['save']],
  counts: [['increment', 'n', 1], ['increment', 'user.visits', 2]],
  'counts, saves by hand': [['increment', 'n', 10], ['save']],
  'changes in place': [['change', 'user', 'name', 'Bob'], ['change', 'user', 'age', 30]],
  'changes in place between saves': [['save'], ['change', 'user', 'name', 'Cyd']],
  forgets: [['forget', 'user'], ['put', 'y', 2]],
  'forgets deep inside': [['forget', 'user.name'], ['forget', 'list']],
  flushes: [['flush'], ['put', 'z', 3]],
  'flushes, saves by hand': [['flush'], ['save']],
  'puts a user whole': [['put', 'user', { id: 2 }], ['increment', 'n', 100]],
  'logs in': [['regenerate', true], ['put', 'user.role', 'admin']],
  'logs out': [['put', 'x', 9], ['destroy']],
}

/** Three programs at a time: what may get in each other's way. */
const TRIPLES = [
  ['changes in place', 'flushes, saves by hand', 'puts, saves by hand'],
  ['pushes', 'counts, saves by hand', 'logs out'],
  ['logs in', 'changes in place between saves', 'counts'],
  ['puts', 'puts a user whole', 'changes in place'],
  ['puts', 'puts, saves by hand', 'saves by hand, puts'],
  ['pushes', 'pushes, saves by hand', 'forgets deep inside'],
  ['pushes', 'pushes', 'pushes'],
  ['counts', 'counts, saves by hand', 'puts a user whole'],
  ['counts', 'counts', 'counts'],
  ['forgets', 'changes in place', 'changes in place between saves'],
  ['forgets', 'puts', 'pushes'],
  ['flushes', 'changes in place', 'pushes, saves by hand'],
  ['flushes', 'forgets deep inside', 'saves by hand, puts'],
  ['flushes', 'flushes, saves by hand', 'puts'],
  ['logs in', 'logs in', 'puts, saves by hand'],
  ['logs in', 'flushes', 'changes in place'],
  ['logs in', 'forgets', 'pushes, saves by hand'],
  ['logs out', 'logs in', 'puts'],
  ['logs out', 'logs out', 'changes in place between saves'],
  ['logs out', 'saves by hand, puts', 'flushes'],
]

/** Every order of 3 × 4 steps, as texts of the requests' numbers. */
function* orders(left = [4, 4, 4], done = '') {
  if (left.every((count) => count === 0)) yield done
  for (let who = 0; who < left.length; who += 1) {
    if (left[who] > 0) yield* orders(left.with(who, left[who] - 1), done + who)
  }
}

/** A request and its response, which lead nowhere. */
function exchange(cookie) {
  const request = new IncomingMessage(null)
  if (cookie !== undefined) request.headers.cookie = cookie
  return { request, response: new ServerResponse(request) }
}

/** Requests in this process, with the memory driver. */
class Here {
  constructor(NodeSession) {
    this.sessions = new NodeSession({ secret: SECRET, driver: 'memory', lifetime: 3600000, lottery: false })
    this.errors = 0
    this.sessions.on('error', () => { this.errors += 1 })
  }

  /** Opens a session; the memory driver answers at once. */
  open(cookie) {
    const visit = exchange(cookie)
    this.sessions.startSession(visit.request, visit.response, (error) => { visit.error = error ?? null })
    if (visit.error !== null) throw visit.error ?? new Error('the session was not opened at once')
    visit.id = byMethods.id(visit.request)
    return visit
  }

  /** Gives the code of the error that the operation ended with, or `undefined`. */
  do({ request }, [what, ...given]) {
    const result = byMethods[what](request, ...given)
    if (result instanceof Promise) return result.then(() => undefined, (error) => error.code)
    return undefined
  }

  /** Ends the response; gives the cookie it sets, and the id of the session then. */
  end({ request, response }) {
    response.end()
    const [cookie] = [response.getHeader('set-cookie') ?? []].flat()
    const isRemoved = cookie !== undefined && /max-age=0\b/i.test(cookie)
    return { cookie: isRemoved ? undefined : cookie?.split(';', 1)[0], id: byMethods.id(request) }
  }

  seed() {
    const visit = this.open()
    byMethods.put(visit.request, SEED)
    return this.end(visit)
  }

  /** The attributes that a cookie leads to; `undefined` when there is no such session. */
  look(cookie, id) {
    const visit = this.open(cookie)
    const isThere = visit.id === id
    const attributes = byMethods.all(visit.request)
    this.end(visit)
    return isThere ? attributes : undefined
  }
}

/** Requests to a fleet, those of one session to different processes, each step let go by a gate. */
class There {
  constructor(fleet) {
    this.fleet = fleet
    this.opened = 0
  }

  async open(cookie, steps) {
    const server = (this.opened += 1)
    const gates = [this.fleet.gateName(), this.fleet.gateName(), this.fleet.gateName()]
    const waits = gates.map((gate) => ['wait', gate, 1])
    const loaded = this.fleet.whenFull(gates[0])
    const whole = [['id'], waits[0], steps[0], waits[1], steps[1], waits[2], ['id']]
    const answer = this.fleet.request(server, whole, cookie)
    await loaded
    return { server, gates, answer }
  }

  async do({ server, gates }) {
    const done = this.fleet.whenFull(gates[1])
    this.fleet.open(gates.shift(), [server])
    await done
  }

  async end({ server, gates, answer }) {
    this.fleet.open(gates[0], [server])
    const { results, cookie } = await answer
    const thrown = results.map((result) => result?.thrown).find((code) => code !== undefined)
    return { cookie: cookie ?? undefined, id: results.at(-1), thrown }
  }

  async seed() {
    const { cookie, results: [id] } = await this.fleet.request(0, [['id'], ['put', SEED]])
    return { cookie, id }
  }

  async look(cookie, id) {
    const { results } = await this.fleet.request(this.opened, [['id'], ['all']], cookie)
    return results[0] === id ? results[1] : undefined
  }
}

/** Runs three programs in one order; gives what is wrong with the outcome, or ''. */
async function play(world, programs, order) {
  const seed = await world.seed()
  const model = new Model()
  model.records.set('seed', clone(SEED))
  const visits = programs.map((program, number) => ({ program, number, step: 0, real: undefined, model: undefined }))
  for (const digit of order) await take(world, model, visits[digit], seed.cookie)
  return compare(world, model, visits, seed)
}

/** Takes one step of one request. */
async function take(world, model, visit, cookie) {
  const { program, number, step } = visit
  visit.step += 1
  if (step === 0) {
    visit.real = await world.open(cookie, program)
    visit.model = model.load('seed')
  } else if (step === 3) {
    visit.end = await world.end(visit.real)
    visit.thrown ??= visit.end.thrown
    visit.model.save()
  } else {
    const operation = program[step - 1]
    visit.thrown ??= await world.do(visit.real, operation)
    visit.model.do(operation[0] === 'regenerate' ? ['regenerate', number] : operation)
  }
}

async function compare(world, model, visits, seed) {
  const found = { seed: await world.look(seed.cookie, seed.id) }
  const wanted = { seed: model.records.get('seed') }
  for (const { number, end, model: { isGone }, thrown } of visits) {
    if (thrown !== undefined && !(isGone && thrown === 'ERR_SESSION_GONE')) return `a save failed: ${thrown}`
    // A request that found nothing under its cookie has a session of its own, of which the model does not speak.
    const isOwn = isGone && !model.records.has(number)
    if (end.id !== seed.id && end.cookie !== undefined && !isOwn) found[number] = await world.look(end.cookie, end.id)
    if (model.records.has(number)) wanted[number] = model.records.get(number)
  }
  if (isDeepStrictEqual(found, wanted)) return ''
  const show = (what) => inspect(what, { depth: 6, breakLength: Infinity, compact: true })
  return `it is ${show(found)} in place of ${show(wanted)}`
}

/**
 * Runs triples of programs in every order, with the memory driver. Gives `{orders, wrong, errors}`, `wrong` being a list of
 * `{name, order, why}`.
 *
 * @param {Function} NodeSession
 * @param {object} [what]
 * @param {number} [what.every] 1 for all orders of all triples; else all of the first triple, and one in so many of the others
 * @param {string[][]} [what.triples] names of programs
 */
async function exhaustive(NodeSession, { every = 1, triples = TRIPLES } = {}) {
  const world = new Here(NodeSession)
  const wrong = []
  let count = 0
  for (const [at, names] of triples.entries()) {
    const programs = names.map((name) => PROGRAMS[name])
    let left = at === 0 ? 1 : (at % every) + 1
    for (const order of orders()) {
      left -= 1
      if (left > 0) continue
      left = at === 0 ? 1 : every
      const why = await play(world, programs, order)
      if (why !== '') wrong.push({ name: names.join(' | '), order, why })
      count += 1
    }
    // Lets responses that were ended be collected.
    await new Promise(setImmediate)
  }
  return { orders: count, wrong, errors: world.errors }
}

/** Numbers below 1 that look random and are the same in every run. */
function* numbers(seed) {
  let state = seed
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield state / 2 ** 32
  }
}

/** One of all orders. */
function someOrder(random) {
  const left = [4, 4, 4]
  let order = ''
  for (let steps = 12; steps > 0; steps -= 1) {
    let at = Math.floor(random.next().value * steps)
    const who = left.findIndex((count) => (at -= count) < 0)
    left[who] -= 1
    order += who
  }
  return order
}

/** The same on servers, in so many orders of each triple. */
async function sampled(fleet, { each, seed = 1 }) {
  const world = new There(fleet)
  const random = numbers(seed)
  const games = TRIPLES.flatMap((names) => Array.from({ length: each }, () => ({ names, order: someOrder(random) })))
  const wrong = []
  await inFlight(16, games.length, async (n) => {
    const { names, order } = games[n]
    const why = await play(world, names.map((name) => PROGRAMS[name]), order)
    if (why !== '') wrong.push({ name: names.join(' | '), order, why })
  })
  const { error, uncaught, exits } = await fleet.counts()
  return { orders: games.length, wrong, errors: error + uncaught + exits }
}

module.exports = { exhaustive, sampled }
