'use strict'

/*
 * What has to come of it when an SQL server fails, whichever it is: every request is answered within its time, nobody is logged out,
 * and all is well again within a second of the server's return (faults 114–116). Each server's own failures are in its own file.
 *
 * The server under test is one of the test's own, a `Postgres` or a `MariaDB`, whose methods have the same names.
 */

const { Server, numberOf, visitDuring, livesThrough } = require('./storage')
const { Proxy, ready } = require('./spawned')
const { freshId } = require('./cookies')

const READ = 2000
const SAVE = 2000
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 2500
/** Within that time of a server's return all is well; a loaded machine may add to it. */
const HEALING = 1000 + SLACK / 5
/** Limits that nobody meets, where a test is about what comes in the end. */
const PATIENT = { readTimeout: 20000, saveTimeout: 20000 }

/** A user's own name and password, so that the user's connections can be told from the test's. */
const APP = { user: 'app', password: 'hidden-4711' }

/** A name that PostgreSQL has to quote. */
const tableName = () => `Order$${freshId().replace(/\W/g, '').slice(0, 12)}`

const many = (count, work) => Promise.all(Array.from({ length: count }, (_, i) => work(i)))

/** What tests do on a server of their own. `database()` gives it, once it runs. */
function on(database) {
  const serve = (fields, options) => Server.start({
    driver: 'database', table: tableName(), touchInterval: 0, connection: database().connection({ ...APP, ...fields }), ...options,
  })

  /** A server and a visitor of it who is logged in. */
  async function known(fields, options) {
    const server = await serve(fields, options)
    const agent = server.agent()
    await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
    expect(await server.told()).toEqual([])
    return { server, agent, id: server.id(agent), table: server.config.table }
  }

  return { database, serve, known }
}

/** A request that is answered in time, whatever comes of it. */
async function inTime(server, agent, ...steps) {
  const begun = Date.now()
  const answer = await visitDuring(server, agent, ...steps)
  expect(Date.now() - begun).toBeLessThan(READ + SAVE + SLACK)
  return answer
}

/** Waits until a visitor is known again and can save; it must not take longer than healing may. */
async function heals(server, agent, id) {
  const begun = Date.now()
  await ready(async () => {
    const { found, told } = await visitDuring(server, agent, ['put', 'healed', true])
    return found.user === 'bob' && told.length === 0
  })
  expect(Date.now() - begun).toBeLessThan(HEALING)
  expect([server.id(agent), server.ended]).toEqual([id, undefined])
}

function goesAway({ database, serve, known }) {
  test('that is down at start is an error of each request, in time, until it is there', async () => {
    await database().end(database().politely)
    const server = await serve()
    const agent = server.agent(freshId())
    for (let visit = 0; visit < 8; visit += 1) {
      expect((await inTime(server, agent)).found.error).toMatch(/^ERR_SESSION_(READ|TIMEOUT)$/)
    }
    await database().begin()
    const late = server.agent()
    await ready(async () => (await visitDuring(server, late, ['put', 'user', 'bob'])).told.length === 0, HEALING)
    expect((await server.visit(late)).found.user).toBe('bob')
  })

  test('that is killed and started again', async () => {
    const { server, agent, id } = await known()
    for (let time = 0; time < 2; time += 1) {
      await database().end('SIGKILL')
      for (let visit = 0; visit < 4; visit += 1) await inTime(server, agent, ['state', 2])
      await database().begin()
      await heals(server, agent, id)
    }
  })

  test('that stands still is waited for no longer than the limits, and all is well when it goes on', async () => {
    const { server, agent, id } = await known({}, { readTimeout: 500, saveTimeout: 500 })
    database().pause()
    try {
      const begun = Date.now()
      const visits = await many(30, () => server.visit(agent.twin()))
      expect(Date.now() - begun).toBeLessThan(500 + SLACK)
      expect(new Set(visits.map(({ found }) => found.error))).toEqual(new Set(['ERR_SESSION_TIMEOUT']))
      expect(visits.flatMap(({ cookies }) => cookies)).toEqual([])
    } finally {
      await database().resume()
    }
    await server.told()
    await heals(server, agent, id)
  })

  test('that ends connections in the middle of requests does not lose what they put', async () => {
    const { server, agent, id } = await known()
    let isOver = false
    let ended = 0
    const ending = (async () => { while (!isOver) ended += await database().cut(APP.user) })()
    for (let round = 0; round < 5; round += 1) {
      const keys = Array.from({ length: 20 }, (_, i) => `k${round}_${i}`)
      const visits = await Promise.all(keys.map((key) => server.visit(agent.twin(), ['put', key, 1], ['saves'])))
      const saved = keys.filter((key, i) => !visits[i].found.error && visits[i].found.results[1] === 'saved')
      for (const { found, cookies } of visits) if (found.error) expect([found.user, cookies]).toEqual([undefined, []])
      const { found } = await ready(async () => {
        const visit = await server.visit(agent.twin(), ...saved.map((key) => ['get', key]))
        return visit.found.error === undefined && visit
      })
      expect(found.results).toEqual(saved.map(() => 1))
    }
    isOver = true
    await ending
    expect(ended).toBeGreaterThan(0)
    await server.told()
    await heals(server, agent, id)
  })
}

function refuses({ database, serve, known }) {
  test('writes is read, and every save is an error', async () => {
    const { server, agent, id } = await known()
    await database().takesWrites(false)
    try {
      const { found } = await inTime(server, agent, ['put', 'a', 1], ['saves'])
      expect([found.error, found.user, found.results[1]]).toEqual([undefined, 'bob', 'ERR_SESSION_WRITE'])
      const fresh = await inTime(server, server.agent(), ['put', 'a', 1])
      expect([fresh.cookies, fresh.told]).toEqual([[], ['error ERR_SESSION_WRITE']])
    } finally {
      await database().takesWrites(true)
    }
    await heals(server, agent, id)
  })

  test('further connections serves all requests over those that there are', async () => {
    const { server, agent, id } = await known({ poolSize: 4 })
    await database().limit(APP.user, 1)
    await database().cut(APP.user)
    try {
      await ready(async () => (await server.visit(agent)).found.user === 'bob')
      const visits = await many(20, () => server.visit(agent.twin()))
      expect(visits.map(({ found }) => [found.user, found.id])).toEqual(Array(20).fill(['bob', id]))
    } finally {
      await database().limit(APP.user)
    }
    await server.told()
    await heals(server, agent, id)
  })

  test.each([
    ['a wrong password', { password: 'wrong-hidden' }], ['an unknown database', { database: 'nowhere' }], ['TLS, which it has not', { ssl: true }],
  ])('%s is an error of each request, and no cookie is sent', async (what, fields) => {
    const server = await serve(fields)
    const { found, cookies } = await server.visit(server.agent(), ['put', 'a', 1], ['saves'])
    expect([found.error, found.results[1], cookies]).toEqual([undefined, 'ERR_SESSION_WRITE', []])
    await server.told()
    expect((await inTime(server, server.agent(freshId()))).found.error).toBe('ERR_SESSION_READ')
  })
}

function isChanged({ database, known }) {
  test('whose table is dropped while it is in use has it made again', async () => {
    const { server, agent, table } = await known()
    await database().drop(table)
    const { found } = await server.visit(agent, ['put', 'user', 'eve'])
    expect([found.error, found.user]).toEqual([undefined, undefined])
    expect((await server.visit(agent)).found.user).toBe('eve')
    expect(await server.told()).toEqual([])
  })

  test('whose row another transaction holds answers every request in time, and reads it', async () => {
    const { server, agent, id, table } = await known()
    const letGo = await database().hold(table, id)
    const { found, told } = await inTime(server, agent, ['state', 2])
    expect([found.user, told]).toEqual(['bob', [expect.stringMatching(/^error ERR_SESSION_(WRITE|TIMEOUT)$/)]])
    // Others are not held up.
    expect((await inTime(server, server.agent(), ['put', 'user', 'eve'])).told).toEqual([])
    await letGo()
    await heals(server, agent, id)
  })
}

function isRestarted({ database, known }) {
  test('between two requests is not noticed', async () => {
    const { server, agent, id } = await known()
    await many(20, () => server.visit(agent.twin()))
    await database().end(database().politely)
    await database().begin()
    const visits = await many(20, () => server.visit(agent.twin(), ['put', 'user', 'bob']))
    expect(visits.map(({ found }) => found.user)).toEqual(Array(20).fill('bob'))
    expect([await server.told(), server.id(agent)]).toEqual([[], id])
  })

  test('under load is waited for, and costs no request', async () => {
    const { server } = await known({}, PATIENT)
    let isOver = false
    let ended = 0
    const visiting = many(20, async () => {
      const agent = server.agent()
      const came = []
      while (!isOver || came.length === 0) {
        const { found } = await server.visit(agent, ['increment', 'n'], ['saves'])
        came.push(found)
        ended += 1
      }
      return came
    })
    for (let time = 0; time < 2; time += 1) {
      const before = ended
      await ready(() => ended > before + 40)
      await database().end(database().politely)
      await database().begin()
    }
    isOver = true
    for (const came of await visiting) {
      expect(came.map(({ error, results }) => [error, ...results])).toEqual(came.map((_, at) => [undefined, at + 1, 'saved']))
    }
    expect(await server.told()).toEqual([])
  })

  test('while 50 overlapping requests put keys from two processes keeps every key that was acknowledged', async () => {
    const { server, agent, id, table } = await known()
    const both = [server, await Server.start(server.config)]
    const visitors = both.map((one) => one.agent(id))
    const saved = []
    let isOver = false
    const putting = (async () => {
      for (let round = 0; !isOver; round += 1) {
        await many(50, async (i) => {
          const { found } = await both[i % 2].visit(visitors[i % 2].twin(), ['put', `k${round}_${i}`, 1], ['saves'])
          if (!found.error && found.results[1] === 'saved') saved.push(`k${round}_${i}`)
        })
      }
    })()
    for (const signal of [database().politely, 'SIGKILL']) {
      const before = saved.length
      await ready(() => saved.length > before)
      await database().end(signal)
      await database().begin()
    }
    isOver = true
    await putting
    await server.told()
    await heals(server, agent, id)
    const stored = JSON.parse(JSON.parse(await database().payloadOf(table, id)))
    expect(saved.filter((key) => stored[key] !== 1)).toEqual([])
    expect([saved.length > 0, ...both.map(({ ended }) => ended)]).toEqual([true, undefined, undefined])
  })
}

function isCutOff({ database, known }) {
  let proxy

  beforeAll(async () => { proxy = await Proxy.start(database().port) })

  const through = (options) => known({ port: proxy.port }, options)

  test('that cuts replies at any byte loses no key and logs nobody out', async () => {
    const { server, agent, id } = await through()
    const acknowledged = []
    for (let bytes = 0; bytes < 120; bytes += 7) {
      proxy.cutAfter(bytes)
      const key = `k${bytes}`
      const { found } = await server.visit(agent, ['put', key, 1], ['saves'])
      expect([found.error, found.user, server.id(agent)]).toEqual([undefined, 'bob', id])
      if (found.results[1] === 'saved') acknowledged.push(key)
    }
    proxy.cutAfter(Infinity)
    expect(acknowledged.length).toBeGreaterThan(10)
    const { found } = await server.visit(agent, ...acknowledged.map((key) => ['get', key]))
    expect(found.results).toEqual(acknowledged.map(() => 1))
    await server.told()
    await heals(server, agent, id)
  })

  test('that loses everything', async () => {
    const { server, agent, id } = await through({ readTimeout: 500, saveTimeout: 500 })
    proxy.silence(true)
    for (let visit = 0; visit < 3; visit += 1) {
      expect((await inTime(server, agent)).found.error).toBe('ERR_SESSION_TIMEOUT')
    }
    proxy.silence(false)
    await heals(server, agent, id)
  })

  test('that ends all connections between two requests is not noticed', async () => {
    const { server, agent } = await through()
    await livesThrough(server, { begins: () => proxy.cutAll(), ends: () => proxy.cutAll() })
    expect(numberOf((await server.visit(agent)).found.state)).toBe(1)
  })
}

/**
 * The failures that every SQL server can have, as tests. `database()` gives the server, once it runs; `others(site)` are further
 * tests of what it refuses.
 */
function describeFailures(database, others) {
  const site = on(database)
  describe('that goes away', () => goesAway(site))
  describe('that refuses', () => {
    refuses(site)
    others(site)
  })
  describe('that others change', () => isChanged(site))
  describe('that is restarted', () => isRestarted(site))
  describe('behind a network that fails', () => isCutOff(site))
}

module.exports = { APP, describeFailures, inTime, heals }
