'use strict'

/*
 * What travels and when: the cookie a request brings, the cookie a response takes away, and the life of a request, for
 * node-session 1.2.1 and this package alike (compat.md C1–C5, W1–W6, L1–L9).
 *
 * Every deliberate difference is listed, and tested, in compat.differences.spec.js. The tests sign with their own HMAC code.
 */

const { packages } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { MapHandler, useHandler } = require('./support/handlers')
const { SECRET, VECTOR, ID, sign, wire, idOf, freshId, parseSetCookie, attribute } = require('./support/cookies')

test('the tests\' own signing gives the documented vectors', () => {
  expect(`s:${sign(VECTOR.id)}`).toBe(VECTOR.signed)
  expect(wire(VECTOR.id)).toBe(VECTOR.wire)
  expect(sign('a', 'secret')).toBe('a.QEjESRGRYEP/YmiV/3jFJidkaFtsuaA84HiGqe/7kkw')
  expect(sign('a', 'clé')).toBe('a.Au+ZNBfVhNNsF3F2+Ezkx60tz8CGus4bud7jNNsvn9E')
})

describe.each(packages)('%s: the cookie a request brings', (name, pkg) => {
  const STORED = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
  let site

  beforeAll(async () => {
    site = await openFiles(pkg)
    site.plant(STORED, VECTOR.id)
  })

  /** The user that the session behind a Cookie header holds; undefined for a fresh session. */
  async function user(cookie) {
    return (await site.visit(site.agent(), (session) => session.get('user'), { cookie })).value
  }

  test.each([
    ['url-encoded, as it was sent', `node_session=${VECTOR.wire}`],
    ['raw', `node_session=${VECTOR.signed}`],
    ['quoted', `node_session="${VECTOR.wire}"`],
    ['partly encoded', `node_session=${VECTOR.signed.replace(':', '%3A')}`],
    ['with hexadecimal digits in lower case', `node_session=${VECTOR.wire.replace('%3A', '%3a')}`],
    ['among other cookies', `a=1; node_session=${VECTOR.wire}; b=2`],
    ['after a semicolon without a space', `a=1;node_session=${VECTOR.wire}`],
    ['with spaces around it', `a=1;  node_session = ${VECTOR.wire} ; b=2`],
    ['beside names that objects inherit', `__proto__=x; toString=y; node_session=${VECTOR.wire}`],
    ['beside a part without an equals sign', `junk; node_session=${VECTOR.wire}; ; =`],
    ['twice, the good one first', `node_session=${VECTOR.wire}; node_session=bad`],
    ['beside a value that does not decode', `bad=%E0%A4%A; node_session=${VECTOR.wire}`],
  ])('is accepted %s', async (what, cookie) => {
    expect(await user(cookie)).toBe('bob')
  })

  const last = VECTOR.wire.slice(-1) === 'A' ? 'B' : 'A'
  test.each([
    ['without a signature', `node_session=${VECTOR.id}`],
    ['with s: and no signature', `node_session=s%3A${VECTOR.id}`],
    ['without s:', `node_session=${encodeURIComponent(sign(VECTOR.id))}`],
    ['with another last character of the signature', `node_session=${VECTOR.wire.slice(0, -1)}${last}`],
    ['with a padded signature', `node_session=${VECTOR.wire}%3D`],
    ['with something after the signature', `node_session=${VECTOR.wire}x`],
    ['with a shortened signature', `node_session=${VECTOR.wire.slice(0, -2)}`],
    ['with an empty signature', `node_session=s%3A${VECTOR.id}.`],
    ['signed with another secret', `node_session=${wire(VECTOR.id, 'another')}`],
    ['with its name in another case', `Node_Session=${VECTOR.wire}`],
    ['after a comma', `a=1, node_session=${VECTOR.wire}`],
    ['as a traversal with a good signature', `node_session=${wire(`../sessions/${VECTOR.id}`)}`],
    ['as another text with a good signature', `node_session=${wire(`${VECTOR.id}x`)}`],
    ['with a line feed in the signed id', `node_session=${wire(`${VECTOR.id}\n`)}`],
    ['encoded twice', `node_session=${encodeURIComponent(VECTOR.wire)}`],
    ['as a signed JSON text', `node_session=${encodeURIComponent(`s:${sign(`j:"${VECTOR.id}"`)}`)}`],
    ['empty', 'node_session='],
  ])('is no cookie %s', async (what, cookie) => {
    expect(await user(cookie)).toBeUndefined()
  })

  test('is signed again with the secret in UTF-8', async () => {
    const other = await open(pkg, { secret: 'clé-日本' })
    const agent = other.agent()
    await other.visit(agent, (session) => session.put('user', 'eve'))
    expect(idOf(agent.cookie(), 'clé-日本')).toMatch(ID)
    expect((await other.visit(agent, (session) => session.get('user'))).value).toBe('eve')
  })

  test('is taken from signedCookies when a cookie parser has left a valid id there', async () => {
    const parsed = await openFiles(pkg, {}, { before: (req) => { req.signedCookies = { node_session: VECTOR.id } } })
    parsed.plant(STORED, VECTOR.id)
    const other = parsed.plant('{"_token":"T","user":"eve","flash":{"old":[],"new":[]}}')
    expect((await parsed.visit(other, (session) => session.get('user'))).value).toBe('bob')
  })

  test('is asked for by getSession, which gives a session that is not started', async () => {
    const seen = await new Promise((resolve) => {
      site.nodeSession.getSession({ headers: { cookie: `node_session=${VECTOR.wire}` } }, (session) => {
        const before = { id: session.getId(), user: session.get('user') }
        session.start(() => resolve([before, session.get('user')]))
      })
    })
    expect(seen).toEqual([{ id: VECTOR.id, user: undefined }, 'bob'])
  })
})

describe.each(packages)('%s: the cookie a response takes away', (name, pkg) => {
  /** The attributes of the one session cookie of a first visit, the value and a date made comparable. */
  async function attributesOf(config, { headers, kind } = {}) {
    const site = await open(pkg, config, { kind })
    const start = Math.floor(Date.now() / 1000)
    const { setCookies } = await site.visit(site.agent(), () => {}, { headers })
    return setCookies.map((header) => {
      const cookie = parseSetCookie(header)
      expect(idOf(cookie.value)).toMatch(ID)
      return [cookie.name, ...cookie.attributes.map(([key, value]) => {
        if (key !== 'Expires') return value === true ? key : `${key}=${value}`
        expect(new Date(value).toUTCString()).toBe(value)
        const seconds = Date.parse(value) / 1000 - start
        return `Expires in ${Math.round(seconds / 10) * 10}`
      })].join('; ')
    })
  }

  const forwarded = { 'x-forwarded-proto': 'https' }
  test.each([
    ['by default', {}, {}, 'node_session; Max-Age=300; Path=/; Expires in 300; HttpOnly'],
    ['with expireOnClose', { expireOnClose: true }, {}, 'node_session; Path=/; HttpOnly'],
    ['with lifetime 0', { lifetime: 0 }, {}, 'node_session; Path=/; HttpOnly'],
    ['with a day\'s lifetime', { lifetime: 86400000 }, {}, 'node_session; Max-Age=86400; Path=/; Expires in 86400; HttpOnly'],
    ['with domain and path and for scripts', { domain: '.example.com', path: '/app', httpOnly: false }, {},
      'node_session; Max-Age=300; Domain=.example.com; Path=/app; Expires in 300'],
    ['with path null', { path: null }, {}, 'node_session; Max-Age=300; Path=/; Expires in 300; HttpOnly'],
    ['with an empty path', { path: '' }, {}, 'node_session; Max-Age=300; Expires in 300; HttpOnly'],
    ['with an empty domain', { domain: '' }, {}, 'node_session; Max-Age=300; Path=/; Expires in 300; HttpOnly'],
    ['with another name', { cookie: 'sid' }, {}, 'sid; Max-Age=300; Path=/; Expires in 300; HttpOnly'],
    ['when secure, over TLS', { secure: true }, { kind: 'https' },
      'node_session; Max-Age=300; Path=/; Expires in 300; HttpOnly; Secure'],
    ['when secure, behind a trusted proxy', { secure: true, trustProxy: true }, { headers: forwarded },
      'node_session; Max-Age=300; Path=/; Expires in 300; HttpOnly; Secure'],
  ])('is spelled as documented %s', async (what, config, request, expected) => {
    expect(await attributesOf(config, request)).toEqual([expected])
  })

  const https = 'https'
  test.each([
    ['over http', {}, undefined, false],
    ['when nobody is trusted', {}, https, false],
    ['when every proxy is trusted', { trustProxy: true }, https, true],
    ['when one hop is trusted', { trustProxy: 1 }, https, true],
    ['when no hop is trusted', { trustProxy: 0 }, https, false],
    ['when the named range holds the peer', { trustProxy: 'loopback' }, https, true],
    ['when the named range does not hold the peer', { trustProxy: 'linklocal' }, https, false],
    ['when a list holds the peer', { trustProxy: '10.0.0.0/8, 127.0.0.0/8' }, https, true],
    ['when an array holds the peer', { trustProxy: ['10.0.0.0/8', '127.0.0.1'] }, https, true],
    ['when a netmask holds the peer', { trustProxy: '127.0.0.0/255.0.0.0' }, https, true],
    ['when a network does not hold the peer', { trustProxy: '10.0.0.0/8' }, https, false],
    ['when a function trusts the peer', { trustProxy: (address) => address.includes('127.0.0.1') }, https, true],
    ['when a function distrusts the peer', { trustProxy: () => false }, https, false],
    ['when trustProxyFn trusts the peer', { trustProxy: '10.0.0.0/8', trustProxyFn: () => true }, https, true],
    ['when trustProxyFn stands alone', { trustProxyFn: () => true }, https, false],
    ['with upper case and spaces', { trustProxy: true }, ' HTTPS ', true],
    ['with https first in a list', { trustProxy: true }, 'https, http', true],
    ['with http first in a list', { trustProxy: true }, 'http, https', false],
    ['with an empty header', { trustProxy: true }, '', false],
  ])('is held back on an insecure connection when secure: %s', async (what, config, proto, sent) => {
    const site = await openFiles(pkg, { secure: true, ...config })
    const headers = proto === undefined ? {} : { 'x-forwarded-proto': proto }
    const { setCookies } = await site.visit(site.agent(), (session) => session.put('a', 1), { headers })
    expect(setCookies).toHaveLength(sent ? 1 : 0)
    expect(site.names()).toHaveLength(1)
  })

  test('comes with every response, changed session or not, whatever the method and status', async () => {
    const site = await open(pkg)
    const agent = site.agent()
    const seen = []
    const count = ({ setCookies, status }) => seen.push([status, setCookies.length])
    count(await site.visit(agent))
    count(await site.visit(agent))
    count(await site.visit(agent, undefined, { method: 'HEAD' }))
    count(await site.visit(agent, (session, req, res) => { res.statusCode = 204 }))
    count(await site.visit(agent, (session, req, res) => { res.statusCode = 304 }))
    count(await site.visit(agent, (session, req, res) => { res.writeHead(302, { location: '/' }) }))
    count(await site.visit(agent, (session, req, res) => { res.statusCode = 500 }))
    expect(seen).toEqual([[200, 1], [200, 1], [200, 1], [204, 1], [304, 1], [302, 1], [500, 1]])
  })

  test('is alone: no Vary, no Cache-Control', async () => {
    const site = await open(pkg)
    const { headers } = await site.visit(site.agent())
    expect(Object.keys(headers).sort()).toEqual(['connection', 'content-length', 'date', 'set-cookie'])
  })

  test('comes after the application\'s own cookies, under a name in lower case', async () => {
    const site = await open(pkg)
    const names = ({ setCookies }) => setCookies.map((header) => header.split('=')[0])
    const one = await site.visit(site.agent(), (session, req, res) => { res.setHeader('Set-Cookie', 'a=1') })
    const two = await site.visit(site.agent(), (session, req, res) => { res.setHeader('Set-Cookie', ['a=1', 'b=2']) })
    const head = await site.visit(site.agent(), (session, req, res) => { res.writeHead(200, { 'Set-Cookie': 'c=3' }) })
    expect([names(one), names(two), names(head)]).toEqual([['a', 'node_session'], ['a', 'b', 'node_session'], ['c', 'node_session']])
    const plain = await site.visit(site.agent())
    expect(plain.rawHeaders).toContain('set-cookie')
  })

  test('carries the id at the moment the headers leave', async () => {
    const site = await open(pkg)
    const early = await site.visit(site.agent(), (session) => {
      session.regenerate()
      return session.getId()
    })
    expect(idOf(parseSetCookie(early.setCookies[0]).value)).toBe(early.value)
  })

  test('keeps its id from request to request', async () => {
    const site = await open(pkg)
    const agent = site.agent()
    const ids = []
    for (let i = 0; i < 3; i += 1) ids.push((await site.visit(agent, (session) => session.getId())).value)
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toBe(site.id(agent))
  })

  test('has the same lifetime in Max-Age and Expires', async () => {
    const site = await open(pkg, { lifetime: 60000 })
    const { setCookies, headers } = await site.visit(site.agent())
    const expires = Date.parse(attribute(setCookies[0], 'Expires')) - Date.parse(headers.date)
    expect(attribute(setCookies[0], 'Max-Age')).toBe('60')
    expect(expires).toBeGreaterThanOrEqual(59000)
    expect(expires).toBeLessThanOrEqual(61000)
  })
})

describe.each(packages)('%s: the life of a request', (name, pkg) => {
  test('startSession calls back without arguments, and returns nothing', async () => {
    const site = await open(pkg)
    let returned = 'unset'
    const { nodeSession } = site
    const start = nodeSession.startSession.bind(nodeSession)
    nodeSession.startSession = (...args) => { returned = start(...args) }
    const { started } = await site.visit(site.agent())
    expect([started, returned]).toEqual([[], undefined])
  })

  test.each([['memory', true], ['file', false]])('the %s driver calls back inside startSession: %s', async (driver, inside) => {
    const site = await open(pkg, { driver })
    const { nodeSession } = site
    const start = nodeSession.startSession.bind(nodeSession)
    let returned = false
    nodeSession.startSession = (...args) => {
      start(...args)
      returned = true
    }
    const { value } = await site.visit(site.agent(), () => !returned)
    expect(value).toBe(inside)
  })

  test.each(['memory', 'file'])('req.session is there before the %s driver has loaded', async (driver) => {
    const site = await open(pkg, { driver })
    const { nodeSession } = site
    const start = nodeSession.startSession.bind(nodeSession)
    const seen = []
    nodeSession.startSession = (req, ...rest) => {
      start(req, ...rest)
      seen.push(ID.test(req.session.getId()))
    }
    await site.visit(site.agent())
    expect(seen).toEqual([true])
  })

  test.each(['file', 'custom'])('what is put before the %s driver\'s load is kept where nothing is stored', async (driver) => {
    const site = await open(pkg, { driver })
    const stored = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
    const agent = site.plant(stored)
    const handler = new MapHandler()
    handler.map.set(site.id(agent), stored)
    useHandler(site, () => handler)
    const { nodeSession } = site
    const start = nodeSession.startSession.bind(nodeSession)
    nodeSession.startSession = (req, ...rest) => {
      start(req, ...rest)
      req.session.put('user', 'early')
      req.session.put('page', 'early')
    }
    const { value } = await site.visit(agent, (session) => [session.get('user'), session.get('page')])
    expect(value).toEqual(['bob', 'early'])
    const text = driver === 'file' ? site.stored(agent) : handler.map.get(site.id(agent))
    expect(JSON.parse(text)).toMatchObject({ user: 'bob', page: 'early' })
  })

  test('the response is held until the session is saved', async () => {
    const site = await open(pkg, { driver: 'custom' })
    const events = []
    const handler = new MapHandler()
    handler.write = (id, text, callback) => {
      setImmediate(() => {
        events.push('saved')
        callback()
      })
    }
    useHandler(site, () => handler)
    const { body } = await site.visit(site.agent(), (session, req, res) => {
      res.on('prefinish', () => events.push('ended'))
      session.put('user', 'bob')
      res.end('held')
      events.push(res.writableEnded)
    }, { ends: true })
    expect([body, events]).toEqual(['held', [false, 'saved', 'ended']])
  })

  test('end passes on its chunk, encoding and callback', async () => {
    const site = await openFiles(pkg)
    const calls = []
    const hex = await site.visit(site.agent(), (session, req, res) => {
      res.end('6869', 'hex', () => calls.push('three'))
    }, { ends: true })
    const chunk = await site.visit(site.agent(), (session, req, res) => {
      res.end('two', () => calls.push('two'))
    }, { ends: true })
    const only = await site.visit(site.agent(), (session, req, res) => {
      res.end(() => calls.push('one'))
    }, { ends: true })
    expect([hex.body, chunk.body, only.body]).toEqual(['hi', 'two', ''])
    await site.visit(site.agent())
    expect(calls).toEqual(['three', 'two', 'one'])
  })

  test('write before end is sent, in order', async () => {
    const site = await openFiles(pkg)
    const agent = site.agent()
    const { body, setCookies } = await site.visit(agent, (session, req, res) => {
      res.write('a')
      res.write('b')
      session.put('late', true)
      res.end('c')
    }, { ends: true })
    expect([body, setCookies.length]).toEqual(['abc', 1])
    expect(JSON.parse(site.stored(agent)).late).toBe(true)
  })

  test('a second end changes nothing', async () => {
    const site = await openFiles(pkg)
    const { body } = await site.visit(site.agent(), (session, req, res) => {
      res.end('first')
      res.end('second')
    }, { ends: true })
    expect(body).toBe('first')
  })

  test('a session is saved though the client has gone, if the response is ended', async () => {
    const site = await openFiles(pkg)
    const id = freshId()
    const agent = site.plant('{"_token":"T","flash":{"old":[],"new":[]}}', id)
    let saved
    const done = new Promise((resolve) => { saved = resolve })
    await site.visit(agent, async (session, req, res) => {
      session.put('gone', true)
      const closed = new Promise((resolve) => { res.on('close', resolve) })
      req.socket.destroy()
      await closed
      const { save } = session
      session.save = function (callback) {
        return save.call(this, (error) => {
          callback(error)
          saved()
        })
      }
      res.end('nobody reads this')
    }, { ends: true }).catch(() => {})
    await done
    expect(JSON.parse(site.stored(id)).gone).toBe(true)
  })

  test('a session is not saved when the response is destroyed instead of ended', async () => {
    const site = await openFiles(pkg)
    const agent = site.plant('{"_token":"T","flash":{"old":[],"new":[]}}')
    const before = site.stored(agent)
    await site.visit(agent, (session, req, res) => {
      session.put('lost', true)
      res.destroy()
    }, { ends: true }).catch(() => {})
    await site.visit(site.agent())
    expect(site.stored(agent)).toBe(before)
  })

  test('res.end saves through req.session.save, which an application may replace', async () => {
    const site = await open(pkg)
    const calls = []
    await site.visit(site.agent(), (session) => {
      const { save } = session
      session.save = function (callback) {
        calls.push(this === session)
        return save.call(this, callback)
      }
    })
    expect(calls).toEqual([true])
  })

  test('save by hand calls back, and what is stored is there for others at once', async () => {
    const site = await openFiles(pkg)
    const agent = site.agent()
    await site.visit(agent)
    const { value } = await site.visit(agent, async (session) => {
      session.put('user', 'bob')
      await new Promise((resolve, reject) => { session.save((error) => (error ? reject(error) : resolve())) })
      return (await site.visit(agent.twin(), (other) => other.get('user'))).value
    })
    expect(value).toBe('bob')
  })

  test('the private __setCookie writes numbers and objects too', async () => {
    const site = await open(pkg)
    const { setCookies } = await site.visit(site.agent(), (session, req, res) => {
      site.nodeSession.__setCookie(req, res, 'n', 5, { signed: false })
      site.nodeSession.__setCookie(req, res, 'o', { a: 1 }, { signed: true, path: '/x', maxAge: 1000, httpOnly: true })
    })
    expect(setCookies[0]).toBe('n=5; Path=/')
    expect(setCookies[1].split('; Expires')[0]).toBe(`o=${encodeURIComponent(`s:${sign('j:{"a":1}', SECRET)}`)}; Max-Age=1; Path=/x`)
    expect(setCookies).toHaveLength(3)
  })
})
