'use strict'

/*
 * express-session on Express 4 and 5 over the store, on each driver: what express-session promises its users, asked again here.
 */

const session = require('express-session')

const Store = require('../express-session')
const { frameworks } = require('./support/frameworks')
const { listen } = require('./support/servers')
const { tempDir } = require('./support/cleanup')
const { servers } = require('./support/store-servers')
const { storesWhere } = require('./support/stores')
const { until } = require('./support/waiting')

jest.setTimeout(60000)

const STORES = [...storesWhere(), ...servers]
const FRAMEWORKS = ['Express 4', 'Express 5']
const CASES = FRAMEWORKS.flatMap((framework) => STORES.map(([name, row]) => [framework, name, row]))

const failed = (error) => (error ? `failed: ${error.message}` : undefined)

/** What a request does, by its path; the body is what the test looks at. */
const ROUTES = {
  '/visits': (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1
    res.end(String(req.session.visits))
  },
  '/look': (req, res) => res.end(JSON.stringify(req.session)),
  '/id': (req, res) => res.end(`${req.session.id} ${req.sessionID}`),
  '/untouched': (req, res) => res.end('nothing'),
  '/regenerate': (req, res) => {
    const before = req.session.id
    req.session.regenerate((error) => {
      req.session.after = 'yes'
      res.end(failed(error) ?? `${before} ${req.session.id}`)
    })
  },
  '/destroy': (req, res) => req.session.destroy((error) => res.end(failed(error) ?? String(req.session))),
  '/reload': (req, res) => {
    req.session.visits = 'unsaved'
    req.session.reload((error) => res.end(failed(error) ?? String(req.session.visits)))
  },
  '/reload-destroyed': (req, res) => {
    const { store } = req.app?.locals ?? {}
    ;(store ?? req.sessionStore).destroy(req.session.id, () => req.session.reload((error) => res.end(failed(error) ?? 'reloaded')))
  },
  '/save': (req, res) => {
    req.session.visits = 'by hand'
    req.session.save((error) => res.end(failed(error) ?? 'saved'))
  },
  '/short': (req, res) => {
    req.session.cookie.maxAge = 300
    req.session.short = true
    res.end()
  },
  '/shorter': (req, res) => {
    req.session.cookie.maxAge = 200
    res.end()
  },
  '/forever': (req, res) => {
    req.session.cookie.expires = null
    req.session.forever = true
    res.end()
  },
  '/circular': (req, res) => {
    req.session.self = { req: req.session }
    res.end('answered')
  },
  '/stream': (req, res) => {
    req.session.streamed = true
    res.write('a')
    res.write('b')
    res.end('c')
  },
}

const opened = []
// Servers have so many connections and no more.
afterEach(() => Promise.all(opened.splice(0).map((store) => store.close())))

/** An application over a store; gives its agents and the store. */
async function start(framework, row, { options, store = new Store({ lottery: false, ...row.options(tempDir()) }) } = {}) {
  opened.push(store)
  const { kind, build } = frameworks[framework]
  const middleware = session({ secret: 'text', store, resave: false, saveUninitialized: false, name: 'sid', ...options })
  const listener = build([middleware], (req, res) => ROUTES[req.url](req, res))
  return { ...(await listen(listener, kind)), store }
}

/** Counts the calls of a store's methods from now on. */
function spy(store) {
  const calls = { get: 0, set: 0, touch: 0, destroy: 0 }
  for (const method of Object.keys(calls)) {
    const own = store[method]
    store[method] = function (...args) {
      calls[method] += 1
      return own.apply(this, args)
    }
  }
  return calls
}

const body = async (agent, target) => (await agent.request(target)).body

describe.each(CASES)('%s over %s', (framework, name, row) => {
  test('a visitor is counted, and each apart from the others', async () => {
    const app = await start(framework, row)
    const [one, other] = [app.agent(), app.agent()]
    expect([await body(one, '/visits'), await body(one, '/visits'), await body(one, '/visits')]).toEqual(['1', '2', '3'])
    expect(await body(other, '/visits')).toBe('1')
    expect(await body(one, '/visits')).toBe('4')
    expect(await app.store.length()).toBe(2)
  })

  test('without saveUninitialized a session that nothing was put into is neither stored nor sent', async () => {
    const app = await start(framework, row)
    const agent = app.agent()
    expect((await agent.request('/untouched')).setCookies).toEqual([])
    expect(await app.store.ids()).toEqual([])
    await agent.request('/visits')
    expect(await app.store.ids()).toHaveLength(1)
  })

  test('with saveUninitialized it is', async () => {
    const app = await start(framework, row, { options: { saveUninitialized: true } })
    expect((await app.agent().request('/untouched')).setCookies).toHaveLength(1)
    expect(await app.store.ids()).toHaveLength(1)
  })

  test('without resave a session that was only read is touched, not stored', async () => {
    const app = await start(framework, row, { options: { cookie: { maxAge: 60000 } } })
    const agent = app.agent()
    await agent.request('/visits')
    const calls = spy(app.store)
    const before = JSON.parse(await body(agent, '/look')).cookie.expires
    await until(async () => JSON.parse(await body(agent, '/look')).cookie.expires > before)
    expect([calls.set, calls.touch > 0]).toEqual([0, true])
    await agent.request('/visits')
    expect(calls.set).toBe(1)
  })

  test('with resave it is stored each time', async () => {
    const app = await start(framework, row, { options: { resave: true } })
    const agent = app.agent()
    await agent.request('/visits')
    const calls = spy(app.store)
    await agent.request('/look')
    expect([calls.set, calls.touch]).toEqual([1, 0])
  })

  test('regenerate gives another id, and the old one leads nowhere', async () => {
    const app = await start(framework, row)
    const agent = app.agent()
    await agent.request('/visits')
    const old = agent.twin()
    const [before, after] = (await body(agent, '/regenerate')).split(' ')
    expect(before).not.toBe(after)
    expect(await app.store.ids()).toEqual([after])
    expect(JSON.parse(await body(agent, '/look'))).toMatchObject({ after: 'yes' })
    expect(JSON.parse(await body(agent, '/look'))).not.toHaveProperty('visits')
    expect(await body(old, '/visits')).toBe('1')
  })

  test('destroy ends the session for good', async () => {
    const app = await start(framework, row)
    const agent = app.agent()
    await agent.request('/visits')
    expect(await body(agent, '/destroy')).toBe('undefined')
    expect(await app.store.ids()).toEqual([])
    expect(await body(agent, '/visits')).toBe('1')
  })

  test('reload gives what is stored, with the methods of a session; what is gone is an error', async () => {
    const app = await start(framework, row)
    const agent = app.agent()
    await agent.request('/visits')
    expect(await body(agent, '/reload')).toBe('1')
    expect(await body(agent, '/visits')).toBe('2')
    expect(await body(agent, '/reload-destroyed')).toBe('failed: failed to load session')
  })

  test('save stores at once', async () => {
    const app = await start(framework, row)
    const agent = app.agent()
    expect(await body(agent, '/save')).toBe('saved')
    expect(JSON.parse(await body(agent, '/look'))).toMatchObject({ visits: 'by hand' })
  })

  test('a cookie\'s maxAge ends the session', async () => {
    const app = await start(framework, row, { options: { cookie: { maxAge: 250 } } })
    const agent = app.agent()
    await agent.request('/visits')
    const old = agent.twin()
    await until(async () => (await app.store.ids()).length === 0)
    expect(await body(old, '/visits')).toBe('1')
  })

  test('with rolling each request prolongs the cookie and the session', async () => {
    const app = await start(framework, row, { options: { rolling: true, cookie: { maxAge: 60000 } } })
    const agent = app.agent()
    await agent.request('/visits')
    const [stored] = await app.store.all()
    await until(async () => {
      expect((await agent.request('/look')).setCookies).toHaveLength(1)
      return (await app.store.all())[0].cookie.expires > stored.cookie.expires
    })
  })

  test('a request may give its session another end: earlier, and none', async () => {
    const app = await start(framework, row, { options: { cookie: { maxAge: 3600000 } } })
    const [short, shorter, forever] = [app.agent(), app.agent(), app.agent()]
    for (const agent of [short, shorter, forever]) await agent.request('/visits')
    const ids = await app.store.ids()
    await short.request('/short')
    // A session that is otherwise unchanged is only touched.
    await shorter.request('/shorter')
    await forever.request('/forever')
    expect(ids).toHaveLength(3)
    await until(async () => (await app.store.ids()).length === 1)
    expect(JSON.parse(await body(forever, '/look'))).toMatchObject({ visits: 1, forever: true, cookie: { expires: null } })
  })

  test('an id of the application\'s own making is taken', async () => {
    let n = 0
    const app = await start(framework, row, { options: { genid: () => `user/${(n += 1)}:é` } })
    const agent = app.agent()
    await agent.request('/visits')
    expect(await body(agent, '/visits')).toBe('2')
    expect(await app.store.ids()).toEqual(['user/1:é'])
  })

  test('a response that is streamed is saved', async () => {
    const app = await start(framework, row)
    const agent = app.agent()
    expect(await body(agent, '/stream')).toBe('abc')
    expect(JSON.parse(await body(agent, '/look'))).toMatchObject({ streamed: true })
  })

  test('many visitors at once do not meet', async () => {
    const app = await start(framework, row)
    const counts = await Promise.all(Array.from({ length: 20 }, async () => {
      const agent = app.agent()
      await agent.request('/visits')
      return body(agent, '/visits')
    }))
    expect(counts).toEqual(Array(20).fill('2'))
    expect(await app.store.length()).toBe(20)
  })

  test('an error of the store reaches the application\'s error handler', async () => {
    const app = await start(framework, row)
    const agent = app.agent()
    await agent.request('/visits')
    const { get } = app.store
    app.store.get = (id, callback) => setImmediate(callback, new Error('the storage is down'))
    expect(await agent.request('/visits')).toMatchObject({ status: 500, body: 'failed' })
    app.store.get = get
    expect(await body(agent, '/visits')).toBe('2')
  })

  test('while the store is disconnected requests go on without a session', async () => {
    const app = await start(framework, row)
    await until(() => app.store.listenerCount('disconnect') > 0)
    const agent = app.agent()
    await agent.request('/visits')
    // The store's own word that it is connected may come a moment later than its first answer.
    await until(async () => {
      app.store.emit('disconnect')
      return (await agent.request('/look')).body === ''
    })
    app.store.emit('connect')
    expect(await body(agent, '/visits')).toBe('2')
  })
})
