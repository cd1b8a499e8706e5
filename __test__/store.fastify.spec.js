'use strict'

/*
 * @fastify/session over the store, on each driver.
 */

const fastify = require('fastify')
const fastifyCookie = require('@fastify/cookie')
const fastifySession = require('@fastify/session')

const Store = require('../express-session')
const { Agent } = require('./support/agent')
const { tempDir } = require('./support/cleanup')
const { servers } = require('./support/store-servers')
const { storesWhere } = require('./support/stores')
const { until } = require('./support/waiting')

jest.setTimeout(60000)

const opened = []
// Servers have so many connections and no more.
afterEach(async () => {
  for (const { app, store } of opened.splice(0)) {
    await app.close()
    await store.close()
  }
})

/** An application over a store; gives the store, and visitors. */
async function start(row, options = {}) {
  const store = new Store({ lottery: false, ...row.options(tempDir()) })
  const app = fastify()
  opened.push({ app, store })
  await app.register(fastifyCookie)
  const cookie = { secure: false, ...options.cookie }
  const secret = 'a secret of more than thirty-two characters'
  await app.register(fastifySession, { secret, store, saveUninitialized: false, ...options, cookie })
  app.get('/visits', async (request) => {
    request.session.visits = (request.session.visits ?? 0) + 1
    return request.session.visits
  })
  app.get('/look', async (request) => request.session.visits ?? 'none')
  app.get('/regenerate', async (request) => {
    await request.session.regenerate(['visits'])
    return request.session.sessionId
  })
  app.get('/reload', async (request) => {
    request.session.visits = 'unsaved'
    await request.session.reload()
    return request.session.visits
  })
  app.get('/destroy', async (request) => {
    await request.session.destroy()
    return 'destroyed'
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const visitor = (agent = new Agent(origin)) => {
    const visit = async (target) => {
      const { status, body } = await agent.request(target)
      expect([status, body]).toEqual([200, body])
      return body
    }
    visit.twin = () => visitor(agent.twin())
    return visit
  }
  return { store, visitor }
}

describe.each([...storesWhere(), ...servers])('@fastify/session over %s', (name, row) => {
  test('a visitor is counted, and each apart from the others', async () => {
    const { store, visitor } = await start(row)
    const [one, other] = [visitor(), visitor()]
    expect([await one('/visits'), await one('/visits'), await other('/visits'), await one('/visits')]).toEqual(['1', '2', '1', '3'])
    expect(await store.length()).toBe(2)
  })

  test('a session that nothing was put into is not stored', async () => {
    const { store, visitor } = await start(row)
    await visitor()('/look')
    expect(await store.ids()).toEqual([])
  })

  test('regenerate takes along what it is told to, and the old id leads nowhere', async () => {
    const { store, visitor } = await start(row)
    const visit = visitor()
    await visit('/visits')
    const old = visit.twin()
    const id = await visit('/regenerate')
    expect(await store.ids()).toEqual([id])
    expect([await visit('/visits'), await old('/visits')]).toEqual(['2', '1'])
  })

  test('reload gives what is stored, destroy ends it', async () => {
    const { store, visitor } = await start(row)
    const visit = visitor()
    await visit('/visits')
    expect(await visit('/reload')).toBe('1')
    expect(await visit('/destroy')).toBe('destroyed')
    expect(await store.ids()).toEqual([])
    expect(await visit('/visits')).toBe('1')
  })

  test('the cookie\'s maxAge ends the session, and a request prolongs it', async () => {
    const { store, visitor } = await start(row, { cookie: { maxAge: 400 } })
    const visit = visitor()
    await visit('/visits')
    const [{ cookie: { expires } }] = await store.all()
    await until(async () => await visit('/look') === '1' && (await store.all())[0].cookie.expires > expires)
    await until(async () => (await store.ids()).length === 0)
    expect(await visit('/visits')).toBe('1')
  })
})
