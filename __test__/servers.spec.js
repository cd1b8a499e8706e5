'use strict'

/*
 * Sessions in real servers: Express 4 and 5, Connect, http, https and HTTP/2, on the memory and the file driver, with every way
 * an application may write its response. What both packages can do is asked of both.
 */

const http = require('http')
const path = require('path')
const zlib = require('zlib')
const { Readable } = require('stream')

const compression = require('compression')

const { packages, ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { listen, openFiles } = require('./support/servers')
const { frameworks, express4, express5 } = require('./support/frameworks')
const { until } = require('./support/waiting')
const { SECRET } = require('./support/cookies')

const HEADER_ARRAY = Object.freeze(['X-One', '1', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])

/** What the application answers, by path; each answer is written with Node's own methods. */
const ROUTES = {
  '/visits': (req, res) => res.end(String(req.session.get('visits'))),
  '/flash': (req, res) => {
    req.session.flash('msg', 'hello')
    res.end()
  },
  '/msg': (req, res) => res.end(String(req.session.get('msg', 'none'))),
  '/redirect': (req, res) => {
    res.writeHead(302, { Location: '/visits' })
    res.end()
  },
  '/no-content': (req, res) => {
    res.statusCode = 204
    res.end()
  },
  '/not-modified': (req, res) => {
    res.statusCode = 304
    res.end()
  },
  '/stream': (req, res) => {
    res.write('a')
    setImmediate(() => {
      res.write('b')
      setImmediate(() => res.end('c'))
    })
  },
  '/pipe': (req, res) => Readable.from(['a', 'b', 'c']).pipe(res),
  '/write-then-end': (req, res) => {
    res.write('ab')
    res.end('c')
  },
  '/flush-headers': (req, res) => {
    res.flushHeaders()
    setImmediate(() => res.end('abc'))
  },
  '/head-object': (req, res) => {
    res.writeHead(200, { 'X-One': '1', 'Set-Cookie': ['a=1', 'b=2'] })
    res.end('abc')
  },
  '/head-array': (req, res) => {
    res.writeHead(200, HEADER_ARRAY)
    res.end('abc')
  },
  '/append': (req, res) => {
    res.setHeader('Set-Cookie', 'a=1')
    res.appendHeader('Set-Cookie', 'b=2')
    res.end('abc')
  },
  '/set-cookies': (req, res) => {
    res.setHeader('Set-Cookie', ['a=1', 'b=2'])
    res.end('abc')
  },
  '/length': (req, res) => {
    res.setHeader('Content-Length', 3)
    res.end('abc')
  },
  '/buffer': (req, res) => res.end(Buffer.from('abc')),
  '/throw': () => {
    throw new Error('the handler failed')
  },
  '/long': (req, res) => {
    res.setHeader('Content-Type', 'text/plain')
    res.end('long '.repeat(1000))
  },
}

function answer(req, res) {
  req.session.put('visits', req.session.get('visits', 0) + 1)
  ROUTES[req.url.split('?')[0]](req, res)
}

/** Starts the application on a framework; `around` places other middlewares before and after the session's. */
function start(pkg, framework, config, { before = [], after = [] } = {}) {
  const nodeSession = pkg.create({ secret: SECRET, files: path.join(tempDir(), 'sessions'), ...config })
  const session = (req, res, next) => nodeSession.startSession(req, res, next)
  const { kind, build } = frameworks[framework]
  return listen(build([...before, session, ...after], answer), kind)
}

const cookieNames = ({ setCookies }) => setCookies.map((header) => header.split('=')[0])

describe.each(packages)('%s', (name, pkg) => {
  describe.each(Object.keys(frameworks))('on %s', (framework) => {
    describe.each(['memory', 'file'])('with the %s driver', (driver) => {
      let host
      let agent

      beforeAll(async () => {
        host = await start(pkg, framework, { driver })
      })
      beforeEach(() => {
        agent = host.agent()
      })

      test('a visitor is counted', async () => {
        const bodies = []
        for (let i = 0; i < 3; i += 1) bodies.push((await agent.request('/visits')).body)
        expect(bodies).toEqual(['1', '2', '3'])
        expect((await host.agent().request('/visits')).body).toBe('1')
      })

      test('a flash message is seen once', async () => {
        const bodies = []
        for (const target of ['/flash', '/msg', '/msg']) bodies.push((await agent.request(target)).body)
        expect(bodies).toEqual(['', 'hello', 'none'])
      })

      const plain = ['/visits', '/redirect', '/stream', '/pipe', '/write-then-end', '/flush-headers', '/length', '/buffer', '/no-content',
        '/not-modified']
      test.each(plain)('%s carries one session cookie and is saved', async (target) => {
        expect(cookieNames(await agent.request(target))).toEqual(['node_session'])
        expect(cookieNames(await agent.request(target))).toEqual(['node_session'])
        expect((await agent.request('/visits')).body).toBe('3')
      })

      test.each(['/stream', '/pipe', '/write-then-end', '/flush-headers', '/length', '/buffer'])('%s arrives whole', async (target) => {
        expect((await agent.request(target)).body).toBe('abc')
      })

      const taken = ['/head-object', '/append', '/set-cookies']
      const arrays = framework.startsWith('HTTP/2') ? taken : [...taken, '/head-array']
      test.each(arrays)('%s keeps the application\'s own cookies', async (target) => {
        for (let i = 0; i < 2; i += 1) {
          const response = await agent.request(target)
          expect(cookieNames(response)).toEqual(['a', 'b', 'node_session'])
          expect(response.body).toBe('abc')
        }
        expect(HEADER_ARRAY).toHaveLength(6)
        expect((await agent.request('/visits')).body).toBe('3')
      })

      test('HEAD is answered without a body, and is saved', async () => {
        const response = await agent.request('/visits', { method: 'HEAD' })
        expect([response.status, response.body, cookieNames(response)]).toEqual([200, '', ['node_session']])
        expect((await agent.request('/visits')).body).toBe('2')
      })

      test('an error of the handler is answered, and the session is saved', async () => {
        const response = await agent.request('/throw')
        expect([response.status, response.body, cookieNames(response)]).toEqual([500, 'failed', ['node_session']])
        expect((await agent.request('/visits')).body).toBe('2')
      })

      test('what a response has saved is there for another client at once', async () => {
        for (let i = 1; i <= 5; i += 1) {
          await agent.request('/visits')
          agent = agent.twin()
        }
        expect((await agent.request('/visits')).body).toBe('6')
      })

      test('many visitors at once do not meet', async () => {
        const bodies = await Promise.all(Array.from({ length: 20 }, async () => {
          const visitor = host.agent()
          await visitor.request('/visits')
          return (await visitor.request('/visits')).body
        }))
        expect(bodies).toEqual(Array(20).fill('2'))
      })
    })
  })

  describe.each(['Express 4', 'Express 5', 'Connect', 'http'])('on %s with compression', (framework) => {
    const shrinking = compression({ threshold: 0 })
    test.each([['before', { before: [shrinking] }], ['after', { after: [shrinking] }]])('%s the session', async (place, around) => {
      const host = await start(pkg, framework, { driver: 'file' }, around)
      const agent = host.agent()
      const headers = { 'accept-encoding': 'gzip' }
      for (let i = 0; i < 2; i += 1) {
        const response = await agent.request('/long', { headers })
        expect(zlib.gunzipSync(response.bytes).toString()).toBe('long '.repeat(1000))
        expect(cookieNames(response)).toEqual(['node_session'])
      }
      expect((await agent.request('/visits')).body).toBe('3')
    })
  })

  test('keep-alive: many requests on one connection', async () => {
    const host = await start(pkg, 'http', { driver: 'file' })
    let connections = 0
    host.server.on('connection', () => { connections += 1 })
    const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const agent = host.agent({ keepAlive })
    for (let i = 1; i <= 10; i += 1) expect((await agent.request('/visits')).body).toBe(String(i))
    keepAlive.destroy()
    expect(connections).toBe(1)
  })

  describe.each([['Express 4', express4], ['Express 5', express5]])('%s\'s own methods', (framework, express) => {
    const methods = {
      send: (req, res) => res.send('text'),
      json: (req, res) => res.json({ a: 1 }),
      redirect: (req, res) => res.redirect('/elsewhere'),
      sendStatus: (req, res) => res.sendStatus(404),
      cookie: (req, res) => res.cookie('a', '1').end(),
      status: (req, res) => res.status(201).end('made'),
    }
    // A body that reaches its Content-Length before `end` is outside what a held response can do: such a route saves first.
    // The original's two saves of such a request race with the next request.
    if (pkg === ours) methods.sendFile = (req, res) => req.session.save(() => res.sendFile(__filename))
    test.each(Object.entries(methods))('res.%s goes out with the session saved', async (method, respond) => {
      const nodeSession = pkg.create({ secret: SECRET, driver: 'file', files: path.join(tempDir(), 's') })
      const app = express()
      app.use((req, res, next) => nodeSession.startSession(req, res, next))
      app.get('/', (req, res) => {
        req.session.push('methods', method)
        respond(req, res)
      })
      app.get('/read', (req, res) => res.json(req.session.get('methods')))
      const agent = (await listen(app)).agent()
      expect(cookieNames(await agent.request('/')).filter((cookie) => cookie === 'node_session')).toHaveLength(1)
      await agent.request('/')
      expect(JSON.parse((await agent.request('/read')).body)).toEqual([method, method])
    })
  })
})

describeOurs('this package alone', () => {
  test('early hints leave the session cookie to the real head', async () => {
    const site = await openFiles(ours)
    const { setCookies, value } = await site.visit(site.agent(), async (session, req, res) => {
      await new Promise((resolve) => { res.writeEarlyHints({ link: '</style.css>; rel=preload' }, resolve) })
      session.put('a', 1)
      return res.headersSent
    })
    expect([setCookies.length, value]).toEqual([1, false])
  })

  test('a client that leaves before the end harms nobody, and nothing is saved without an end', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('n', 1))
    for (let i = 0; i < 10; i += 1) {
      let closed = false
      await site.visit(agent, (session, req, res) => {
        res.on('close', () => { closed = true })
        session.put('n', 2)
        res.write('part')
        req.socket.destroy()
      }, { ends: true }).catch(() => {})
      await until(() => closed)
    }
    expect((await site.visit(agent, (session) => session.get('n'))).value).toBe(1)
    expect(site.errors).toEqual([])
  })

  test('a client that leaves while the session is saved does not stop the save', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('n', 1))
    await site.visit(agent, (session, req, res) => {
      session.put('n', 2)
      res.end('unread')
      req.socket.destroy()
    }, { ends: true }).catch(() => {})
    await until(() => JSON.parse(site.stored(agent)).n === 2)
    expect(site.errors).toEqual([])
  })

  test('every callback of end runs, also of the second', async () => {
    const site = await openFiles(ours)
    const called = []
    await site.visit(site.agent(), (session, req, res) => {
      res.end('a', () => called.push('first'))
      res.end(() => called.push('second'))
    }, { ends: true })
    await until(() => called.length === 2)
    expect(called.sort()).toEqual(['first', 'second'])
  })

  test('the events of a response come as without a session', async () => {
    const site = await openFiles(ours)
    const events = []
    await site.visit(site.agent(), (session, req, res) => {
      for (const event of ['prefinish', 'finish', 'close']) res.on(event, () => events.push(event))
    })
    await until(() => events.includes('close'))
    expect(events).toEqual(['prefinish', 'finish', 'close'])
  })
})
