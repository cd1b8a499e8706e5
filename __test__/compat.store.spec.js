'use strict'

/*
 * What `req.session` does, method by method: node-session 1.2.1 and this package are put through the same requests and must
 * give the same results (compat.md P1–P5 and S1–S17). Cookies are compat.http.spec.js, stored bytes compat.storage.spec.js.
 *
 * Every deliberate difference is listed, and tested, in compat.differences.spec.js.
 */

const { packages } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { ID } = require('./support/cookies')

const TOKEN = /^[A-Za-z0-9_-]{40}$/

/** The attributes that the application made: without the token and the flash lists, as JSON would store them. */
function attributes(session) {
  const { _token, flash, ...own } = JSON.parse(JSON.stringify(session.all()))
  return own
}

describe.each(packages)('%s: surface', (name, pkg) => {
  test('the export is a constructor of two parameters', () => {
    expect(typeof pkg.NodeSession).toBe('function')
    expect(pkg.NodeSession).toHaveLength(2)
  })

  test.each([
    ['', ['startSession', '__startSession', 'getSession', '__addCookieToResponse', '__getCookieLifetime', '__closeSession',
      '__collectGarbage', '__configHitsLottery', '__setCookie', '__isSecure', '__getCookie', '__unsignCookie', 'setEncrypter']],
    ['lib/SessionManager', ['getDefaultDriver', 'driver', '__createDriver', '__callCustomCreator', 'registerHandler',
      '__createMemoryDriver', '__createFileDriver', '__createNativeDriver', '__createDatabaseDriver', '__getSessionModel',
      '__createSessionModel', '__buildSession', 'setEncrypter']],
    ['lib/store/Store', ['setId', '__isValidId', '__generateSessionId', 'getName', 'start', 'has', '__loadSession',
      '__readFromHandler', '__prepareForParse', 'getId', 'pull', 'get', 'all', 'set', 'regenerateToken', 'put', 'push', 'save',
      '__prepareForStorage', 'ageFlashData', 'forget', 'flush', 'regenerate', 'setExists', 'getHandler', 'flash', 'flashInput',
      '__removeFromOldFlashData', 'reflash', '__mergeNewFlashes', 'keep', 'getToken', 'migrate']],
    ['lib/store/EncryptedStore', ['__prepareForParse', '__prepareForStorage']],
    ['lib/handler/FileSessionHandler', ['read', 'write', 'destroy', 'gc']],
    ['lib/handler/MemorySessionHandler', ['read', 'write', 'destroy']],
    ['lib/handler/DatabaseSessionHandler', ['read', 'write', 'destroy', 'gc', 'setExists']],
  ])('the class at "%s" has the methods applications can reach', (file, methods) => {
    const Class = file ? pkg.deep(file) : pkg.NodeSession
    expect(methods.filter((method) => typeof Class.prototype[method] !== 'function')).toEqual([])
  })

  test('util has defineMember and compileTrust', () => {
    const util = pkg.deep('lib/util')
    const target = { a: 1 }
    util.defineMember(target, 'a.b.c')
    expect(target).toEqual({ a: { b: {} } })
    expect(util.compileTrust(true)('8.8.8.8', 9)).toBe(true)
    expect(util.compileTrust(2)('8.8.8.8', 1)).toBe(true)
    expect(util.compileTrust(2)('8.8.8.8', 2)).toBe(false)
    expect(util.compileTrust('loopback, 10.0.0.0/8')('10.1.2.3', 0)).toBe(true)
    expect(util.compileTrust('loopback, 10.0.0.0/8')('11.1.2.3', 0)).toBe(false)
    const own = () => true
    expect(util.compileTrust(own)).toBe(own)
  })

  test('req.session is a Store with the fields applications peek at', async () => {
    const site = await open(pkg)
    await site.visit(site.agent(), (session) => {
      expect(session).toBeInstanceOf(pkg.deep('lib/store/Store'))
      expect(session.__id).toBe(session.getId())
      expect(session.__name).toBe('node_session')
      expect(session.__handler).toBe(session.getHandler())
      expect(session.__attributes).toBe(session.all())
      expect(session.__started).toBe(true)
    })
    expect(site.nodeSession.__config.cookie).toBe('node_session')
    expect(site.nodeSession.__manager.getDefaultDriver()).toBe('memory')
  })
})

describe.each(packages)('%s: reading', (name, pkg) => {
  const STORED = {
    _token: 'T', user: { name: 'bob', tags: ['a', 'b'], 'x-y': 1, class: 'gold', nil: null }, items: [{ n: 1 }, { n: 2 }],
    'my-key': 'dash', 'x.y': 'dotted', 1: 'one', 'a b': 'space', '': 'empty', 'nil.x': 'under null', ключ: 'unicode',
    zero: 0, text: '', no: false, nil: null, undefined: 'u', true: 't',
  }
  let site
  let agent

  beforeAll(async () => {
    site = await openFiles(pkg)
    agent = site.plant(JSON.stringify(STORED))
  })

  const read = (script) => site.visit(agent, script).then((response) => response.value)

  test.each([
    ['user.name', 'bob'], ['user["name"]', 'bob'], ["user['x-y']", 1], ['user.tags[1]', 'b'], ['user.tags', ['a', 'b']],
    ['items[1].n', 2], ['items.length', 2], ['user.name.length', 3], ['user?.name', 'bob'], ['user.class', 'gold'],
    ['user.nil', null], ['missing', undefined], ['user.missing', undefined], ['missing.deep.er', undefined],
    ['items[9]', undefined], ['items[9].n', undefined], ['user.name.first', undefined], ['nil', null],
    ['zero', 0], ['text', ''], ['no', false], ['ключ', 'unicode'],
  ])('get(%j) follows the path', async (key, expected) => {
    expect(await read((session) => session.get(key))).toEqual(expected)
  })

  test.each([
    ['my-key', 'dash'], ['x.y', 'dotted'], ['1', 'one'], ['a b', 'space'], ['', 'empty'], ['nil.x', 'under null'],
    [1, 'one'], [undefined, 'u'], [true, 't'],
  ])('get(%j) falls back to the attribute of exactly that name', async (key, expected) => {
    expect(await read((session) => session.get(key))).toEqual(expected)
  })

  test('a default is given for what is undefined only, and is not stored', async () => {
    const value = await read((session) => [
      session.get('missing', 7), session.get('nil', 7), session.get('zero', 7), session.get('text', 7), session.get('no', 7),
      session.get('user.missing', 8), session.has('missing'), 'missing' in session.all(),
    ])
    expect(value).toEqual([7, null, 0, '', false, 8, false, false])
  })

  test('has is false for null and undefined, true for other falsy values', async () => {
    const keys = ['user', 'user.name', 'user.nil', 'nil', 'zero', 'text', 'no', 'missing', 'my-key']
    const value = await read((session) => keys.map((key) => session.has(key)))
    expect(value).toEqual([true, true, false, false, true, true, true, false, true])
  })

  test('all gives the live attributes, the same object each time', async () => {
    const value = await read((session) => [session.all() === session.all(), session.all().user === session.get('user')])
    expect(value).toEqual([true, true])
  })
})

describe.each(packages)('%s: writing', (name, pkg) => {
  let site

  beforeAll(async () => {
    site = await open(pkg)
  })

  /** What a script leaves as attributes, seen in the same request and again in the next. */
  async function after(script) {
    const agent = site.agent()
    const first = await site.visit(agent, (session) => {
      script(session)
      return attributes(session)
    })
    const second = await site.visit(agent, attributes)
    expect(second.value).toEqual(first.value)
    return second.value
  }

  test.each([
    ['an identifier', 'user', { user: 1 }], ['a reserved word', 'class', { class: 1 }], ['another alphabet', 'ключ', { ключ: 1 }],
    ['a nested path', 'a.b.c.d', { a: { b: { c: { d: 1 } } } }], ['a reserved word inside', 'user.class', { user: { class: 1 } }],
    ['undefined', undefined, { undefined: 1 }], ['null', null, { null: 1 }], ['true', true, { true: 1 }],
  ])('set takes %s as a key and returns nothing', async (what, key, expected) => {
    expect(await after((session) => expect(session.set(key, 1)).toBeUndefined())).toEqual(expected)
  })

  test('set writes into arrays and objects that are there', async () => {
    expect(await after((session) => {
      session.set('list', ['a', 'b'])
      session.set('list[1]', 'B')
      session.set('user', { name: 'bob' })
      session.set('user.name', 'eve')
      session.set('user["full-name"]', 'Eve E')
    })).toEqual({ list: ['a', 'B'], user: { name: 'eve', 'full-name': 'Eve E' } })
  })

  test('set through a scalar is ignored, through null it is a TypeError', async () => {
    expect(await after((session) => {
      session.set('n', 5)
      session.set('n.x', 1)
      session.set('nil', null)
      expect(() => session.set('nil.x', 1)).toThrow(expect.objectContaining({ name: 'TypeError' }))
    })).toEqual({ n: 5, nil: null })
  })

  test('put takes a key and a value, or an object whose keys are paths', async () => {
    expect(await after((session) => {
      expect(session.put('a', 1)).toBeUndefined()
      session.put({ b: 2, 'c.d': 3, list: [1] })
      session.put('user.name', 'bob')
      session.put('user.age', 7)
    })).toEqual({ a: 1, b: 2, c: { d: 3 }, list: [1], user: { name: 'bob', age: 7 } })
  })

  test('put takes own members only, and nothing from a Map or a function', async () => {
    const inheriting = Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } })
    expect(await after((session) => {
      session.put(inheriting)
      session.put(new Map([['k', 'v']]))
      session.put(() => {})
    })).toEqual({ own: 2 })
  })

  test('push appends, makes the array when it is missing, and leaves other values alone', async () => {
    const mine = ['a']
    expect(await after((session) => {
      session.put('mine', mine)
      expect(session.push('mine', 'b')).toBeUndefined()
      session.push('fresh', 1)
      session.push('cart.items', { sku: 1 })
      session.push('cart.items', { sku: 2 })
      session.put('text', 'abc')
      session.push('text', 'd')
    })).toEqual({ mine: ['a', 'b'], fresh: [1], cart: { items: [{ sku: 1 }, { sku: 2 }] }, text: 'abc' })
    expect(mine).toEqual(['a', 'b'])
  })

  test('pull gives a value once', async () => {
    expect(await after((session) => {
      session.put({ once: 'x', keep: 1 })
      expect([session.pull('once'), session.pull('once'), session.pull('once', 'default')]).toEqual(['x', null, 'default'])
    })).toEqual({ keep: 1 })
  })

  test('forget removes an attribute, and one that is not there is no fault', async () => {
    expect(await after((session) => {
      session.put({ a: 1, b: 2 })
      expect(session.forget('a')).toBeUndefined()
      session.forget('never')
    })).toEqual({ b: 2 })
  })

  test('what get and all give is live: changing it in place is saved', async () => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('cart', { items: ['tea'] }))
    await site.visit(agent, (session) => {
      session.get('cart').items.push('milk')
      session.get('cart.items').push('eggs')
      session.all().direct = true
      delete session.all().nothing
    })
    const { value } = await site.visit(agent, attributes)
    expect(value).toEqual({ cart: { items: ['tea', 'milk', 'eggs'] }, direct: true })
  })

  test('what put was given is live too', async () => {
    const agent = site.agent()
    await site.visit(agent, (session) => {
      const user = { name: 'bob' }
      session.put('user', user)
      user.name = 'eve'
      expect(session.get('user')).toBe(user)
    })
    expect((await site.visit(agent, attributes)).value).toEqual({ user: { name: 'eve' } })
  })

  test('flush removes everything, the token included, and the next request makes a new token', async () => {
    const agent = site.agent()
    const first = await site.visit(agent, (session) => {
      session.put('a', 1)
      return session.getToken()
    })
    await site.visit(agent, (session) => {
      expect(session.flush()).toBeUndefined()
      expect(session.all()).toEqual({})
      expect(session.getToken()).toBeUndefined()
    })
    const { value } = await site.visit(agent, (session) => ({ token: session.getToken(), rest: attributes(session) }))
    expect(value).toEqual({ token: expect.stringMatching(TOKEN), rest: {} })
    expect(value.token).not.toBe(first.value)
  })

  test('values keep what JSON keeps', async () => {
    class Money {
      toJSON() {
        return '5 EUR'
      }
    }
    const agent = site.agent()
    await site.visit(agent, (session) => session.put({
      date: new Date(0), nan: NaN, infinite: Infinity, gone: undefined, code: () => {}, symbol: Symbol('s'),
      map: new Map([[1, 2]]), pattern: /x/, buffer: Buffer.from('A'), minus: -0, surrogate: '\ud800',
      sparse: [1, , 3], // eslint-disable-line no-sparse-arrays
      money: new Money(), big: 12345678901234567000, emoji: '😀', list: [undefined, () => {}], nul: '\u0000',
    }))
    const { value } = await site.visit(agent, attributes)
    expect(value).toEqual({
      date: '1970-01-01T00:00:00.000Z', nan: null, infinite: null, map: {}, pattern: {}, buffer: { type: 'Buffer', data: [65] },
      minus: 0, surrogate: '\ud800', sparse: [1, null, 3], money: '5 EUR', big: 12345678901234567000, emoji: '😀',
      list: [null, null], nul: '\u0000',
    })
    expect(Object.is(value.minus, 0)).toBe(true)
  })
})

describe.each(packages)('%s: identity and token', (name, pkg) => {
  let site

  beforeAll(async () => {
    site = await open(pkg)
  })

  test('ids and tokens are 40 characters of the base64url alphabet, new for every visitor', async () => {
    const seen = new Set()
    for (let i = 0; i < 20; i += 1) {
      const { value } = await site.visit(site.agent(), (session) => [session.getId(), session.getToken()])
      for (const text of value) expect(text).toMatch(ID)
      value.forEach((text) => seen.add(text))
    }
    expect(seen.size).toBe(40)
  })

  test('the token stays until regenerateToken replaces it', async () => {
    const agent = site.agent()
    const tokens = []
    await site.visit(agent, (session) => tokens.push(session.getToken(), session.get('_token')))
    await site.visit(agent, (session) => {
      tokens.push(session.getToken())
      session.regenerateToken()
      tokens.push(session.getToken())
    })
    await site.visit(agent, (session) => tokens.push(session.getToken()))
    expect(tokens.slice(0, 3)).toEqual([tokens[0], tokens[0], tokens[0]])
    expect(tokens[3]).toMatch(TOKEN)
    expect(tokens[3]).not.toBe(tokens[0])
    expect(tokens[4]).toBe(tokens[3])
  })

  test('setId keeps a valid id, and makes a new one of anything else', async () => {
    const id = 'A'.repeat(39) + '-'
    const { value } = await site.visit(site.agent(), (session) => {
      const given = []
      for (const candidate of [id, 'short', `${id}\n`, undefined, 5, [id], `${id.slice(1)}é`]) {
        expect(session.setId(candidate)).toBeUndefined()
        given.push(session.getId())
      }
      return given
    })
    expect(value[0]).toBe(id)
    expect(value.slice(1).every((made) => ID.test(made) && made !== id)).toBe(true)
  })

  test.each(['regenerate', 'migrate'])('%s gives a new id and keeps data and token; the old id stays valid', async (method) => {
    const agent = site.agent()
    const { value: token } = await site.visit(agent, (session) => {
      session.put('user', 'bob')
      return session.getToken()
    })
    const before = agent.twin()
    await site.visit(agent, (session) => expect(session[method]()).toBe(true))
    expect(site.id(agent)).not.toBe(site.id(before))
    for (const visitor of [agent, before]) {
      const { value } = await site.visit(visitor, (session) => [session.get('user'), session.getToken()])
      expect(value).toEqual(['bob', token])
    }
  })

  test.each(['regenerate', 'migrate'])('%s(true) takes the old id\'s data away', async (method) => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const before = agent.twin()
    await site.visit(agent, (session) => expect(session[method](true)).toBe(true))
    expect((await site.visit(before, (session) => session.get('user'))).value).toBeUndefined()
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
  })

  test('getName is the cookie\'s name', async () => {
    expect((await site.visit(site.agent(), (session) => session.getName())).value).toBe('node_session')
  })
})

describe.each(packages)('%s: flash', (name, pkg) => {
  let site

  beforeAll(async () => {
    site = await open(pkg)
  })

  /** Runs each script in a request of its own; gives what each returned. */
  async function visits(...scripts) {
    const agent = site.agent()
    const values = []
    for (const script of scripts) values.push((await site.visit(agent, script)).value)
    return values
  }
  const msg = (session) => session.get('msg')
  const lists = (session) => session.get('flash')

  test('a flashed value lives in this request and the next one', async () => {
    const flash = (session) => {
      expect(session.flash('msg', 'hello')).toBeUndefined()
      return session.get('msg')
    }
    expect(await visits(flash, msg, msg)).toEqual(['hello', 'hello', undefined])
  })

  test('its key is listed in flash.new, then in flash.old', async () => {
    const values = await visits((s) => { s.flash('msg', 1); return JSON.stringify(lists(s)) }, (s) => JSON.stringify(lists(s)),
      (s) => JSON.stringify(lists(s)))
    expect(values).toEqual(['{"new":["msg"],"old":[]}', '{"new":[],"old":["msg"]}', '{"new":[],"old":[]}'])
  })

  test('reflash keeps everything for one more request', async () => {
    expect(await visits((s) => s.flash('msg', 1), (s) => s.reflash(), msg, msg)).toEqual([undefined, undefined, 1, undefined])
  })

  test('keep keeps the named keys, given one by one or as an array', async () => {
    const flash = (s) => ['a', 'b', 'c'].forEach((key) => s.flash(key, key))
    const read = (s) => ['a', 'b', 'c'].map((key) => s.has(key))
    expect((await visits(flash, (s) => s.keep('a', 'c'), read))[2]).toEqual([true, false, true])
    expect((await visits(flash, (s) => s.keep(['b']), read))[2]).toEqual([false, true, false])
  })

  test('a key flashed again in the next request lives on', async () => {
    expect(await visits((s) => s.flash('msg', 1), (s) => s.flash('msg', 2), msg, msg)).toEqual([undefined, undefined, 2, undefined])
  })

  test('a key flashed twice is listed twice, a kept one once', async () => {
    const script = (s) => {
      s.flash('msg', 1)
      s.flash('msg', 2)
      const twice = [...s.get('flash.new')]
      s.keep('msg', 'unknown')
      return [twice, [...s.get('flash.new')]]
    }
    expect(await visits(script)).toEqual([[['msg', 'msg'], ['msg', 'unknown']]])
  })

  test.each([
    [{ email: 'x' }, [{ email: 'x' }]], [['a', 'b'], ['a', 'b']], ['text', ['text']], [undefined, [null]],
  ])('flashInput(%j) is there as an array in the next request', async (input, expected) => {
    expect((await visits((s) => s.flashInput(input), (s) => s.get('_old_input')))[1]).toEqual(expected)
  })

  test('ageFlashData by hand forgets the old keys and ages the new ones', async () => {
    const script = (s) => {
      s.flash('msg', 1)
      s.ageFlashData()
      const once = s.has('msg')
      s.ageFlashData()
      return [once, s.has('msg')]
    }
    expect(await visits(script)).toEqual([[true, false]])
  })
})
