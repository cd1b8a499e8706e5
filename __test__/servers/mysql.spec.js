'use strict'

/*
 * A MySQL (MariaDB) server that is down, killed, stopped, restarted, full or read-only, and the network to it: every request is answered
 * within its time, nobody is logged out by it, and all is well again within a second of the server's return (faults 114–116).
 */

const { describeOurs } = require('../support/packages')
const { MariaDB, describeMariaDB } = require('../support/mariadb')
const { Server, numberOf, visitDuring, livesThrough } = require('../support/storage')
const { Proxy, ready } = require('../support/spawned')
const { freshId } = require('../support/cookies')

jest.setTimeout(60000)

const READ = 2000
const SAVE = 5000
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 2500
/** Within that time of a server's return all is well. */
const HEALING = 1000

const describeBoth = describeOurs === describe ? describeMariaDB : describe.skip

/** A user's own name and password, so that the user's connections can be told from the test's. */
const APP = { user: 'app', password: 'hidden-4711' }

let database

async function makeUser() {
  await database.sql(`CREATE USER 'app'@'%' IDENTIFIED BY '${APP.password}'`)
  await database.sql("GRANT ALL ON test.* TO 'app'@'%'")
}

const serve = (fields, options) => Server.start({
  driver: 'database', table: `t${freshId().replace(/\W/g, '').slice(0, 12)}`, touchInterval: 0, connection: database.connection({ ...APP, ...fields }), ...options,
})

/** A server and a visitor of it who is logged in. */
async function known(fields, options) {
  const server = await serve(fields, options)
  const agent = server.agent()
  await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
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
  expect(Date.now() - begun).toBeLessThan(HEALING + SLACK / 5)
  expect([server.id(agent), server.ended]).toEqual([id, undefined])
}

describeBoth('a MySQL server of the test\'s own', () => {
  beforeAll(async () => {
    database = await MariaDB.start()
    await makeUser()
  })

  describe('that fails', () => {
    test('that is down at start is an error of each request, in time, until it is there', async () => {
      await database.kill()
      const server = await serve()
      const agent = server.agent(freshId())
      for (let visit = 0; visit < 8; visit += 1) {
        const { found } = await inTime(server, agent)
        expect(found.error).toMatch(/^ERR_SESSION_(READ|TIMEOUT)$/)
      }
      await database.start()
      const late = server.agent()
      await ready(async () => (await visitDuring(server, late, ['put', 'user', 'bob'])).told.length === 0, HEALING)
      expect((await server.visit(late)).found.user).toBe('bob')
    })

    test('that is killed and started again', async () => {
      const { server, agent, id } = await known()
      for (let time = 0; time < 2; time += 1) {
        await database.kill()
        for (let visit = 0; visit < 4; visit += 1) await inTime(server, agent, ['state', 2])
        await database.start()
        await heals(server, agent, id)
      }
    })

    test('that is restarted between two requests is not noticed', async () => {
      const { server, agent, id } = await known()
      await Promise.all(Array.from({ length: 20 }, () => server.visit(agent.twin())))
      await database.kill('SIGTERM')
      await database.start()
      const visits = await Promise.all(Array.from({ length: 20 }, () => server.visit(agent.twin(), ['put', 'user', 'bob'])))
      expect(visits.map(({ found }) => found.user)).toEqual(Array(20).fill('bob'))
      expect([await server.told(), server.id(agent)]).toEqual([[], id])
    })

    test('that stands still is waited for no longer than the limits, and all is well when it goes on', async () => {
      const { server, agent, id } = await known({}, { readTimeout: 500, saveTimeout: 500 })
      database.pause()
      try {
        const begun = Date.now()
        const visits = await Promise.all(Array.from({ length: 30 }, () => server.visit(agent.twin())))
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
      const killing = (async () => { while (!isOver) ended += await database.cut(APP.user) })()
      for (let round = 0; round < 5; round += 1) {
        const keys = Array.from({ length: 20 }, (_, i) => `k${round}_${i}`)
        const visits = await Promise.all(keys.map((key) => server.visit(agent.twin(), ['put', key, 1], ['saves'])))
        const saved = keys.filter((key, i) => visits[i].found.results[1] === 'saved')
        for (const { found, cookies } of visits) if (found.error) expect([found.user, cookies]).toEqual([undefined, []])
        const { found } = await ready(async () => {
          const visit = await server.visit(agent.twin(), ['all'], ...saved.map((key) => ['get', key]))
          return visit.found.error === undefined && visit
        })
        expect(found.results.slice(1)).toEqual(saved.map(() => 1))
      }
      isOver = true
      await killing
      expect(ended).toBeGreaterThan(0)
      await server.told()
      await heals(server, agent, id)
    })

    test('that takes no writes is read, and every save is an error with its name', async () => {
      const { server, agent, id } = await known()
      await database.sql('SET GLOBAL read_only = ON')
      try {
        const { found, told } = await inTime(server, agent, ['put', 'a', 1], ['saves'])
        expect([found.user, found.results[1]]).toEqual(['bob', 'ERR_SESSION_WRITE'])
        expect(told.every((line) => line === 'error ERR_SESSION_WRITE')).toBe(true)
        const fresh = await inTime(server, server.agent(), ['put', 'a', 1])
        expect(fresh.cookies).toEqual([])
      } finally {
        await database.sql('SET GLOBAL read_only = OFF')
      }
      await heals(server, agent, id)
    })

    test('that has no connection to spare is an answer in time, and nobody is logged out', async () => {
      const { server, agent, id } = await known({ poolSize: 4 })
      await database.sql("ALTER USER 'app'@'%' WITH MAX_USER_CONNECTIONS 1")
      await database.cut(APP.user)
      try {
        const visits = await Promise.all(Array.from({ length: 20 }, () => server.visit(agent.twin())))
        // The one connection there is serves them all.
        expect(visits.map(({ found }) => found.user)).toEqual(Array(20).fill('bob'))
        expect(visits.flatMap(({ cookies }) => cookies).filter((cookie) => !cookie.includes(id))).toEqual([])
      } finally {
        await database.sql("ALTER USER 'app'@'%' WITH MAX_USER_CONNECTIONS 0")
      }
      await server.told()
      await heals(server, agent, id)
    })

    test('whose connections are all taken by others', async () => {
      const { server, agent, id } = await known()
      const before = (await database.sql('SELECT @@max_connections AS n'))[0].n
      await database.sql('SET GLOBAL max_connections = 10')
      const others = []
      const { createConnection } = require('mysql2/promise')
      try {
        await database.cut(APP.user)
        for (;;) others.push(await createConnection({ port: database.port, host: '127.0.0.1', ...APP, database: 'test' }))
      } catch (error) {
        expect(error.code).toMatch(/CON_COUNT|ECONNRESET/)
      }
      const { found, cookies } = await inTime(server, agent)
      expect([found.error, cookies]).toEqual([expect.stringMatching(/^ERR_SESSION_(READ|TIMEOUT)$/), []])
      for (const other of others) other.destroy()
      await ready(() => database.sql(`SET GLOBAL max_connections = ${before}`))
      await heals(server, agent, id)
    })

    test('whose table is dropped while it is in use has it made again', async () => {
      const { server, agent, table } = await known()
      await database.sql('DROP TABLE ??', [table])
      const { found } = await server.visit(agent, ['put', 'user', 'eve'])
      expect([found.error, found.user]).toEqual([undefined, undefined])
      expect((await server.visit(agent)).found.user).toBe('eve')
      expect(await server.told()).toEqual([])
    })

    test('whose row another transaction holds answers every request in time, and reads it', async () => {
      const { server, agent, id, table } = await known({}, { saveTimeout: 3000 })
      const { createConnection } = require('mysql2/promise')
      const other = await createConnection({ port: database.port, host: '127.0.0.1', ...APP, database: 'test' })
      await other.query('START TRANSACTION')
      await other.query('SELECT * FROM ?? WHERE id = ? FOR UPDATE', [table, id])
      const { found, told } = await inTime(server, agent, ['state', 2])
      expect([found.user, told.length]).toEqual(['bob', 1])
      // Others are not held up.
      const fresh = server.agent()
      expect((await inTime(server, fresh, ['put', 'user', 'eve'])).told).toEqual([])
      await other.query('ROLLBACK')
      other.destroy()
      await heals(server, agent, id)
    })

    test.each([
      ['a wrong password', { password: 'wrong' }], ['an unknown database', { database: 'nowhere' }], ['TLS, which it has not', { ssl: true }],
    ])('that is come to with %s is an error of each request, and sends no cookie', async (what, fields) => {
      const server = await serve(fields)
      const { found, cookies } = await server.visit(server.agent(), ['put', 'a', 1])
      expect([found.error, cookies]).toEqual([undefined, []])
      expect((await inTime(server, server.agent(freshId()))).found.error).toBe('ERR_SESSION_READ')
    })
  })

  describe('that is restarted', () => {
    test('while 50 overlapping requests put keys from two processes keeps every key that was acknowledged', async () => {
      const { server, agent, id, table } = await known()
      const other = await Server.start(server.config)
      const both = [server, other]
      const twins = both.map((one) => one.agent(id))
      const saved = []
      let isOver = false
      const rounds = async () => {
        for (let round = 0; !isOver; round += 1) {
          const keys = Array.from({ length: 50 }, (_, i) => `k${round}_${i}`)
          const visits = await Promise.all(keys.map((key, i) => both[i % 2].visit(twins[i % 2].twin(), ['put', key, 1], ['saves'])))
          for (const [i, { found }] of visits.entries()) if (!found.error && found.results[1] === 'saved') saved.push(keys[i])
        }
      }
      const putting = rounds()
      for (const signal of ['SIGTERM', 'SIGKILL']) {
        const before = saved.length
        await ready(() => saved.length > before)
        await database.kill(signal)
        await database.start()
      }
      isOver = true
      await putting
      await heals(server, agent, id)
      const [{ payload }] = await database.sql('SELECT payload FROM ?? WHERE id = ?', [table, id])
      const stored = JSON.parse(JSON.parse(payload))
      expect(saved.filter((key) => stored[key] !== 1)).toEqual([])
      expect([saved.length > 0, server.ended, other.ended]).toEqual([true, undefined, undefined])
    })
  })

  describe('behind a network that fails', () => {
    let proxy

    beforeAll(async () => { proxy = await Proxy.start(database.port) })

    const through = (options) => known({ port: proxy.port }, options)

    test('that cuts replies at any byte loses no key and logs nobody out', async () => {
      const { server, agent, id } = await through()
      let acknowledged = []
      for (let bytes = 0; bytes < 120; bytes += 7) {
        proxy.cutAfter(bytes)
        const key = `k${bytes}`
        const { found, cookies } = await server.visit(agent, ['put', key, 1], ['saves'])
        expect([found.error, found.user, cookies.length, server.id(agent)]).toEqual([undefined, 'bob', 1, id])
        if (found.results[1] === 'saved') acknowledged = [...acknowledged, key]
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
  })
})
