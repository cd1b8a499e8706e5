'use strict'

/*
 * The store for express-session, called by itself: what it keeps, for how long, and what it tells.
 */

const { spawn } = require('child_process')
const { EventEmitter, once } = require('events')
const fs = require('fs')
const path = require('path')

const { MemoryStore } = require('express-session')

const NodeSession = require('..')
const Store = require('../express-session')
const { tempDir, later } = require('./support/cleanup')
const { storesWhere } = require('./support/stores')
const { until } = require('./support/waiting')

const SECRET = 'a secret of more than thirty-two characters'

/** A store, put away after the file's last test. */
function open(options) {
  const store = new Store({ lottery: false, ...options })
  later(() => store.close())
  return store
}

/** A session as express-session would store it; it lasts for so many milliseconds, or as long as the store lets it. */
function session(values = {}, ms) {
  const expires = ms === undefined ? null : new Date(Date.now() + ms)
  return { cookie: { originalMaxAge: ms ?? null, expires, httpOnly: true, path: '/' }, ...values }
}

const called = (call) => new Promise((resolve) => { call((...args) => resolve(args)) })

describe.each(storesWhere())('the store over %s', (name, row) => {
  let dir
  let store
  beforeEach(() => {
    dir = tempDir()
    store = open(row.options(dir))
  })

  test('is an EventEmitter with every method of a store', () => {
    expect(store).toBeInstanceOf(EventEmitter)
    expect(Store.Store).toBe(Store)
    const methods = ['get', 'set', 'touch', 'destroy', 'all', 'ids', 'length', 'clear', 'regenerate', 'load', 'createSession', 'close']
    for (const method of methods) expect(store[method]).toEqual(expect.any(Function))
  })

  test('gives what was stored, and nothing for what was not', async () => {
    expect(await store.get('none')).toBeUndefined()
    await store.set('one', session({ user: { name: 'Ann' }, list: [1, 'é', null] }))
    expect(await store.get('one')).toMatchObject({ user: { name: 'Ann' }, list: [1, 'é', null], cookie: { path: '/', expires: null } })
    expect(await store.get('two')).toBeUndefined()
  })

  test('calls back, and never at once', async () => {
    let isAtOnce = true
    const calls = [
      (done) => store.set('a', session({ n: 1 }), done),
      (done) => store.touch('a', session({ n: 1 }), done),
      (done) => store.get('a', done),
      (done) => store.length(done),
      (done) => store.ids(done),
      (done) => store.all(done),
      (done) => store.destroy('a', done),
      (done) => store.get('a', done),
      (done) => store.clear(done),
    ]
    const results = []
    for (const call of calls) {
      isAtOnce = true
      const result = called((done) => {
        expect(call((...args) => {
          expect(isAtOnce).toBe(false)
          done(...args)
        })).toBeUndefined()
      })
      isAtOnce = false
      results.push(await result)
    }
    for (const [error] of results) expect(error).toBeNull()
    expect(results[2][1]).toMatchObject({ n: 1 })
    expect([results[3][1], results[4][1], results[5][1][0].id]).toEqual([1, ['a'], 'a'])
    expect(results[7][1]).toBeUndefined()
  })

  test('takes ids of any length and any characters', async () => {
    const ids = ['x', 'a/b', '../../etc/passwd', 'é ☃ \u{1f600}', 'A'.repeat(32), 'A'.repeat(40), 'a'.repeat(40), 'long'.repeat(1000), '__proto__']
    for (const [n, id] of ids.entries()) await store.set(id, session({ n }))
    for (const [n, id] of ids.entries()) expect(await store.get(id)).toMatchObject({ n })
    expect((await store.ids()).sort()).toEqual([...ids].sort())
    expect((await store.all()).map(({ id, n }) => [id, n]).sort()).toEqual(ids.map((id, n) => [id, n]).sort())
  })

  test('the last set stands, whoever it is from and in whatever order they end', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.set('a', session({ n, [`only${n}`]: true }))))
    const stored = await store.get('a')
    expect(Object.keys(stored).sort()).toEqual(['cookie', 'n', 'only19'])
    await Promise.all([store.set('a', session({ n: 'late' })), store.destroy('a')])
    expect(await store.get('a')).toBeUndefined()
    await Promise.all([store.destroy('a'), store.set('a', session({ n: 'again' }))])
    expect(await store.get('a')).toMatchObject({ n: 'again' })
  })

  test('what is set is what it was when it was set', async () => {
    const mine = session({ n: 1 })
    const saved = store.set('a', mine)
    mine.n = 2
    await saved
    const read = await store.get('a')
    read.n = 3
    expect(await store.get('a')).toMatchObject({ n: 1 })
  })

  test('a session ends with its cookie, to the millisecond', async () => {
    await store.set('short', session({}, 1000))
    await store.set('long', session({}, 60000))
    const { expires } = (await store.get('short')).cookie
    expect(await store.length()).toBe(2)
    await until(() => Date.now() >= new Date(expires))
    expect(await store.get('short')).toBeUndefined()
    expect(await store.ids()).toEqual(['long'])
  })

  test('a session whose cookie has ended is not kept, and one that was is removed', async () => {
    await store.set('never', session({}, -1))
    await store.set('once', session({}))
    await store.set('once', session({}, 0))
    expect(await store.ids()).toEqual([])
  })

  test('without an end in the cookie a session lives for a day, or as long as the option says', async () => {
    const short = open({ ...row.options(tempDir()), lifetime: 100 })
    await Promise.all([short.set('a', session()), store.set('a', session())])
    await until(async () => await short.get('a') === undefined)
    expect(await store.get('a')).toBeDefined()
  })

  test('a cookie that only has a maxAge is heeded too', async () => {
    await store.set('a', { cookie: { maxAge: 100 } })
    expect(await store.get('a')).toBeDefined()
    await until(async () => await store.get('a') === undefined)
  })

  test('a touch moves the end back and forth, as often as it likes, and changes nothing else', async () => {
    await store.set('a', session({ n: 1 }, 60000))
    for (const ms of [120000, 30000, 90000, 200, 3600000]) {
      const touched = session({ n: 'not this' }, ms)
      await store.touch('a', touched)
      const { n, cookie } = await store.get('a')
      expect([n, cookie.expires]).toEqual([1, touched.cookie.expires.toISOString()])
    }
    await store.touch('a', session({}, 100))
    await until(async () => await store.get('a') === undefined)
  })

  test('an end that was moved forward by set is heeded, and can be moved back by a touch', async () => {
    await store.set('a', session({ n: 1 }, 60000))
    await store.set('a', session({ n: 2 }, 300))
    await store.touch('a', session({}, 400))
    expect(await store.get('a')).toMatchObject({ n: 2 })
    await until(async () => await store.get('a') === undefined)
    await store.set('a', session({ n: 3 }, 60000))
    expect(await store.get('a')).toMatchObject({ n: 3 })
  })

  test('a touch of what is not there makes nothing', async () => {
    await store.touch('none', session({}, 60000))
    expect(await store.ids()).toEqual([])
    await store.set('a', session())
    await store.destroy('a')
    await store.touch('a', session({}, 60000))
    expect(await store.get('a')).toBeUndefined()
  })

  test('all sessions are listed, counted and cleared, however many there are', async () => {
    const ids = Array.from({ length: 1200 }, (_, n) => `session ${n}`)
    await Promise.all(ids.map((id) => store.set(id, session({ id }))))
    expect(await store.length()).toBe(1200)
    expect((await store.ids()).sort()).toEqual([...ids].sort())
    await store.clear()
    expect([await store.length(), await store.all()]).toEqual([0, []])
  })

  test('what cannot be serialised is an error, and what is stored stays', async () => {
    await store.set('a', session({ n: 1 }))
    const circular = session()
    circular.self = circular
    const [error] = await called((done) => store.set('a', circular, done))
    expect(error).toMatchObject({ code: 'ERR_SESSION_SERIALIZE', cause: expect.any(TypeError) })
    await expect(store.set('a', session({ big: 'x'.repeat(2 ** 21) }))).rejects.toMatchObject({ code: 'ERR_SESSION_TOO_LARGE' })
    await expect(store.set('a', undefined)).rejects.toThrow('a session is an object')
    expect(await store.get('a')).toMatchObject({ n: 1 })
  })

  test('load gives a session with its methods', async () => {
    await store.set('a', session({ n: 1 }, 60000))
    const [error, loaded] = await called((done) => store.load('a', done))
    expect([error, loaded.n, loaded.id, Object.keys(loaded)]).toEqual([null, 1, 'a', ['cookie', 'n']])
    expect(loaded.cookie.expires).toBeInstanceOf(Date)
    expect(loaded.cookie.maxAge).toBeGreaterThan(50000)
    expect(loaded.cookie.serialize('name', 'a b')).toMatch(/^name=a%20b; Path=\/; Expires=.* GMT; HttpOnly$/)
    loaded.n = 2
    const [failed] = await called((done) => loaded.save(done))
    expect([failed, (await store.get('a')).n]).toEqual([null, 2])
    expect((await called((done) => store.load('none', done)))[1]).toBeUndefined()
  })

  test('tells that the storage answers', async () => {
    await once(open(row.options(tempDir())), 'connect')
  })

  if (row.isShared) {
    test('another store sees what this one has stored, and where its end has been moved', async () => {
      const other = open(row.options(dir))
      await store.set('a', session({ n: 1 }, 60000))
      expect(await other.get('a')).toMatchObject({ n: 1 })
      await store.touch('a', session({}, 90000))
      await other.set('a', session({ n: 2 }, 30000))
      expect(await store.get('a')).toMatchObject({ n: 2 })
      await other.destroy('a')
      await store.set('a', session({ n: 3 }))
      expect(await other.get('a')).toMatchObject({ n: 3 })
    })
  }
})

describe('the store and the storage', () => {
  test('sessions that have ended are swept now and then', async () => {
    const dir = tempDir()
    const store = open({ driver: 'file', files: dir, lottery: [1, 1] })
    await store.set('old', session({}, 50))
    await until(async () => await store.get('old') === undefined)
    await until(async () => {
      await store.set('new', session({}, 60000))
      return fs.readdirSync(dir).filter((name) => !name.startsWith('.')).length === 1
    })
  })

  test.each(storesWhere(({ isShared }) => isShared))('over %s a touch that follows another store\'s shorter end counts', async (name, row) => {
    const options = row.options(tempDir())
    const [one, other] = [open(options), open(options)]
    await one.set('a', session({ n: 1 }, 60000))
    await one.get('a')
    await other.touch('a', session({}, 2000))
    const longer = session({}, 90000)
    await one.touch('a', longer)
    expect((await other.get('a')).cookie.expires).toBe(longer.cookie.expires.toISOString())
  })

  test('a touch writes no payload', async () => {
    const dir = tempDir()
    const store = open({ driver: 'file', files: dir })
    await store.set('a', session({ n: 1 }, 60000))
    const [name] = fs.readdirSync(dir).filter((file) => !file.startsWith('.'))
    const before = fs.statSync(path.join(dir, name))
    await store.touch('a', session({ n: 1 }, 120000))
    const after = fs.statSync(path.join(dir, name))
    expect([after.ino, after.mtimeMs - before.mtimeMs > 50000]).toEqual([before.ino, true])
  })

  test('with touchInterval a touch that is soon repeated is not recorded, and cuts nothing short', async () => {
    const dir = tempDir()
    const store = open({ driver: 'file', files: dir, touchInterval: 30000 })
    await store.set('a', session({}, 60000))
    const [name] = fs.readdirSync(dir).filter((file) => !file.startsWith('.'))
    const recorded = () => fs.statSync(path.join(dir, name)).mtimeMs
    const first = recorded()
    await store.touch('a', session({}, 80000))
    expect(recorded()).toBe(first)
    await store.touch('a', session({}, 100000))
    expect(recorded()).toBeGreaterThan(first)
  })

  test('a store over a NodeSession shares its storage, and each leaves the other\'s sessions alone', async () => {
    const dir = tempDir()
    const sessions = new NodeSession({ secret: SECRET, driver: 'file', files: dir, lottery: false })
    const own = 'A'.repeat(40)
    fs.writeFileSync(path.join(dir, own), '{"user":"Ann"}')
    const store = new Store(sessions)
    await store.set('a', session({ n: 1 }))
    expect([await store.ids(), await store.length(), await store.get(own)]).toEqual([['a'], 1, undefined])
    await store.clear()
    expect(fs.readdirSync(dir).filter((name) => !name.startsWith('.'))).toEqual([own])
  })

  test('what is stored shows neither id nor payload when it is sealed', async () => {
    const dir = tempDir()
    const store = open({ driver: 'file', files: dir, encrypt: true, secret: SECRET })
    await store.set('the-id', session({ user: 'Ann' }))
    const [name] = fs.readdirSync(dir).filter((file) => !file.startsWith('.'))
    expect(fs.readFileSync(path.join(dir, name), 'utf8')).not.toMatch(/Ann|the-id/)
    expect(name).not.toContain('the-id')
  })

  test('a damaged record is no session, is reported, and stays; or it is an error, if asked for', async () => {
    const dir = tempDir()
    const store = open({ driver: 'file', files: dir })
    await store.set('a', session({ user: 'Ann' }))
    const [name] = fs.readdirSync(dir).filter((file) => !file.startsWith('.'))
    const damaged = '{"expressSession":1,"until":null,"id":"a","session":{"user":"An'
    fs.writeFileSync(path.join(dir, name), damaged)
    const reported = once(store, 'corrupt')
    expect(await store.get('a')).toBeUndefined()
    const [error] = await reported
    expect([error.code, `${error.stack}${error.cause}`.includes('An"')]).toEqual(['ERR_SESSION_CORRUPT', false])
    expect(fs.readFileSync(path.join(dir, name), 'utf8')).toBe(damaged)
    const strict = open({ driver: 'file', files: dir, onCorrupt: 'error' })
    await expect(strict.get('a')).rejects.toMatchObject({ code: 'ERR_SESSION_CORRUPT' })
    fs.writeFileSync(path.join(dir, name), Buffer.from([0xff]))
    await expect(strict.get('a')).rejects.toMatchObject({ code: 'ERR_SESSION_CORRUPT' })
    await store.set('a', session({ user: 'Bob' }))
    expect(await store.get('a')).toMatchObject({ user: 'Bob' })
  })

  test('a storage that cannot be used is an error of every method, and is told when it is back', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    fs.writeFileSync(filename, 'this is no database, and as long as a page has to be '.repeat(100))
    const store = open({ driver: 'database', connection: { adapter: 'sqlite', filename } })
    await once(store, 'disconnect')
    for (const method of ['get', 'destroy', 'length', 'all', 'ids', 'clear']) {
      await expect(store[method]('a')).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SESSION_(READ|WRITE)$/) })
    }
    for (const method of ['set', 'touch']) {
      await expect(store[method]('a', session({}, 60000))).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SESSION_/) })
    }
    const back = once(store, 'connect')
    fs.unlinkSync(filename)
    await back
    await store.set('a', session({ n: 1 }))
    expect(await store.get('a')).toMatchObject({ n: 1 })
  })

  test('a storage that hangs is answered for within the timeouts', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    const store = open({ driver: 'database', connection: { adapter: 'sqlite', filename }, readTimeout: 200, saveTimeout: 200 })
    await store.set('a', session({ n: 1 }, 60000))
    const holder = spawn(process.execPath, [path.join(__dirname, 'support', 'holding.child.js'), filename])
    later(() => holder.kill('SIGKILL'))
    await once(holder.stdout, 'data')
    for (const begin of [() => store.set('a', session({ n: 2 })), () => store.touch('a', session({}, 90000)), () => store.destroy('a')]) {
      const before = Date.now()
      await expect(begin()).rejects.toMatchObject({ code: 'ERR_SESSION_TIMEOUT' })
      expect(Date.now() - before).toBeLessThan(2000)
    }
    holder.stdin.end()
    await until(async () => {
      await store.set('a', session({ n: 3 })).catch(() => {})
      return (await store.get('a').catch(() => undefined))?.n === 3
    })
  })

  test.each([
    [{ cookie: 'name' }, /option `cookie` is none of a store's/],
    [{ lifetime: -1 }, /lifetime/],
    [{ encrypt: true }, /option `encrypt` needs option `secret`/],
    [null, /takes options/],
    ['file', /takes options/],
  ])('options that cannot be are refused: %j', (options, message) => {
    expect(() => new Store(options)).toThrow(expect.objectContaining({ code: 'ERR_SESSION_CONFIG', message: expect.stringMatching(message) }))
  })

  test('a handler of the application\'s is not taken for a storage', () => {
    const sessions = new NodeSession({ secret: SECRET, driver: 'own' })
    sessions.__manager.registerHandler('own', () => {})
    expect(() => new Store(sessions)).toThrow(/handler `own`/)
    const over = new NodeSession({ secret: SECRET, store: new MemoryStore() })
    expect(() => new Store(over)).toThrow(/handler `store`/)
  })
})
