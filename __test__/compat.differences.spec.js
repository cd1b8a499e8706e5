'use strict'

/*
 * Every deliberate difference from node-session 1.2.1, and what this package does instead. All else is kept, and compared in
 * compat.store, compat.http, compat.storage and property. Letters and numbers are those of compat.md and requirements.md.
 *
 * Keys and attributes
 *   B1, 26     a key is never code, and inherited names are not attributes: `has('toString')` is false
 *   B2         any text is a key (`my-key`, `a b`, `1`, the empty one); a number is a segment: `get('tags.0')`
 *   B3         `__proto__`, `constructor`, `prototype` are ordinary inert keys                            faults.keys.spec.js
 *   B7         overlapping requests lose nothing: changes are applied to what is stored by then         concurrency/
 *   B8         a destroyed session stays destroyed, however many slower requests still use it           logout.spec.js
 *   B18        flash data under a dotted key expires
 *   B19        a `flash` attribute that the application wrote never breaks a request
 *   B20        `pull` and `forget` take paths, `pull` gives and removes falsy values, `forget` takes several keys or an array
 *   B21        `put` takes objects without a prototype, and with a member `hasOwnProperty`
 *   B36        flash data ages once a request, not at every `save()`
 *   L3, S17    a stored value wins over what was put before the load, as a whole top-level key
 *   S3         `save()` without a callback gives a promise; so does `startSession`
 *   B22        `regenerate(callback)` calls back, when the session is saved under its new id          logout.spec.js
 *   B32        `invalidate()` and `destroy()` log out, and take the cookie away                       logout.spec.js
 *   B33        `EncryptedStore` uses the id it is given
 *   P3         the constructor called without `new` leaves no globals behind
 *   33         a request that changed nothing writes no payload
 *   H1         NodeSession is an EventEmitter: `'error'`, `'corrupt'`; a handler may call back an Error from `read`
 * Cookies
 *   C5, 3      a signed id that nothing is stored under gives a fresh id
 *   C4, 21     of several cookies of our name the first valid one counts
 *   B13        a cookie parser without our secret does not hide the cookie
 *   B24, 16    one session cookie per response; a second `startSession` is the first
 *   B25        `lifetime` as a numeric text works, and Max-Age is whole seconds
 *   B26        a forwarded `http` does not make a TLS connection insecure
 *   B34, B35   `secret` may be a Buffer, or an array: the first signs, all verify
 *   14         cookie names, paths and domains that could inject a header are refused                faults.options.spec.js
 * The response
 *   B6         `end` before the load is over waits for it
 *   B14, L6    a save error never throws: the response is delivered, `'error'` tells                 faults.storage.spec.js
 *   B15        a response can always be ended, whatever was in the session                           faults.values.spec.js
 *   B16, 62    a read error reaches startSession's callback, and the session is detached             faults.storage.spec.js
 *   B23        `res.end` gives `res`
 *   L4         what is written after `end` is not sent, and `headersSent` is true from `end` on
 *   L7         `regenerate` after the headers have left keeps the id and gives false
 *   M          an unknown driver is reported to the callback instead of thrown
 * Storage
 *   B4, B11    files are replaced whole, with mode 0600 in a folder 0700
 *   B5, H6     what is no session's text gives a fresh id, stays as it is, and is told by `'corrupt'` faults.storage.spec.js
 *   B9, 40     an idle session does not load, swept or not                                           faults.storage.spec.js
 *   B10        `encrypt: true` seals with AES-256-GCM; the original's texts are read             continuity.spec.js
 *   B12, 44    the sweep takes only files named like sessions, by the time they were last written
 *   B17, B30, B31  the database is SQLite built in: no adapter, whole milliseconds, a bad row is a corrupt record
 *   H2         a handler takes nothing but a session id as a name
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { MapHandler, useHandler } = require('./support/handlers')
const { until } = require('./support/waiting')
const { SECRET, ID, freshId, wire, idOf, parseSetCookie, attribute } = require('./support/cookies')

const EMPTY = '"flash":{"old":[],"new":[]}'

describeOurs('attributes', () => {
  let site

  beforeAll(async () => {
    site = await openFiles(ours)
  })

  const visit = async (script, agent = site.agent()) => (await site.visit(agent, script)).value

  test('B1: keys that were code are plain text', async () => {
    expect(await visit((session) => {
      session.put('a', 1)
      session.put('b', 2)
      return [session.get('a=999'), session.get('a-b'), session.get('a+b'), session.get('a,b'), session.get('a'), session.has('a||b')]
    })).toEqual([undefined, undefined, undefined, undefined, 1, false])
  })

  test.each(['toString', 'constructor', 'hasOwnProperty', '__proto__', 'valueOf', 'a.toString', 'a.constructor.name', 'list.map'])(
    'B1: the inherited name %s is not an attribute', async (key) => {
      expect(await visit((session) => {
        session.put({ a: {}, list: [] })
        return [session.get(key), session.has(key), session.pull(key), session.get(key, 'default')]
      })).toEqual([undefined, false, null, 'default'])
    })

  test.each(['my-key', 'a b', '1', 'user-name', '', '😀', 'a;b', 'a=b', "it's", 'a"b', '/', '-', 'new line\n', '(', 'if'])(
    'B2: %j is a key for every method', async (key) => {
      const agent = site.agent()
      await visit((session) => {
        session.put(key, 'put')
        session.put({ [key]: 'object' })
        session.set(key, ['set'])
        session.push(key, 'pushed')
      }, agent)
      expect(await visit((session) => [session.get(key), session.has(key), session.all()[key]], agent))
        .toEqual([['set', 'pushed'], true, ['set', 'pushed']])
      expect(await visit((session) => [session.pull(key), session.has(key)], agent)).toEqual([['set', 'pushed'], false])
      expect(await visit((session) => { session.flash(key, 1); return session.get(key) }, agent)).toBe(1)
      expect(await visit((session) => session.get(key), agent)).toBe(1)
      expect(await visit((session) => session.has(key), agent)).toBe(false)
    })

  test('B2: a number between dots is a segment', async () => {
    expect(await visit((session) => {
      session.put('tags', ['a', 'b'])
      session.set('tags.1', 'B')
      session.put('user.1', 'one')
      return [session.get('tags.0'), session.get('tags.1'), session.get('user.1'), session.get('user[1]')]
    })).toEqual(['a', 'B', 'one', 'one'])
  })

  test('B2: put with a number as a key', async () => {
    expect(await visit((session) => { session.put(5, 'five'); return session.get(5) })).toBe('five')
  })

  test('B18: flash data under a dotted key expires', async () => {
    const agent = site.agent()
    await visit((session) => session.flash('user.msg', 'hi'), agent)
    expect(await visit((session) => session.get('user.msg'), agent)).toBe('hi')
    expect(await visit((session) => session.has('user.msg'), agent)).toBe(false)
  })

  test.each([null, 5, 'text', [], { old: 'abc' }, { new: null, old: [1, null, {}] }, { old: { length: 2 } }])(
    'B19: an attribute flash of %j harms no request', async (flash) => {
      const agent = site.agent()
      await visit((session) => session.put({ flash, hasOwnProperty: 1, kept: true }), agent)
      await visit((session) => session.flash('msg', 'hi'), agent)
      expect(await visit((session) => [session.get('msg'), session.get('kept')], agent)).toEqual(['hi', true])
      expect(await visit((session) => session.has('msg'), agent)).toBe(false)
    })

  test('B20: pull follows paths, and gives and removes falsy values', async () => {
    expect(await visit((session) => {
      session.put({ 'a.b': 1, zero: 0, no: false, text: '', nil: null })
      const pulled = ['a.b', 'zero', 'no', 'text'].map((key) => session.pull(key, 'default'))
      return [...pulled, session.get('a'), session.has('zero'), session.has('no'), session.has('text'), session.pull('zero', 9)]
    })).toEqual([1, 0, false, '', {}, false, false, false, 9])
  })

  test('B20: forget follows paths, and takes several keys or an array of them', async () => {
    expect(await visit((session) => {
      session.put({ a: { b: 1, c: 2 }, d: 1, e: 2, f: 3, g: 4 })
      session.forget('a.b')
      session.forget('d', 'e')
      session.forget(['f', 'never.there'])
      return [session.get('a'), session.has('d'), session.has('e'), session.has('f'), session.get('g')]
    })).toEqual([{ c: 2 }, false, false, false, 4])
  })

  test('B21: put takes objects without a prototype, and with a member hasOwnProperty', async () => {
    expect(await visit((session) => {
      session.put(Object.assign(Object.create(null), { a: 1 }))
      session.put({ hasOwnProperty: 2, b: 3 })
      return [session.get('a'), session.get('hasOwnProperty'), session.get('b')]
    })).toEqual([1, 2, 3])
  })

  test('B36: flash data ages once a request, however often it is saved', async () => {
    const agent = site.agent()
    await visit(async (session) => {
      session.flash('msg', 'hi')
      await session.save()
      await session.save()
    }, agent)
    expect(await visit((session) => session.get('msg'), agent)).toBe('hi')
    expect(await visit((session) => session.has('msg'), agent)).toBe(false)
  })

  test('L3: a stored object wins whole over one put before the load', async () => {
    const custom = await open(ours, { driver: 'custom' })
    const handler = new MapHandler()
    useHandler(custom, () => handler)
    const id = freshId()
    handler.map.set(id, `{"_token":"T","user":{"name":"bob"},${EMPTY}}`)
    const { startSession } = custom.nodeSession
    custom.nodeSession.startSession = function (req, ...rest) {
      startSession.call(this, req, ...rest)
      req.session.put('user', { name: 'early', admin: true })
    }
    const { value } = await custom.visit(custom.agentFor(id), (session) => ({ ...session.get('user') }))
    expect(value).toEqual({ name: 'bob' })
  })

  test('S3: save and startSession give promises when no callback is given', async () => {
    const agent = site.agent()
    await visit(async (session) => {
      session.put('a', 1)
      expect(await session.save()).toBeUndefined()
    }, agent)
    const { startSession } = site.nodeSession
    site.nodeSession.startSession = function (req, res, callback) {
      startSession.call(this, req, res).then(() => callback(), callback)
    }
    const value = await visit((session) => session.get('a'), agent)
    site.nodeSession.startSession = startSession
    expect(value).toBe(1)
  })

  test('B33: an EncryptedStore uses the id it is given', () => {
    const EncryptedStore = ours.deep('lib/store/EncryptedStore')
    const id = freshId()
    expect(new EncryptedStore('sid', new MapHandler(), null, SECRET, id).getId()).toBe(id)
  })

  test('P3: the constructor called without new leaves no globals behind', () => {
    let made
    try {
      made = ours.NodeSession({ secret: SECRET, driver: 'memory' })
    } catch {
      made = null
    }
    expect(made === null || made instanceof ours.NodeSession).toBe(true)
    expect(globalThis).not.toHaveProperty('__config')
    expect(globalThis).not.toHaveProperty('__manager')
  })

  test('33: a request that changed nothing leaves the file alone', async () => {
    const agent = site.agent()
    await visit((session) => session.put('user', { name: 'bob' }), agent)
    const before = fs.statSync(site.file(agent)).ino
    await visit((session) => [session.get('user'), session.get('user').name, session.all(), session.has('x')], agent)
    expect(fs.statSync(site.file(agent)).ino).toBe(before)
  })
})

describeOurs('cookies', () => {
  test('C5: a signed id that nothing is stored under gives a fresh id', async () => {
    const site = await open(ours)
    const id = freshId()
    const agent = site.agentFor(id)
    const { value } = await site.visit(agent, (session) => session.getId())
    expect(value).toMatch(ID)
    expect(value).not.toBe(id)
    expect(site.id(agent)).toBe(value)
  })

  test('C4: of several cookies of our name the first valid one counts', async () => {
    const site = await openFiles(ours)
    const [one, two] = ['one', 'two'].map((user) => site.plant(`{"_token":"T","user":"${user}",${EMPTY}}`).cookie())
    const user = async (...values) => {
      const cookie = values.map((value) => `node_session=${value}`).join('; ')
      return (await site.visit(site.agent(), (session) => session.get('user'), { cookie })).value
    }
    expect(await user('bad', one)).toBe('one')
    expect(await user(wire(freshId(), 'another secret'), one, two)).toBe('one')
    expect(await user(two, one)).toBe('two')
  })

  test('B25: lifetime as a numeric text works, and Max-Age is whole seconds', async () => {
    const site = await open(ours, { lifetime: '300000' })
    const [text] = (await site.visit(site.agent())).setCookies
    expect([attribute(text, 'Max-Age'), Number.isNaN(Date.parse(attribute(text, 'Expires')))]).toEqual(['300', false])
    const fraction = await open(ours, { lifetime: 1500 })
    expect(attribute((await fraction.visit(fraction.agent())).setCookies[0], 'Max-Age')).toBe('1')
  })

  test('B26: a forwarded http does not make a TLS connection insecure', async () => {
    const site = await open(ours, { secure: true, trustProxy: true }, { kind: 'https' })
    const { setCookies } = await site.visit(site.agent(), () => {}, { headers: { 'x-forwarded-proto': 'http' } })
    expect(setCookies).toHaveLength(1)
  })

  test('B34: a secret may be a Buffer, and is then the same as its text', async () => {
    const site = await open(ours, { secret: Buffer.from(SECRET) })
    const { setCookies } = await site.visit(site.agent())
    expect(idOf(parseSetCookie(setCookies[0]).value, SECRET)).toMatch(ID)
  })

  test('B35: the first secret signs, all verify, and the cookie is signed anew', async () => {
    const old = await openFiles(ours, { secret: 'an old secret of thirty-two bytes' })
    const agent = old.agent()
    await old.visit(agent, (session) => session.put('user', 'bob'))
    const site = await openFiles(ours, { secret: [SECRET, 'an old secret of thirty-two bytes'], files: old.files })
    const visitor = site.agent()
    visitor.jar.set('node_session', agent.cookie())
    const { value, setCookies } = await site.visit(visitor, (session) => session.get('user'))
    expect(value).toBe('bob')
    expect(idOf(parseSetCookie(setCookies[0]).value, SECRET)).toBe(old.id(agent))
  })

  test('B24, 16: two startSession calls are one: one session, one load, one cookie', async () => {
    const site = await openFiles(ours)
    const { nodeSession } = site
    const again = (req, res) => new Promise((resolve) => { nodeSession.startSession(req, res, resolve) })
    const agent = site.agent()
    const { setCookies } = await site.visit(agent, async (session, req, res) => {
      session.put('a', 1)
      session.flash('msg', 'hi')
      await again(req, res)
      expect(req.session).toBe(session)
    })
    expect(setCookies).toHaveLength(1)
    expect((await site.visit(agent, (session) => [session.get('a'), session.get('msg')])).value).toEqual([1, 'hi'])
  })
})

describeOurs('the response', () => {
  test('B6: end before the load is over waits for it and loses nothing', async () => {
    const site = await openFiles(ours)
    const text = `{"_token":"T","user":"bob",${EMPTY}}`
    const agent = site.plant(text)
    const { startSession } = site.nodeSession
    site.nodeSession.startSession = function (req, res, ...rest) {
      startSession.call(this, req, res, ...rest)
      res.end('early')
    }
    const { body } = await site.visit(agent, () => {}, { ends: true })
    expect(body).toBe('early')
    expect(site.stored(agent)).toBe(text)
  })

  test('B23: end gives the response, every time', async () => {
    const site = await openFiles(ours)
    const { value } = await site.visit(site.agent(), (session, req, res) => [res.end('a') === res, res.end('b') === res], { ends: true })
    expect(value).toEqual([true, true])
  })

  test('L4: from end on the head and the body stand', async () => {
    const site = await openFiles(ours)
    const response = await site.visit(site.agent(), (session, req, res) => {
      res.setHeader('x-early', '1')
      const before = res.headersSent
      res.statusCode = 201
      res.end('body')
      res.statusCode = 500
      const after = [() => res.setHeader('x-late', '1'), () => res.writeHead(404, { 'x-late': '1' }), () => res.write('late')]
      for (const late of after) {
        try {
          late()
        } catch (error) {
          expect(error.code).toBe('ERR_HTTP_HEADERS_SENT')
        }
      }
      return [before, res.headersSent]
    }, { ends: true })
    const { status, body, headers } = response
    expect([status, body, headers['x-early'], headers['x-late']]).toEqual([201, 'body', '1', undefined])
    expect(response.value).toEqual([false, true])
  })

  test('L7: regenerate after the headers have left keeps the id and gives false', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const id = site.id(agent)
    const { value } = await site.visit(agent, (session, req, res) => {
      res.write('head is out')
      return [session.regenerate(), session.getId()]
    })
    expect(value).toEqual([false, id])
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
  })

  test('M: an unknown driver is told to the callback in the original\'s words, and the response can be ended', async () => {
    const site = await open(ours, { driver: 'mongo' })
    const { started, body, setCookies } = await site.visit(site.agent())
    expect(started[0].message).toBe('Driver mongo not supported.')
    expect(started[0].code).toMatch(/^ERR_SESSION_/)
    expect([body, setCookies]).toEqual(['done', []])
  })
})

describeOurs('storage', () => {
  test('B4, B11: a file is replaced whole, with mode 0600 in a folder 0700', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('n', 1))
    const first = fs.statSync(site.file(agent))
    await site.visit(agent, (session) => session.put('n', 2))
    const second = fs.statSync(site.file(agent))
    expect([first.mode & 0o777, second.mode & 0o777, fs.statSync(site.files).mode & 0o777]).toEqual([0o600, 0o600, 0o700])
    expect(second.ino).not.toBe(first.ino)
  })

  test('B12: the sweep takes only files named like sessions, by the time they were last written', async () => {
    const site = await openFiles(ours, { lottery: [1, 1], lifetime: 60000 })
    const [idle, busy] = [freshId(), freshId()]
    for (const id of [idle, busy]) site.plant(`{"_token":"T",${EMPTY}}`, id)
    const foreign = path.join(site.files, 'invoice.pdf')
    fs.writeFileSync(foreign, 'precious')
    const longAgo = Date.now() / 1000 - 1000
    fs.utimesSync(site.file(idle), Date.now() / 1000, longAgo)
    fs.utimesSync(site.file(busy), longAgo, Date.now() / 1000)
    fs.utimesSync(foreign, longAgo, longAgo)
    await until(async () => {
      await site.visit(site.agent())
      return !fs.existsSync(site.file(idle))
    })
    expect([fs.existsSync(site.file(busy)), fs.readFileSync(foreign, 'utf8')]).toEqual([true, 'precious'])
  })

  test.each(['../escape', 'a/b', '..', '.', '', '/etc/passwd', 'short', `${'A'.repeat(39)}\0`, 'A'.repeat(41)])(
    'H2: the file handler touches nothing under the name %j', async (id) => {
      const dir = tempDir()
      fs.writeFileSync(path.join(dir, 'escape'), 'outside')
      const handler = new (ours.deep('lib/handler/FileSessionHandler'))(path.join(dir, 'sessions'))
      const call = (method, ...args) => new Promise((resolve) => { handler[method](id, ...args, resolve) })
      expect(await call('write', 'inside')).toBeInstanceOf(Error)
      expect(await call('read')).not.toBe('outside')
      await call('destroy')
      expect(fs.readFileSync(path.join(dir, 'escape'), 'utf8')).toBe('outside')
      expect(fs.readdirSync(dir).filter((name) => name !== 'sessions')).toEqual(['escape'])
    })

  test('H1: an Error that a handler calls back from read is a read error', async () => {
    const site = await open(ours, { driver: 'custom' })
    const handler = new MapHandler()
    handler.read = (id, callback) => callback(new Error('database is down'))
    useHandler(site, () => handler)
    const { started, setCookies, body } = await site.visit(site.agentFor(freshId()), (session) => session.put('a', 1))
    expect([started[0].code, started[0].cause.message]).toEqual(['ERR_SESSION_READ', 'database is down'])
    expect([setCookies, body]).toEqual([[], 'done'])
    expect(handler.calls.filter(([call]) => call === 'write')).toEqual([])
  })
})
