'use strict'

/*
 * What is stored and by whom: files, rows, handlers, the manager and encrypters, for node-session 1.2.1 and this package alike
 * (compat.md M1–M4, E1–E3, H1–H6).
 *
 * Every deliberate difference is listed, and tested, in compat.differences.spec.js.
 */

const crypto = require('crypto')
const fs = require('fs')
const path = require('path')

const { packages, original } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { MapHandler, openTable, modelOver, useHandler } = require('./support/handlers')
const { until } = require('./support/waiting')
const { SECRET, ID, freshId } = require('./support/cookies')

const EMPTY = '"flash":{"old":[],"new":[]}'

/** Values that nothing can change, at the borders of how they are written. */
const SIMPLE = [true, false, null, 0, -0, -7, 0.5, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1e21, '', 'é日😀"\\\n\u2028', 'a\ud800', '\udc00', '\ufffd',
  'x'.repeat(180), 'é'.repeat(90), 'x'.repeat(200)]

/** A stored text with its random token replaced. */
function masked(text) {
  return text.replace(/"_token":"[A-Za-z0-9_-]{40}"/, '"_token":"T"')
}

describe.each(packages)('%s: session files', (name, pkg) => {
  let site

  beforeAll(async () => {
    site = await openFiles(pkg)
  })

  test.each([
    ['nothing', [() => {}], `{"_token":"T",${EMPTY}}`],
    ['an attribute', [(s) => s.put('user', 'bob')], `{"_token":"T","user":"bob",${EMPTY}}`],
    ['attributes in the order they were put', [(s) => s.put({ z: 1, a: 2 }), (s) => s.put('m', 3)],
      `{"_token":"T","z":1,"a":2,${EMPTY},"m":3}`],
    ['an attribute put again in its old place', [(s) => s.put({ z: 1, a: 2 }), (s) => s.put('z', 3)],
      `{"_token":"T","z":3,"a":2,${EMPTY}}`],
    ['an attribute forgotten and put again at the end', [(s) => s.put({ z: 1, a: 2 }), (s) => { s.forget('z'); s.put('z', 3) }],
      `{"_token":"T","a":2,${EMPTY},"z":3}`],
    ['numbers as keys first', [(s) => Object.assign(s.all(), { b: 1, 10: 2, 9: 3 })], `{"9":3,"10":2,"_token":"T","b":1,${EMPTY}}`],
    ['a flash', [(s) => s.flash('msg', 'hello')], '{"_token":"T","msg":"hello","flash":{"new":[],"old":["msg"]}}'],
    ['a flash that was seen', [(s) => s.flash('msg', 'hello'), () => {}], '{"_token":"T","flash":{"new":[],"old":[]}}'],
    ['a flash kept', [(s) => s.flash('msg', 1), (s) => s.keep('msg')], '{"_token":"T","msg":1,"flash":{"new":[],"old":["msg"]}}'],
    ['a flush', [(s) => s.put('a', 1), (s) => s.flush()], `{${EMPTY}}`],
    ['text that JSON escapes', [(s) => s.put('t', 'é日😀"\\\n\u0001\ud800/')],
      `{"_token":"T","t":"é日😀\\"\\\\\\n\\u0001\\ud800/",${EMPTY}}`],
    ['values that JSON changes', [(s) => s.put({ d: new Date(0), u: undefined, n: NaN, z: -0, l: [undefined], m: new Map() })],
      `{"_token":"T","d":"1970-01-01T00:00:00.000Z","n":null,"z":0,"l":[null],"m":{},${EMPTY}}`],
    ['simple values put one by one', [(s) => SIMPLE.forEach((value, at) => s.put(`v${at}`, value))],
      `{"_token":"T",${SIMPLE.map((value, at) => `"v${at}":${JSON.stringify(value)}`).join()},${EMPTY}}`],
    ['simple values put over others', [(s) => { s.put({ a: [1], b: 1n }); s.put('a', 'text'); s.put('b', 2) }],
      `{"_token":"T","a":"text","b":2,${EMPTY}}`],
    ['numbers as JavaScript writes them', [(s) => s.put('n', [1.0, 1e21, 1e-7, 0.1, 123456789012345680000, 5e-324])],
      `{"_token":"T","n":[1,1e+21,1e-7,0.1,123456789012345680000,5e-324],${EMPTY}}`],
  ])('hold %s as the documented text', async (what, scripts, expected) => {
    const agent = site.agent()
    for (const script of scripts) await site.visit(agent, script)
    expect(masked(site.stored(agent))).toBe(expected)
  })

  test('hold simple values that the request which put them reads as it put them', async () => {
    const { value: read } = await site.visit(site.agent(), (s) => SIMPLE.map((value, at) => {
      s.put(`v${at}`, value)
      return Object.is(s.get(`v${at}`), value) && s.has(`v${at}`) === (value !== null)
    }))
    expect(read).toEqual(SIMPLE.map(() => true))
  })

  test('are named by the id alone, in a folder that is made when missing', async () => {
    const files = path.join(tempDir(), 'deep', 'er')
    const other = await openFiles(pkg, { files })
    const agent = other.agent()
    await other.visit(agent)
    expect(fs.readdirSync(files).filter((file) => !file.startsWith('.'))).toEqual([other.id(agent)])
  })

  test('lie in ./sessions under the working directory by default', () => {
    const made = pkg.create({ secret: SECRET, driver: 'memory' })
    expect(made.__config.files).toBe(`${process.cwd()}/sessions`)
  })

  test.each(['null', '0', 'false', '""', '[]', '5', 'true'])('holding %s are an empty session of that id', async (text) => {
    const agent = site.plant(text)
    const id = site.id(agent)
    const { value } = await site.visit(agent, (session) => [session.getId(), Object.keys(session.all()), session.getToken()])
    expect(value).toEqual([id, ['_token'], expect.stringMatching(ID)])
  })

  test.each([
    ['[1,2]', { 0: 1, 1: 2, _token: expect.any(String) }], ['{"_token":5}', { _token: 5 }],
    ['{"a":1,"a":2,"_token":"T"}', { a: 2, _token: 'T' }], [' {"_token" : "T"}\n', { _token: 'T' }],
    ['{"_token":"T","n":1.0,"e":1e3,"long":12345678901234567890}', { _token: 'T', n: 1, e: 1000, long: 12345678901234567000 }],
  ])('holding %s are read as JSON', async (text, expected) => {
    expect((await site.visit(site.plant(text), (session) => ({ ...session.all() }))).value).toEqual(expected)
  })

  test('that are idle are swept by the lottery; folders and dot-files are not', async () => {
    const swept = await openFiles(pkg, { lottery: [1, 1], lifetime: 10000 })
    const old = freshId()
    const young = freshId()
    for (const id of [old, young]) swept.plant('{"_token":"T"}', id)
    fs.writeFileSync(path.join(swept.files, '.keep'), '')
    fs.mkdirSync(path.join(swept.files, 'folder'))
    const longAgo = Date.now() / 1000 - 100
    for (const file of [old, '.keep', 'folder']) fs.utimesSync(path.join(swept.files, file), longAgo, longAgo)
    await until(async () => {
      await swept.visit(swept.agent())
      return !fs.existsSync(swept.file(old))
    })
    const left = fs.readdirSync(swept.files)
    expect(left).toEqual(expect.arrayContaining([young, '.keep', 'folder']))
  })
})

describe.each(packages)('%s: the manager', (name, pkg) => {
  const manager = (config) => new (pkg.deep('lib/SessionManager'))({ cookie: 'sid', ...config })

  test('works without a secret and builds sessions by driver name', () => {
    const made = manager({ driver: 'memory', files: path.join(tempDir(), 's') })
    expect(made.getDefaultDriver()).toBe('memory')
    const sessions = []
    for (const driver of [null, '', 'memory', 'Memory', 'file', 'File', 'native']) {
      made.driver(driver, (session) => sessions.push([driver, session.getName(), ID.test(session.getId())]))
    }
    expect(sessions.map(([, ...rest]) => rest)).toEqual(Array(7).fill(['sid', true]))
  })

  test('refuses a driver it does not know in the original\'s words', () => {
    const made = manager({ driver: 'memory' })
    expect(() => made.driver('cassandra', () => {})).toThrow(/^Driver cassandra not supported\.$/)
    expect(() => made.driver('MEMORY', () => {})).toThrow(/^Driver MEMORY not supported\.$/)
  })

  test('keeps the memory driver\'s sessions for each manager apart', async () => {
    const one = manager({ driver: 'memory' })
    const id = freshId()
    const load = (from) => new Promise((resolve) => {
      from.driver(null, (session) => {
        session.setId(id)
        session.start(() => resolve(session))
      })
    })
    const session = await load(one)
    session.put('user', 'bob')
    await new Promise((resolve) => { session.save(resolve) })
    expect((await load(one)).get('user')).toBe('bob')
    expect((await load(manager({ driver: 'memory' }))).get('user')).toBeUndefined()
  })

  test('registerHandler returns the manager, and the creator is given the options and wins over a built-in of its name', async () => {
    const site = await open(pkg, { driver: 'memory', cookie: 'sid' })
    const handler = new MapHandler()
    const made = site.nodeSession.__manager
    const seen = []
    expect(made.registerHandler('memory', (config, callback) => {
      seen.push(config.cookie)
      callback(made.__buildSession(handler))
    })).toBe(made)
    await site.visit(site.agent(), (session) => session.put('user', 'bob'))
    expect(seen[0]).toBe('sid')
    expect([...handler.map.values()].map(masked)).toEqual([`{"_token":"T","user":"bob",${EMPTY}}`])
  })
})

describe.each(packages)('%s: handlers in JavaScript', (name, pkg) => {
  let site
  let handler

  beforeEach(async () => {
    site = await open(pkg, { driver: 'custom' })
    handler = new MapHandler()
    useHandler(site, () => handler)
  })

  test('are read from and written to by id', async () => {
    const agent = site.agent()
    await site.visit(agent, (session) => {
      expect(session.getHandler()).toBe(handler)
      session.put('user', 'bob')
    })
    expect([...handler.map].map(([id, text]) => [id, masked(text)])).toEqual([[site.id(agent), `{"_token":"T","user":"bob",${EMPTY}}`]])
    const { value } = await site.visit(agent, (session) => session.get('user'))
    expect(value).toBe('bob')
  })

  test('are told of a regenerated id by setExists and destroy', async () => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const before = site.id(agent)
    handler.calls.length = 0
    await site.visit(agent, (session) => session.regenerate(true))
    expect([...handler.map.keys()]).toEqual([site.id(agent)])
    const names = handler.calls.map(([call, first]) => (call === 'setExists' || call === 'destroy' ? [call, first] : [call]))
    expect(names).toEqual(expect.arrayContaining([['destroy', before], ['setExists', false]]))
  })

  test('are asked to sweep with the lifetime when the lottery is hit', async () => {
    site = await open(pkg, { driver: 'custom', lottery: [1, 1], lifetime: 5000 })
    useHandler(site, () => handler)
    await site.visit(site.agent())
    await until(() => handler.calls.some(([call, age]) => call === 'gc' && age === 5000))
  })

  test('need neither gc nor setExists', async () => {
    const { map } = handler
    const bare = {
      read: (id, callback) => callback(map.get(id) || ''),
      write: (id, text, callback) => { map.set(id, text); callback() },
      destroy: (id, callback) => { map.delete(id); if (callback) callback() },
    }
    site = await open(pkg, { driver: 'bare', lottery: [1, 1] })
    useHandler(site, () => bare, 'bare')
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    await site.visit(agent, (session) => session.regenerate(true))
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
    expect(map.size).toBe(1)
  })

  test('serve a Store that an application builds itself', async () => {
    const Store = pkg.deep('lib/store/Store')
    const id = freshId()
    const make = () => new Store('sid', handler, id)
    expect(make().getId()).toBe(id)
    expect(new Store('sid', handler).getId()).toMatch(ID)
    expect([make().getName(), make().getHandler(), make().all()]).toEqual(['sid', handler, {}])
    const session = make()
    await new Promise((resolve) => { session.start(resolve) })
    session.put('user', 'bob')
    await new Promise((resolve) => { session.save(resolve) })
    expect(masked(handler.map.get(id))).toBe(`{"_token":"T","user":"bob",${EMPTY}}`)
    const again = make()
    await new Promise((resolve) => { again.start(resolve) })
    expect(again.get('user')).toBe('bob')
  })
})

describe.each(packages)('%s: the handlers it ships', (name, pkg) => {
  const call = (handler, method, ...args) => new Promise((resolve) => { handler[method](...args, resolve) })

  test('the file handler reads, writes and destroys by id', async () => {
    const dir = path.join(tempDir(), 'a', 'b')
    const handler = new (pkg.deep('lib/handler/FileSessionHandler'))(dir)
    const id = freshId()
    expect(fs.statSync(dir).isDirectory()).toBe(true)
    expect(await call(handler, 'read', id)).toBe('')
    expect(await call(handler, 'write', id, 'tëxt')).toBeFalsy()
    expect(fs.readFileSync(path.join(dir, id), 'utf8')).toBe('tëxt')
    expect(await call(handler, 'read', id)).toBe('tëxt')
    expect(await call(handler, 'destroy', id)).toBeFalsy()
    expect(fs.existsSync(path.join(dir, id))).toBe(false)
    expect(handler.write(id, 'no callback')).toBeUndefined()
    await until(() => fs.existsSync(path.join(dir, id)))
    expect(handler.destroy(id)).toBeUndefined()
    await until(() => !fs.existsSync(path.join(dir, id)))
  })

  test('the memory handler keeps texts in the map it is given, and calls back at once', () => {
    const map = Object.create(null)
    const handler = new (pkg.deep('lib/handler/MemorySessionHandler'))(map)
    const id = freshId()
    const seen = []
    handler.read(id, (text) => seen.push(text))
    handler.write(id, 'text', (error) => seen.push(error))
    handler.read(id, (text) => seen.push(text))
    expect(map[id]).toBe('text')
    handler.destroy(id)
    handler.read(id, (text) => seen.push(text))
    expect(seen.map((value) => value || '')).toEqual(['', '', 'text', ''])
  })

  test('the database handler keeps the payload encoded twice, with the time in milliseconds', async () => {
    const table = openTable(path.join(tempDir(), 'db.sqlite'))
    await table.make()
    const Handler = pkg.deep('lib/handler/DatabaseSessionHandler')
    const site = await open(pkg, { driver: 'custom' })
    useHandler(site, () => new Handler(modelOver(table)))
    const agent = site.agent()
    const start = Date.now()
    await site.visit(agent, (session) => session.put('user', 'bob "q"'))
    const [row] = await table.rows()
    expect(row.id).toBe(site.id(agent))
    expect(masked(JSON.parse(row.payload))).toBe(`{"_token":"T","user":"bob \\"q\\"",${EMPTY}}`)
    expect(row.lastActivity).toBeGreaterThanOrEqual(start)
    expect(row.lastActivity).toBeLessThanOrEqual(Date.now())
    await site.visit(agent, (session) => session.put('user', 'eve'))
    expect(JSON.parse(JSON.parse((await table.row(row.id)).payload)).user).toBe('eve')
    await site.visit(agent, (session) => session.regenerate(true))
    await until(async () => (await table.rows()).length === 1)
    expect((await table.rows())[0].id).toBe(site.id(agent))
  })

  test('the database handler sweeps rows that are older than the lifetime', async () => {
    const table = openTable(path.join(tempDir(), 'db.sqlite'))
    await table.make()
    const handler = new (pkg.deep('lib/handler/DatabaseSessionHandler'))(modelOver(table))
    const [old, young] = [freshId(), freshId()]
    await table.insert(old, '"{}"', Date.now() - 60000)
    await table.insert(young, '"{}"', Date.now())
    handler.gc(10000)
    await until(async () => (await table.rows()).length === 1)
    expect((await table.rows())[0].id).toBe(young)
    expect(handler.setExists(true)).toBe(handler)
  })
})

describe.each(packages)('%s: encrypters', (name, pkg) => {
  const reversing = {
    encrypt: (text) => `~${[...text].reverse().join('')}`,
    decrypt: (text) => {
      if (!text.startsWith('~')) throw new Error('not mine')
      return [...text.slice(1)].reverse().join('')
    },
  }

  test('of the application\'s own decide the stored text', async () => {
    const site = await openFiles(pkg, { encrypt: true }, { encrypter: reversing })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob😀'))
    expect(site.stored(agent)).toMatch(/^~/)
    expect(masked(reversing.decrypt(site.stored(agent)))).toBe(`{"_token":"T","user":"bob😀",${EMPTY}}`)
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob😀')
  })

  test('may be set later, for the sessions made from then on', async () => {
    const site = await openFiles(pkg, { encrypt: true }, { encrypter: { encrypt: () => 'never', decrypt: () => 'never' } })
    site.nodeSession.setEncrypter(reversing)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    expect(JSON.parse(reversing.decrypt(site.stored(agent))).user).toBe('bob')
  })

  test('are not asked without encrypt: true', async () => {
    const site = await openFiles(pkg, {}, { encrypter: { encrypt: () => 'never', decrypt: () => 'never' } })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    expect(JSON.parse(site.stored(agent)).user).toBe('bob')
  })

  test('an EncryptedStore is a Store of five parameters', () => {
    const Store = pkg.deep('lib/store/Store')
    const EncryptedStore = pkg.deep('lib/store/EncryptedStore')
    expect(EncryptedStore).toHaveLength(5)
    const session = new EncryptedStore('sid', new MapHandler(), reversing, SECRET)
    expect(session).toBeInstanceOf(Store)
    expect(session.getId()).toMatch(ID)
    expect(session.__prepareForStorage('{}')).toBe('~}{')
    expect(session.__prepareForParse('~}{')).toBe('{}')
  })

  // The original's own cipher left Node with version 22.
  const readable = pkg !== original || typeof crypto.createDecipher === 'function' ? test : test.skip
  readable('the documented text of the default encrypter is read', async () => {
    const disk = '{"ct":"zoQaOF6S/e294FJLWSBEiUI95KgfVqPJxbfnuNSt7a2FHSDzk8F+VSO8xeA7D69FH6QCqU0Wiw==",'
      + '"mac":"YKgWaSN1E96udRVZsqpgJ83gLfc="}'
    const site = await openFiles(pkg, { encrypt: true })
    const { value } = await site.visit(site.plant(disk), (session) => [session.get('user'), session.getToken()])
    expect(value).toEqual(['bob', 'T'])
  })
})
