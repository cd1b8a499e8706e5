'use strict'

/*
 * Stores that were made for express-session as the driver, by option `store` (issue 4, item 4): the packages themselves, over real
 * servers, and a store whose faults the test chooses.
 */

const { EventEmitter } = require('events')
const express = require('express')

const { ours, describeOurs } = require('./support/packages')
const { listen, open } = require('./support/servers')
const { isThere, session, stores } = require('./support/express-stores')
const { SECRET, freshId } = require('./support/cookies')
const { until, gate } = require('./support/waiting')
const { timed } = require('./support/hanging')

/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 1500
/** How precisely stores count: some round to whole seconds. Units: milliseconds. */
const GRAIN = 1000
const FAILED = /^ERR_SESSION_(READ|WRITE)$/

/** An error whose message throws, as that of a proxy or of a lazy one may. */
const unreadable = () => Object.defineProperty(new Error(), 'message', { get() { throw new Error('no') } })

const siteOver = (store, config) => open(ours, { driver: undefined, store, ...config })
const get = (store, id) => new Promise((resolve, reject) => {
  store.get(id, (error, found) => (error && error.code !== 'ENOENT' ? reject(error) : resolve(found ?? undefined)))
})

describeOurs.each(stores)('over %s', (name, make) => {
  let isSkipped
  const there = (title, work) => test(title, async () => {
    isSkipped ??= !(await isThere(name, make))
    if (!isSkipped) await work(await make())
  })

  there('a session lives over requests, as one field beside a cookie', async ({ store, text }) => {
    const site = await siteOver(store)
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('user', 'bob "q" é😀\u0000'))
    await site.visit(agent, (visit) => visit.push('list', { a: 1 }))
    const { value } = await site.visit(agent, (visit) => [visit.get('user'), visit.get('list')])
    expect(value).toEqual(['bob "q" é😀\u0000', [{ a: 1 }]])
    const stored = JSON.parse(await text(site.id(agent)))
    expect(Object.keys(stored).filter((key) => key !== '__lastAccess').sort()).toEqual(['cookie', 'nodeSession'])
    expect(JSON.parse(stored.nodeSession)).toMatchObject({ list: [{ a: 1 }], flash: { old: [], new: [] } })
    expect(site.errors).toEqual([])
  })

  there('it lives in the store for lifetime, and for as long as activity may go unrecorded', async ({ store, expiry }) => {
    const site = await siteOver(store, { lifetime: 600000 })
    const agent = site.agent()
    const before = Date.now()
    await site.visit(agent, (visit) => visit.put('user', 'bob'))
    const expires = await expiry(site.id(agent))
    expect(expires).toBeGreaterThanOrEqual(before + 660000 - GRAIN)
    expect(expires).toBeLessThanOrEqual(Date.now() + 660000 + GRAIN)
  })

  there('requests that change nothing keep it alive, and leave its payload', async ({ store, expiry, text }) => {
    const site = await siteOver(store, { lifetime: 4000 })
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('user', 'bob'))
    const payload = async () => JSON.parse(await text(site.id(agent))).nodeSession
    const [first, stored] = [await expiry(site.id(agent)), await payload()]
    await until(async () => {
      await site.visit(agent)
      return await expiry(site.id(agent)) >= first + GRAIN
    })
    expect(await payload()).toBe(stored)
    expect((await site.visit(agent, (visit) => visit.get('user'))).value).toBe('bob')
  })

  there('it ends when it has been idle', async ({ store }) => {
    const site = await siteOver(store, { lifetime: 1000 })
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('user', 'bob'))
    const id = site.id(agent)
    await until(async () => await get(store, id) === undefined)
    expect((await site.visit(agent, (visit) => visit.get('user'))).value).toBeUndefined()
    expect(site.id(agent)).not.toBe(id)
  })

  there('destroy() removes it, and no slower request brings it back', async ({ store }) => {
    const site = await siteOver(store)
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('user', 'bob'))
    const [id, late] = [site.id(agent), agent.twin()]
    const { open: go, opened } = gate()
    const slower = site.visit(late, async (visit) => {
      go()
      visit.put('user', 'eve')
      await until(async () => await get(store, id) === undefined)
    })
    await opened
    await site.visit(agent, (visit) => visit.destroy())
    await slower
    expect(await get(store, id)).toBeUndefined()
    expect((await site.visit(site.agentFor(id), (visit) => visit.get('user'))).value).toBeUndefined()
  })

  there('regenerate(true) moves it', async ({ store }) => {
    const site = await siteOver(store)
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('user', 'bob'))
    const id = site.id(agent)
    await site.visit(agent, (visit) => visit.regenerate(true))
    expect(await get(store, id)).toBeUndefined()
    expect((await site.visit(agent, (visit) => visit.get('user'))).value).toBe('bob')
  })

  there('requests that overlap lose no key', async ({ store }) => {
    const site = await siteOver(store, { saveTimeout: 10000 })
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('n', 0))
    await Promise.all(Array.from({ length: 20 }, (_, i) => site.visit(agent.twin(), (visit) => {
      visit.put(`k${i}`, i)
      visit.increment('n')
    })))
    const { value } = await site.visit(agent, (visit) => visit.all())
    expect([value.n, Object.keys(value).filter((key) => /^k\d+$/.test(key)).length]).toEqual([20, 20])
    expect(site.errors).toEqual([])
  })

  there('a sealed session is sealed there', async ({ store, text }) => {
    const site = await siteOver(store, { encrypt: true })
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('card', '4111-1111'))
    expect(await text(site.id(agent))).not.toContain('4111-1111')
    expect((await site.visit(agent, (visit) => visit.get('card'))).value).toBe('4111-1111')
  })

  there('its errors are those of the request, without the id', async ({ store, fail }) => {
    const site = await siteOver(store)
    const agent = site.agent()
    await site.visit(agent, (visit) => visit.put('user', 'bob'))
    const { status } = await site.visit(agent, async (visit) => {
      visit.put('user', 'eve')
      await fail()
    })
    expect([status, site.errors.map((error) => error.code)]).toEqual([200, [expect.stringMatching(FAILED)]])
    const { started, setCookies } = await site.visit(agent, () => {})
    expect([started[0].code, setCookies]).toEqual(['ERR_SESSION_READ', []])
    for (const error of [started[0], site.errors[0]]) {
      expect(`${error.message} ${error.cause.stack}`).not.toContain(site.id(agent))
    }
  })

  there('an application of express-session is followed where its ids have our shape', async ({ store }) => {
    const app = express()
    app.use(session({ secret: SECRET, store, resave: false, saveUninitialized: false, genid: freshId, cookie: { maxAge: 60000 } }))
    app.get('/', (req, res) => {
      req.session.passport = { user: 7 }
      req.session.cart = ['tea']
      res.end()
    })
    const before = (await listen(app)).agent()
    await before.request('/')
    const site = await siteOver(store, { cookie: 'connect.sid' })
    const agent = site.agent()
    agent.jar.set('connect.sid', before.cookie('connect.sid'))
    const { value } = await site.visit(agent, (visit) => {
      visit.push('cart', 'milk')
      return { ...visit.all() }
    })
    expect(value).toEqual({ _token: expect.any(String), passport: { user: 7 }, cart: ['tea', 'milk'] })
    expect((await site.visit(agent, (visit) => visit.get('cart'))).value).toEqual(['tea', 'milk'])
    expect(agent.cookie('connect.sid')).toBe(before.cookie('connect.sid'))
    expect(site.errors).toEqual([])
  })
})

/** A store over a Map that does as the test says, before it does what a store does. */
class FaultyStore extends EventEmitter {
  constructor() {
    super()
    this.map = new Map()
    this.calls = []
    this.faults = {}
  }

  step(method, given, work) {
    this.calls.push([method, ...given.slice(0, -1)])
    const callback = given.at(-1)
    const fault = this.faults[method]
    return fault === undefined ? void setImmediate(work) : fault(callback, work, given)
  }

  get(id, callback) {
    return this.step('get', [id, callback], () => callback(null, this.map.get(id)))
  }

  set(id, value, callback) {
    return this.step('set', [id, value, callback], () => {
      this.map.set(id, JSON.parse(JSON.stringify(value)))
      callback(null)
    })
  }

  destroy(id, callback) {
    return this.step('destroy', [id, callback], () => {
      this.map.delete(id)
      callback(null)
    })
  }
}

class TouchingStore extends FaultyStore {
  touch(id, value, callback) {
    return this.step('touch', [id, value, callback], () => callback(null))
  }
}

describeOurs('a store', () => {
  const PAYLOAD = '{"_token":"T","user":"ann","flash":{"old":[],"new":[]}}'
  async function faulty(Store = FaultyStore, config = {}) {
    const store = new Store()
    const site = await siteOver(store, config)
    const id = freshId()
    store.map.set(id, { cookie: {}, nodeSession: PAYLOAD })
    return { store, site, id, agent: site.agentFor(id) }
  }
  const asked = (store) => store.calls.map(([method]) => method)

  test('is asked to touch, with the whole session and without a write, where it can', async () => {
    const { store, site, agent, id } = await faulty(TouchingStore)
    const before = Date.now()
    await site.visit(agent)
    expect(asked(store)).toEqual(['get', 'get', 'touch'])
    const [, touched, { cookie, nodeSession }] = store.calls.at(-1)
    expect([touched, nodeSession]).toEqual([id, PAYLOAD])
    expect(cookie.expires.getTime()).toBeGreaterThanOrEqual(before + 330000)
    expect(cookie.maxAge).toBeLessThanOrEqual(330000)
    expect(JSON.parse(JSON.stringify(cookie))).toEqual({
      originalMaxAge: 330000, expires: cookie.expires.toISOString(), httpOnly: true, path: '/',
    })
    await site.visit(agent)
    expect(asked(store)).toEqual(['get', 'get', 'touch', 'get'])
  })

  test('without touch is given the same payload again', async () => {
    const { store, site, agent, id } = await faulty()
    await site.visit(agent)
    expect(asked(store)).toEqual(['get', 'get', 'set'])
    expect(store.map.get(id).nodeSession).toBe(PAYLOAD)
  })

  test('of two NodeSessions keeps what both have changed, where their saves come one after the other', async () => {
    const { store, site, agent, id } = await faulty()
    const other = await siteOver(store)
    await site.visit(agent, async (first) => {
      first.put('first', 1)
      await other.visit(other.agentFor(id), (second) => second.put('second', 2))
    })
    expect((await site.visit(agent, (session) => session.all())).value).toMatchObject({ user: 'ann', first: 1, second: 2 })
  })

  test('is not asked for the session of a visitor who has none', async () => {
    const { store, site } = await faulty()
    await site.visit(site.agent(), (visit) => visit.put('user', 'bob'))
    expect(asked(store)).toEqual(['get', 'set'])
  })

  test('that is unset, or an undefined option, leaves the driver as it is', () => {
    for (const store of [undefined, null, false]) {
      expect(ours.create({ secret: SECRET, driver: 'memory', store }).__manager.getDefaultDriver()).toBe('memory')
    }
  })

  test.each([
    ['calls back an error', (callback) => { callback(new Error('no')) }],
    ['calls back something thrown that is no error', (callback) => { callback('no') }],
    ['throws', () => { throw new Error('no') }],
    ['gives a promise that is rejected', () => Promise.reject(new Error('no'))],
    ['throws nothing', () => { throw undefined }],
    ['gives a promise that is rejected with nothing', () => Promise.reject()],
    ['calls back an error that cannot be read', (callback) => { callback(unreadable()) }],
    ['calls back such an error later', (callback) => { setImmediate(callback, unreadable()) }],
    ['throws an error that cannot be read', () => { throw unreadable() }],
  ])('that %s fails that request, and what is stored stays', async (what, fault) => {
    const { store, site, agent, id } = await faulty()
    store.faults.get = fault
    const { started, setCookies } = await site.visit(agent, (visit) => visit.put('user', 'eve'))
    expect([started[0].code, started[0].cause.message, setCookies]).toEqual(['ERR_SESSION_READ', expect.stringMatching(/^(no|it gave no reason|what went wrong cannot be read)$/), []])
    site.errors.length = 0
    store.faults = { set: fault }
    expect((await site.visit(agent, (visit) => visit.put('user', 'eve'))).status).toBe(200)
    expect(site.errors.map((error) => error.code)).toEqual(['ERR_SESSION_WRITE'])
    store.faults = {}
    expect(store.map.get(id).nodeSession).toBe(PAYLOAD)
    expect((await site.visit(agent, (visit) => visit.get('user'))).value).toBe('ann')
  })

  test('that calls back twice is heard once', async () => {
    const { store, site, agent } = await faulty()
    const twice = (callback, work) => {
      work()
      callback(new Error('again'))
      setImmediate(() => callback(new Error('and again')))
    }
    store.faults = { get: twice, set: twice }
    await site.visit(agent, (visit) => visit.put('user', 'eve'))
    store.faults = {}
    expect((await site.visit(agent, (visit) => visit.get('user'))).value).toBe('eve')
    expect(site.errors).toEqual([])
  })

  test('that never calls back holds no request up for longer than its time', async () => {
    const { store, site, agent } = await faulty(FaultyStore, { readTimeout: 150, saveTimeout: 150 })
    store.faults.get = () => {}
    const [{ started }, took] = await timed(() => site.visit(agent))
    expect([started[0].code, took < 300 + SLACK]).toEqual(['ERR_SESSION_TIMEOUT', true])
    store.faults = { set: () => {} }
    const [{ status }, longer] = await timed(() => site.visit(agent, (visit) => visit.put('user', 'eve')))
    expect([status, longer < 300 + SLACK]).toEqual([200, true])
    expect(site.errors.map((error) => error.code)).toEqual(['ERR_SESSION_TIMEOUT'])
  })

  test('that writes after the session was destroyed does not bring it back', async () => {
    const { store, site, agent, id } = await faulty(FaultyStore, { saveTimeout: 50 })
    let late
    store.faults.set = (callback, work) => { late = work }
    await site.visit(agent.twin(), (visit) => visit.put('user', 'eve'))
    store.faults = {}
    await site.visit(agent, (visit) => visit.destroy())
    late()
    await until(() => !store.map.has(id))
  })

  test('that says it is disconnected is asked once a second, until it answers or says it is back', async () => {
    const { store, site, agent } = await faulty()
    await site.visit(agent)
    store.faults.get = (callback) => callback(new Error('not yet'))
    store.emit('disconnect')
    const calls = store.calls.length
    for (let i = 0; i < 5; i += 1) expect((await site.visit(agent)).started[0].code).toBe('ERR_SESSION_READ')
    expect(store.calls.length - calls).toBeLessThanOrEqual(1)
    store.faults = {}
    await until(async () => (await site.visit(agent)).started.length === 0)
    store.emit('disconnect')
    expect((await site.visit(agent)).started[0].cause.message).toBe('the store is disconnected')
    store.emit('connect')
    expect((await site.visit(agent, (visit) => visit.get('user'))).value).toBe('ann')
  })

  test('that emits an error ends nothing, and is told of once, without what it says', async () => {
    const { store, site, agent } = await faulty()
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    for (let i = 0; i < 3; i += 1) store.emit('error', Object.assign(new Error('redis://bob:hunter2@localhost'), { code: 'ECONNRESET' }))
    const warnings = warn.mock.calls
    warn.mockRestore()
    expect(warnings).toEqual([['the store in option `store` emitted an error that nobody listens for: ECONNRESET', 'SessionWarning']])
    expect((await site.visit(agent, (visit) => visit.get('user'))).value).toBe('ann')
  })

  test.each([[{ user: 'ann' }], ['text'], [7], [[]], [{ cookie: null }], [{ cookie: {}, nodeSession: '{"user":' }]])(
    'that gives %j gives no session: it stays, and the visitor gets a new one', async (found) => {
      const { store, site, agent, id } = await faulty()
      store.map.set(id, found)
      await site.visit(agent, (visit) => visit.put('user', 'eve'))
      expect(site.corrupt.map((error) => error.code)).toEqual(['ERR_SESSION_CORRUPT'])
      expect([store.map.get(id), site.id(agent) === id]).toEqual([found, false])
    }
  )

  test('with a session of express-session is not believed where sessions are sealed', async () => {
    const { store, site, agent, id } = await faulty(FaultyStore, { encrypt: true })
    store.map.set(id, { cookie: {}, isAdmin: true })
    expect((await site.visit(agent, (visit) => visit.get('isAdmin'))).value).toBeUndefined()
    expect(site.corrupt).toHaveLength(1)
    expect(store.map.get(id)).toEqual({ cookie: {}, isAdmin: true })
  })

  test('with __proto__ in a session of express-session changes no prototype', async () => {
    const { store, site, agent, id } = await faulty()
    store.map.set(id, JSON.parse('{"cookie":{},"__proto__":{"isAdmin":true},"user":"ann"}'))
    const { value } = await site.visit(agent, (visit) => [visit.get('user'), visit.get('isAdmin'), {}.isAdmin])
    expect(value).toEqual(['ann', undefined, undefined])
  })

  test('serves lock mode, getSession, ready() and stats()', async () => {
    const { site, agent, id } = await faulty(FaultyStore, { lock: true })
    await Promise.all(Array.from({ length: 5 }, () => site.visit(agent.twin(), async (visit) => {
      const before = visit.get('n', 0)
      await new Promise(setImmediate)
      visit.put('n', before + 1)
    })))
    expect((await site.visit(agent, (visit) => visit.get('n'))).value).toBe(5)
    const found = await new Promise((resolve) => { site.nodeSession.getSession({ headers: { cookie: agent.cookieHeader() } }, resolve) })
    await found.start()
    expect([found.getId(), found.get('user')]).toEqual([id, 'ann'])
    await expect(site.nodeSession.ready()).resolves.toBeUndefined()
    await site.nodeSession.close()
    expect(site.nodeSession.stats()).toMatchObject({ readErrors: 0, writeErrors: 0 })
  })

  test('is not shown by what shows the NodeSession or its handler', async () => {
    const { store, site } = await faulty()
    store.password = 'hunter2'
    const { value } = await site.visit(site.agent(), (visit) => visit.getHandler())
    expect(require('util').inspect([site.nodeSession, value], { depth: 10 })).not.toContain('hunter2')
  })

  test('that is none is refused by the constructor, and so is a driver beside it', () => {
    const create = (options) => () => ours.create({ secret: SECRET, ...options })
    const refused = 'option `store` must be a store of express-session: an object with the methods `get`, `set` and `destroy`'
    for (const store of [{}, 'redis', 5, true, FaultyStore, { get() {}, set() {} }]) expect(create({ store })).toThrow(refused)
    expect(create({ store: new FaultyStore(), driver: 'file' })).toThrow('option `driver` must be left out')
    expect(create({ store: new FaultyStore(), driver: 'file' })).toThrow(expect.objectContaining({ code: 'ERR_SESSION_CONFIG' }))
  })
})
