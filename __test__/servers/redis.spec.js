'use strict'

/*
 * A Redis server that is not there, dies, stands still, refuses, forgets its scripts or loses its connections: every request is
 * answered in time, nobody is logged out, the stored session stays whole, and requests go on within a second of its return (faults
 * 114–117 of the requirements).
 *
 * The servers are the test's own. Clusters and sentinels have files of their own beside this one.
 */

const fs = require('fs')
const express = require('express')

const { ours } = require('../support/packages')
const { makeCertificates, makeSelfSigned } = require('../support/certificates')
const { SECRET, freshId } = require('../support/cookies')
const { listen, open } = require('../support/servers')
const { Server, numberOf, visitDuring, livesThrough } = require('../support/storage')
const { Proxy, freePort, ready } = require('../support/spawned')
const { isInstalled, startRedis } = require('../support/redis-servers')

jest.setTimeout(60000)

const describeRedis = ours && isInstalled ? describe : describe.skip

/** What survives a kill: every write is on the disk before it is acknowledged. */
const LASTING = { appendonly: 'yes', appendfsync: 'always' }
/** Longest time from the server's return to the first request that is served. Units: milliseconds. */
const HEALED = 1000

/** A server of sessions over a Redis server, or over what stands in front of it. */
function sessionsOn({ host = '127.0.0.1', port }, { connection, ...options } = {}) {
  return Server.start({ driver: 'redis', connection: { host, port, ...connection }, ...options })
}

/** How long it takes until a visitor is known again. */
async function healing(server, agent) {
  const began = Date.now()
  await ready(async () => (await server.visit(agent)).found.user === 'bob')
  return Date.now() - began
}

async function known(server) {
  const agent = server.agent()
  await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
  expect(await server.told()).toEqual([])
  return agent
}

describeRedis('sessions on Redis', () => {
  test('are shared by the Express applications of several NodeSessions, and end where one of them says so', async () => {
    const { host, port } = await startRedis()
    const [one, other] = await Promise.all([{ host, port }, `redis://${host}:${port}`].map(async (connection) => {
      const sessions = ours.create({ secret: SECRET, driver: 'redis', connection })
      const app = express()
      app.use((req, res, next) => sessions.startSession(req, res, next))
      app.get('/view', (req, res) => {
        req.session.increment('views')
        res.send(String(req.session.get('views')))
      })
      app.get('/leave', (req, res) => {
        req.session.invalidate()
        res.send('gone')
      })
      return listen(app)
    }))
    const agent = one.agent()
    const there = other.agent()
    const view = async (visitor) => (await visitor.request('/view')).body
    expect(await view(agent)).toBe('1')
    there.jar = agent.jar
    expect([await view(there), await view(agent), await view(there)]).toEqual(['2', '3', '4'])
    const before = agent.twin()
    await there.request('/leave')
    expect(await view(before)).toBe('1')
  })

  test('are not there while the server is not, and are as soon as it is', async () => {
    const port = await freePort()
    const server = await sessionsOn({ host: '127.0.0.1', port })
    const agent = server.agent()
    const read = await server.visit(server.agent(freshId()))
    expect([read.status, read.cookies, read.found.error]).toEqual([200, [], 'ERR_SESSION_READ'])
    const save = await server.visit(agent, ['put', 'user', 'bob'])
    expect([save.status, save.cookies, await server.told()]).toEqual([200, [], ['error ERR_SESSION_WRITE']])
    expect(Math.max(read.took, save.took)).toBeLessThan(1900)
    await startRedis({ port })
    const again = await server.visit(agent, ['put', 'user', 'bob'])
    expect([again.found.error, again.cookies.length, await server.told()]).toEqual([undefined, 1, []])
    expect((await server.visit(agent)).found.user).toBe('bob')
  })

  test('live through a kill and a new start', async () => {
    const redis = await startRedis(LASTING)
    const server = await sessionsOn(redis)
    await livesThrough(server, { begins: () => redis.stop(), ends: () => redis.start(), isFelt: 'read' })
  })

  test('live through a server that stands still', async () => {
    const redis = await startRedis()
    const server = await sessionsOn(redis)
    await livesThrough(server, { begins: () => redis.stall(), ends: () => redis.resume(), isFelt: 'read' })
  })

  test('are there within a second when a server goes on that stood still for long', async () => {
    const redis = await startRedis()
    const server = await sessionsOn(redis)
    const agent = await known(server)
    redis.stall()
    for (let round = 0; round < 4; round += 1) {
      const visits = await Promise.all([1, 2, 3].map(() => visitDuring(server, agent.twin())))
      for (const { found } of visits) expect(found.error).toBe('ERR_SESSION_TIMEOUT')
    }
    redis.resume()
    expect(await healing(server, agent)).toBeLessThan(HEALED)
  })

  test('are there within a second of the server\'s return for requests that keep coming, and nobody gets another id', async () => {
    const redis = await startRedis(LASTING)
    const server = await sessionsOn(redis)
    const agents = await Promise.all(Array.from({ length: 10 }, () => known(server)))
    const ids = agents.map((agent) => server.id(agent))
    let goesOn = true
    const failed = []
    const visits = agents.map(async (agent) => {
      while (goesOn) {
        const { found, status, took, cookies } = await server.visit(agent, ['increment', 'n'])
        if (found.error === undefined) expect([status, found.user]).toEqual([200, 'bob'])
        else {
          expect(cookies).toEqual([])
          failed.push(Date.now())
        }
        expect(took).toBeLessThan(4100)
        await new Promise((resolve) => { setTimeout(resolve, 5) })
      }
    })
    for (let round = 0; round < 2; round += 1) {
      await redis.stop('SIGTERM')
      await ready(() => failed.length > 0)
      await redis.start()
      const back = Date.now()
      await new Promise((resolve) => { setTimeout(resolve, HEALED) })
      expect(failed.filter((at) => at > back + HEALED)).toEqual([])
    }
    goesOn = false
    await Promise.all(visits)
    expect(agents.map((agent) => server.id(agent))).toEqual(ids)
    for (const line of await server.told()) expect(line).toMatch(/^error ERR_SESSION_(READ|WRITE|TIMEOUT)$/)
    expect(server.ended).toBeUndefined()
  })

  test('can be read on a replica, and stay as they were', async () => {
    const redis = await startRedis()
    const server = await sessionsOn(redis)
    await livesThrough(server, {
      begins: () => redis.ask('REPLICAOF', '127.0.0.1', 1),
      ends: () => redis.ask('REPLICAOF', 'NO', 'ONE'),
      isFelt: 'save',
    })
  })

  test('stay as they were when the server\'s memory is full', async () => {
    const redis = await startRedis()
    const server = await sessionsOn(redis)
    await livesThrough(server, {
      begins: () => redis.ask('CONFIG', 'SET', 'maxmemory', 1),
      ends: () => redis.ask('CONFIG', 'SET', 'maxmemory', 0),
      isFelt: 'save',
    })
  })

  test('tell by the server\'s own word why they were not saved', async () => {
    const redis = await startRedis()
    const site = await open(ours, { driver: 'redis', connection: { host: redis.host, port: redis.port } })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    for (const [word, ...begins] of [['OOM', 'CONFIG', 'SET', 'maxmemory', 1], ['READONLY', 'REPLICAOF', '127.0.0.1', 1]]) {
      await redis.ask('CONFIG', 'SET', 'maxmemory', 0)
      await redis.ask(...begins)
      site.errors.length = 0
      await site.visit(agent, (session) => session.put('canary', 'canary'))
      expect(site.errors.map(({ code, cause }) => [code, cause.code])).toEqual([['ERR_SESSION_WRITE', word]])
      expect(`${site.errors[0].message} ${site.errors[0].cause.message}`).not.toMatch(/canary|node-session:/)
    }
  })

  test('do not notice that the server forgets its scripts', async () => {
    const redis = await startRedis()
    const server = await sessionsOn(redis)
    const agent = await known(server)
    for (let round = 0; round < 5; round += 1) {
      await redis.ask('SCRIPT', 'FLUSH')
      await Promise.all([1, 2, 3].map(() => server.visit(agent.twin(), ['increment', 'n'])))
    }
    const { found } = await server.visit(agent, ['get', 'n'])
    expect([found.results, await server.told()]).toEqual([[15], []])
  })

  test('live through connections that are cut in the middle of an answer', async () => {
    const redis = await startRedis()
    const proxy = await Proxy.start(redis.port)
    const server = await sessionsOn(proxy)
    for (const bytes of [0, 1, 7]) {
      await livesThrough(server, { begins: () => proxy.cutEach(bytes), ends: () => proxy.cutEach(), isFelt: 'read' })
    }
  })

  test('do not notice that idle connections are cut', async () => {
    const redis = await startRedis()
    const proxy = await Proxy.start(redis.port)
    const server = await sessionsOn(proxy)
    const agent = await known(server)
    for (let round = 2; round < 6; round += 1) {
      proxy.cutAll()
      const { found } = await server.visit(agent, ['state', round])
      expect([found.error, found.user, numberOf(found.state), await server.told()]).toEqual([undefined, 'bob', round - 1, []])
    }
  })

  test('give up a connection that leads nowhere', async () => {
    const redis = await startRedis()
    const proxy = await Proxy.start(redis.port)
    const server = await sessionsOn(proxy)
    const agent = await known(server)
    proxy.lose()
    const { found } = await visitDuring(server, agent)
    expect(found.error).toBe('ERR_SESSION_TIMEOUT')
    expect(await healing(server, agent)).toBeLessThan(HEALED)
  })

  test('are there as soon as a server has loaded its data', async () => {
    const redis = await startRedis({ rdbcompression: 'no' })
    const server = await sessionsOn(redis)
    const agents = await Promise.all(Array.from({ length: 40 }, () => known(server)))
    await redis.ask('SAVE')
    await redis.stop()
    Object.assign(redis.options, { 'key-load-delay': 20000, 'loading-process-events-interval-bytes': 1024 })
    const [agent] = agents
    await redis.start(() => redis.ask('GET', 'x').then(() => false, ({ message }) => /^LOADING/.test(message)))
    const during = await visitDuring(server, agent)
    expect([during.found.error, during.found.user]).toEqual(['ERR_SESSION_READ', undefined])
    await ready(async () => (await redis.ask('PING').catch(() => '')) === 'PONG')
    expect(await healing(server, agent)).toBeLessThan(HEALED)
  })
})

describeRedis('a connection to Redis', () => {
  /** What a visitor is told whose sessions cannot be reached, and how long it takes. */
  async function refusal(connection, code = 'ERR_SESSION_READ') {
    const site = await open(ours, { driver: 'redis', connection })
    const began = Date.now()
    const { started: [error], setCookies } = await site.visit(site.agentFor(freshId()))
    expect([error?.code, setCookies]).toEqual([code, []])
    expect(Date.now() - began).toBeLessThan(2500)
    expect(`${error.message} ${error.cause?.message} ${error.stack}`).not.toContain('canary')
    return error.cause
  }

  /** Whether sessions can be kept so. */
  async function works(connection, options) {
    const site = await open(ours, { driver: 'redis', connection, ...options })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
    expect(site.errors).toEqual([])
  }

  test('needs the right password, and tells nobody a wrong one', async () => {
    const redis = await startRedis({ requirepass: 'right' })
    const at = { host: redis.host, port: redis.port }
    expect((await refusal({ ...at, password: 'canary' })).code).toBe('WRONGPASS')
    expect((await refusal(`redis://web:canary@127.0.0.1:${redis.port}`)).code).toBe('WRONGPASS')
    expect((await refusal(at)).code).toBe('NOAUTH')
    await works({ ...at, password: 'right' })
    await works(`redis://:right@127.0.0.1:${redis.port}/3`)
    expect(await redis.ask('INFO', 'keyspace')).toMatch(/db3:keys=1/)
  })

  test('is a user\'s of its own, by RESP2 where HELLO is not allowed, and over a socket', async () => {
    const redis = await startRedis({ unixsocket: 'redis.sock' })
    await redis.ask('ACL', 'SETUSER', 'web', 'on', '>canary', '~shop:*', '+@all', '-hello', '-info', '-config')
    const web = { user: 'web', password: 'canary', prefix: 'shop:' }
    await works({ host: redis.host, port: redis.port, ...web })
    await works({ adapter: 'sails-redis', path: `${redis.dir}/redis.sock`, ...web }, { driver: 'database' })
    expect((await refusal({ port: redis.port, ...web, prefix: 'other:' })).code).toBe('NOPERM')
  })

  test('is encrypted, by a certificate that is verified', async () => {
    const files = makeCertificates()
    const ca = fs.readFileSync(files.ca, 'utf8')
    const options = { 'tls-ca-cert-file': files.ca, 'tls-cert-file': files.cert, 'tls-key-file': files.key, 'tls-auth-clients': 'no' }
    const redis = await startRedis(options, { ca })
    const { port } = redis
    await works({ port, ssl: { ca } })
    await works({ port, host: 'localhost', ssl: { ca: [ca] } })
    await works({ url: `rediss://127.0.0.1:${port}`, ssl: { rejectUnauthorized: false } })
    await works({ port, ssl: { ca, servername: 'localhost' } })
    expect((await refusal({ port, ssl: true })).message).toMatch(/certificate/)
    expect((await refusal({ port, ssl: { ca, servername: 'example.com' } })).message).toMatch(/certificate/)
    await refusal({ port })
    const plain = await startRedis()
    // It waits for the rest of what it takes for a command.
    await refusal(`rediss://127.0.0.1:${plain.port}`, 'ERR_SESSION_TIMEOUT')
  })

  test('is encrypted, by the certificate that the server signed for itself, and by no other', async () => {
    for (const isAuthority of [true, false]) {
      const { cert, key } = makeSelfSigned({ isAuthority })
      const [own, other] = [cert, makeSelfSigned({ isAuthority }).cert].map((file) => fs.readFileSync(file, 'utf8'))
      const options = { 'tls-ca-cert-file': cert, 'tls-cert-file': cert, 'tls-key-file': key, 'tls-auth-clients': 'no' }
      const { port } = await startRedis(options, { ca: own })
      await works({ port, ssl: { ca: own } })
      await works({ port, ssl: { ca: [other, own], servername: 'localhost' } })
      expect((await refusal({ port, ssl: { ca: own, servername: 'example.com' } })).message).toMatch(/not valid for name/)
      for (const ssl of [{ ca: other }, true]) expect((await refusal({ port, ssl })).message).toMatch(/invalid peer certificate/)
    }
  })

  test('shows a client\'s certificate to a server that asks for it', async () => {
    const files = makeCertificates()
    const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => fs.readFileSync(files[name], 'utf8'))
    const options = { 'tls-ca-cert-file': files.ca, 'tls-cert-file': files.cert, 'tls-key-file': files.key }
    const { port } = await startRedis(options, { ca, cert, key })
    await works({ port, ssl: { ca, cert, key } })
    await refusal({ port, ssl: { ca } })
  })

  test('warns once when the server may throw sessions away, and not when it may not or does not tell', async () => {
    const redis = await startRedis({ 'maxmemory-policy': 'allkeys-lru' })
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const warnings = () => warn.mock.calls.filter(([text]) => text.includes('maxmemory-policy'))
    try {
      const at = { host: redis.host, port: redis.port }
      const site = await open(ours, { driver: 'redis', connection: at })
      await ready(async () => {
        await site.visit(site.agent())
        return warnings().length > 0
      })
      for (let visits = 0; visits < 5; visits += 1) await site.visit(site.agent())
      expect(warnings()).toEqual([[expect.stringContaining('`allkeys-lru`'), 'SessionWarning']])
      warn.mockClear()
      await redis.ask('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', '-info')
      const mute = await open(ours, { driver: 'redis', connection: { ...at, user: 'mute', password: 'x' } })
      for (let visits = 0; visits < 5; visits += 1) await mute.visit(mute.agent())
      await redis.ask('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
      const safe = await open(ours, { driver: 'redis', connection: at })
      for (let visits = 0; visits < 5; visits += 1) await safe.visit(safe.agent())
      expect([warnings(), mute.errors, safe.errors]).toEqual([[], [], []])
    } finally {
      warn.mockRestore()
    }
  })
})
