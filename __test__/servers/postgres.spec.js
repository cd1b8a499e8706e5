'use strict'

/*
 * A PostgreSQL server that is down, killed, stopped, restarted, full or read-only, and the network to it: every request is answered
 * within its time, nobody is logged out by it, and all is well again within a second of the server's return (faults 114–116).
 */

const { Client } = require('pg')

const { describeOurs } = require('../support/packages')
const { Postgres, describePostgres } = require('../support/postgres')
const { Server, visitDuring, livesThrough } = require('../support/storage')
const { Proxy, ready } = require('../support/spawned')
const { freshId } = require('../support/cookies')

jest.setTimeout(60000)

const READ = 2000
const SAVE = 2000
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 2500
/** Within that time of a server's return all is well; a loaded machine may add to it. */
const HEALING = 1000 + SLACK / 5

const describeBoth = describeOurs === describe ? describePostgres : describe.skip

/** A user's own name and password, so that the user's connections can be told from the test's. */
const APP = { user: 'app', password: 'hidden-4711' }

let database

/** A name that has to be quoted. */
const tableName = () => `Order$${freshId().replace(/\W/g, '').slice(0, 12)}`

const serve = (fields, options) => Server.start({
  driver: 'database', table: tableName(), touchInterval: 0, connection: database.connection({ ...APP, ...fields }), ...options,
})

/** A server and a visitor of it who is logged in. */
async function known(fields, options) {
  const server = await serve(fields, options)
  const agent = server.agent()
  await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
  expect(await server.told()).toEqual([])
  return { server, agent, id: server.id(agent), table: server.config.table }
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

const many = (count, work) => Promise.all(Array.from({ length: count }, (_, i) => work(i)))

describeBoth('a PostgreSQL server of the test\'s own', () => {
  beforeAll(async () => {
    database = await Postgres.start()
    await database.sql(`CREATE ROLE app LOGIN PASSWORD '${APP.password}'`)
    await database.sql('CREATE ROLE crowd LOGIN PASSWORD \'crowd\'')
    await database.sql('ALTER DATABASE test OWNER TO app')
    await database.sql('ALTER SCHEMA public OWNER TO app')
  })

  describe('that fails', fails)
  describe('that refuses', refuses)
  describe('that is restarted', isRestarted)
  describe('behind a network that fails', isCutOff)
})

function fails() {
  test('that is down at start is an error of each request, in time, until it is there', async () => {
    await database.end('SIGINT')
    const server = await serve()
    const agent = server.agent(freshId())
    for (let visit = 0; visit < 8; visit += 1) {
      expect((await inTime(server, agent)).found.error).toMatch(/^ERR_SESSION_(READ|TIMEOUT)$/)
    }
    await database.begin()
    const late = server.agent()
    await ready(async () => (await visitDuring(server, late, ['put', 'user', 'bob'])).told.length === 0, HEALING)
    expect((await server.visit(late)).found.user).toBe('bob')
  })

  test('that is killed and started again', async () => {
    const { server, agent, id } = await known()
    for (let time = 0; time < 2; time += 1) {
      await database.end('SIGKILL')
      for (let visit = 0; visit < 4; visit += 1) await inTime(server, agent, ['state', 2])
      await database.begin()
      await heals(server, agent, id)
    }
  })

  test('that stands still is waited for no longer than the limits, and all is well when it goes on', async () => {
    const { server, agent, id } = await known({}, { readTimeout: 500, saveTimeout: 500 })
    database.pause()
    try {
      const begun = Date.now()
      const visits = await many(30, () => server.visit(agent.twin()))
      expect(Date.now() - begun).toBeLessThan(500 + SLACK)
      expect(new Set(visits.map(({ found }) => found.error))).toEqual(new Set(['ERR_SESSION_TIMEOUT']))
      expect(visits.flatMap(({ cookies }) => cookies)).toEqual([])
    } finally {
      await database.resume()
    }
    await server.told()
    await heals(server, agent, id)
  })

  test('that ends connections in the middle of requests does not lose what they put', async () => {
    const { server, agent, id } = await known()
    let isOver = false
    let ended = 0
    const ending = (async () => { while (!isOver) ended += await database.cut(APP.user) })()
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

  test('that takes no writes is read, and every save is an error', async () => {
    const { server, agent, id } = await known()
    await database.takesWrites(false)
    try {
      const { found } = await inTime(server, agent, ['put', 'a', 1], ['saves'])
      expect([found.error, found.user, found.results[1]]).toEqual([undefined, 'bob', 'ERR_SESSION_WRITE'])
      const fresh = await inTime(server, server.agent(), ['put', 'a', 1])
      expect([fresh.cookies, fresh.told]).toEqual([[], ['error ERR_SESSION_WRITE']])
    } finally {
      await database.takesWrites(true)
    }
    await heals(server, agent, id)
  })

  test('whose table is dropped while it is in use has it made again', async () => {
    const { server, agent, table } = await known()
    await database.sql(`DROP TABLE "${table}"`)
    const { found } = await server.visit(agent, ['put', 'user', 'eve'])
    expect([found.error, found.user]).toEqual([undefined, undefined])
    expect((await server.visit(agent)).found.user).toBe('eve')
    expect(await server.told()).toEqual([])
  })

  test('whose row another transaction holds answers every request in time, and reads it', async () => {
    const { server, agent, id, table } = await known()
    const other = await open()
    await other.query('BEGIN')
    await other.query(`SELECT 1 FROM "${table}" FOR UPDATE`)
    const { found, told } = await inTime(server, agent, ['state', 2])
    expect([found.user, told]).toEqual(['bob', ['error ERR_SESSION_WRITE']])
    // Others are not held up.
    expect((await inTime(server, server.agent(), ['put', 'user', 'eve'])).told).toEqual([])
    await other.end()
    await heals(server, agent, id)
  })
}

/** A connection of the application's user, beside those of the server under test. */
async function open(fields) {
  const client = new Client({ ...database.connection({ ...APP, ...fields }), adapter: undefined })
  client.on('error', () => {})
  await client.connect()
  return client
}

function refuses() {
  test('further connections serves all requests over those that there are', async () => {
    const { server, agent, id } = await known({ poolSize: 4 })
    await database.sql('ALTER ROLE app CONNECTION LIMIT 1')
    await database.cut(APP.user)
    try {
      await ready(async () => (await server.visit(agent)).found.user === 'bob')
      const visits = await many(20, () => server.visit(agent.twin()))
      expect(visits.map(({ found }) => [found.user, found.id])).toEqual(Array(20).fill(['bob', id]))
    } finally {
      await database.sql('ALTER ROLE app CONNECTION LIMIT -1')
    }
    await server.told()
    await heals(server, agent, id)
  })

  test('all connections, since others have taken them', async () => {
    const { server, agent, id } = await known()
    const others = []
    const limit = Number((await database.sql('SHOW max_connections'))[0].max_connections)
    const crowd = { user: 'crowd', password: 'crowd' }
    await database.sql('ALTER ROLE app CONNECTION LIMIT 0')
    await database.cut(APP.user)
    const refused = await (async () => {
      while (others.length < limit) others.push(await open(crowd))
    })().catch((error) => error.code)
    expect(refused).toBe('53300')
    for (let visit = 0; visit < 4; visit += 1) {
      const { found, cookies } = await inTime(server, agent)
      expect([found.error, cookies]).toEqual(['ERR_SESSION_READ', []])
    }
    await Promise.all(others.map((other) => other.end()))
    await ready(() => database.sql('ALTER ROLE app CONNECTION LIMIT -1').then(() => true))
    await heals(server, agent, id)
  })

  test.each([
    ['a wrong password', { password: 'wrong-hidden' }], ['an unknown database', { database: 'nowhere' }], ['TLS', { ssl: true }],
  ])('%s is an error of each request, and no cookie is sent', async (what, fields) => {
    const server = await serve(fields)
    const { found, cookies } = await server.visit(server.agent(), ['put', 'a', 1], ['saves'])
    expect([found.error, found.results[1], cookies]).toEqual([undefined, 'ERR_SESSION_WRITE', []])
    await server.told()
    expect((await inTime(server, server.agent(freshId()))).found.error).toBe('ERR_SESSION_READ')
  })
}

function isRestarted() {
  test('between two requests is not noticed', async () => {
    const { server, agent, id } = await known()
    await many(20, () => server.visit(agent.twin()))
    await database.end('SIGINT')
    await database.begin()
    const visits = await many(20, () => server.visit(agent.twin(), ['put', 'user', 'bob']))
    expect(visits.map(({ found }) => found.user)).toEqual(Array(20).fill('bob'))
    expect([await server.told(), server.id(agent)]).toEqual([[], id])
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
    for (const signal of ['SIGINT', 'SIGKILL']) {
      const before = saved.length
      await ready(() => saved.length > before)
      await database.end(signal)
      await database.begin()
    }
    isOver = true
    await putting
    await server.told()
    await heals(server, agent, id)
    const [{ payload }] = await database.sql(`SELECT payload FROM "${table}" WHERE id = $1`, [id])
    const stored = JSON.parse(JSON.parse(payload))
    expect(saved.filter((key) => stored[key] !== 1)).toEqual([])
    expect([saved.length > 0, ...both.map(({ ended }) => ended)]).toEqual([true, undefined, undefined])
  })
}

function isCutOff() {
  let proxy

  beforeAll(async () => { proxy = await Proxy.start(database.port) })

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
    const { server } = await through()
    await livesThrough(server, { begins: () => proxy.cutAll(), ends: () => proxy.cutAll() })
  })
}
