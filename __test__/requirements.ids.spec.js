'use strict'

/*
 * Session ids and tokens: random as the system's source is, in every thread and process; nothing that is not one reaches a
 * driver, whatever way it comes (requirements 1, 2, 5, 8, 9, 65, 87; row 18 of section 2).
 *
 * ID_RUNS=10000000 makes the long run of the statistics.
 */

const { fork } = require('child_process')
const fs = require('fs')
const path = require('path')
const { Worker } = require('worker_threads')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { openTable, MapHandler, useHandler } = require('./support/handlers')
const { ID, freshId, wire } = require('./support/cookies')

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const RUNS = Number(process.env.ID_RUNS) || 50000
const CHILD = path.join(__dirname, 'support', 'ids.child.js')

jest.setTimeout(20000 + RUNS / 10)

/** Chi squared of the characters at each place, against all being equally likely. */
function chiSquared(ids) {
  const counts = Array.from({ length: 40 }, () => new Uint32Array(64))
  const place = new Uint8Array(128)
  for (let i = 0; i < 64; i += 1) place[ALPHABET.charCodeAt(i)] = i
  for (const id of ids) for (let at = 0; at < 40; at += 1) counts[at][place[id.charCodeAt(at)]] += 1
  const expected = ids.length / 64
  return counts.map((column) => column.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0))
}

/** Texts that are no ids, and that storage would stumble over if they reached it. */
function hostileIds() {
  const good = freshId()
  const at = [0, 1, 20, 38, 39]
  const odd = [...'/\\.\0 +=%\'";:*?|\n\r\té', '\u0410', '\uff3f', '\u2215', '\ud800', '😀', '\u202e']
  const replaced = odd.flatMap((character) => at.map((i) => good.slice(0, i) + character + good.slice(i + 1)))
  const sized = [0, 1, 39, 41, 80, 4096, 100000].map((length) => 'A'.repeat(length))
  const around = [`${good}\n`, `\n${good}`, ` ${good}`, `${good} `, `${good}\0`, `${good}\0.json`, `${good}/`, `./${good.slice(2)}`, `/${good.slice(1)}`]
  const up = Array.from({ length: 14 }, (_, i) => '../'.repeat(i + 1))
  const slashes = ['../', '..\\', '..%2f', '%2e%2e%2f', '..%5c', '..;/', '....//', '..%c0%af', '..%252f', '.../', '/../', '\\..\\']
  const targets = ['etc/passwd', 'escape', 'windows/win.ini', '.ssh/id_rsa', `${good}`]
  const traversals = slashes.flatMap((step) => targets.flatMap((target) => [1, 2, 8].map((n) => step.repeat(n) + target)))
  const padded = traversals.map((text) => text.padEnd(40, 'A').slice(0, 40)).filter((text) => !ID.test(text))
  const names = ['.', '..', '...', '~', '/', '\\', 'C:\\x', '\\\\host\\share', 'file:///etc/passwd', 'con', 'nul', '.lock', '-', '']
  const sql = ["' OR '1'='1", "'; DROP TABLE sessions; --", '" OR ""="', '%', '_', '*', '{"$ne":null}'].flatMap((text) => [text, text.padEnd(40, ' ')])
  return [...new Set([...replaced, ...sized, ...around, ...up, ...traversals, ...padded, ...names, ...sql])]
}

const OTHER_TYPES = [undefined, null, 0, 40, true, NaN, [], ['A'], {}, { length: 40 }, Symbol.iterator.description, Buffer.from(freshId()), () => {}]

describeOurs('ids', () => {
  const Store = ours && ours.deep('lib/store/Store')

  test('are 40 characters that differ, each as likely as any other at every place', () => {
    const ids = Array.from({ length: RUNS }, () => Store.prototype.__generateSessionId())
    expect(ids.filter((id) => !ID.test(id))).toEqual([])
    expect(new Set(ids).size).toBe(RUNS)
    // 63 degrees of freedom: one in ten million draws lies above 137, for forty places at a time one in a quarter of a million.
    expect(Math.max(...chiSquared(ids))).toBeLessThan(137)
    expect(Math.min(...chiSquared(ids))).toBeGreaterThan(18)
  })

  test('are tokens\' equals: 240 bits of their own, never the id', async () => {
    const site = await open(ours)
    const seen = []
    await site.visit(site.agent(), (session) => {
      seen.push(session.getId())
      for (let i = 0; i < 2000; i += 1) {
        session.regenerateToken()
        seen.push(session.getToken())
      }
    })
    expect(seen.filter((token) => !ID.test(token))).toEqual([])
    expect(new Set(seen).size).toBe(2001)
    expect(Math.max(...chiSquared(seen))).toBeLessThan(137)
  })

  test('of threads and processes that began at the same time have nothing in common', async () => {
    const threads = Array.from({ length: 3 }, () => new Promise((resolve, reject) => {
      const worker = new Worker(CHILD, { workerData: { entry: ours.entry } })
      worker.once('message', resolve).once('error', reject)
    }))
    const processes = Array.from({ length: 3 }, () => new Promise((resolve, reject) => {
      const child = fork(CHILD, [ours.entry], { execArgv: [] })
      child.once('message', resolve).once('error', reject)
    }))
    const lists = await Promise.all([...threads, ...processes])
    expect(new Set(lists.flat()).size).toBe(6 * 1000)
  })

  test('never take the place of one that is stored: two visitors given one id by chance or by setId share nothing unread', async () => {
    const site = await openFiles(ours)
    const id = site.id(site.plant('{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'))
    await site.visit(site.agent(), (session) => {
      session.setId(id)
      session.put('page', 1)
    })
    expect(JSON.parse(site.stored(id)).user).toBe('bob')
  })

  test('set by the application count when they are ids, and are new ones otherwise', async () => {
    const site = await open(ours)
    const hostile = [...hostileIds(), ...OTHER_TYPES]
    const { value } = await site.visit(site.agent(), (session) => {
      const wrong = []
      for (const given of hostile) {
        session.setId(given)
        if (!ID.test(session.getId()) || session.getId() === given) wrong.push(given)
      }
      const good = freshId()
      session.setId(good)
      return [wrong, session.getId() === good, session.__isValidId(good), hostile.filter((given) => session.__isValidId(given))]
    })
    expect(value).toEqual([[], true, true, []])
  })

  test('cannot be set by what is stored: attributes named like an id are attributes', async () => {
    const site = await openFiles(ours)
    const other = freshId()
    const agent = site.plant(`{"_token":"T","__id":"${other}","id":"${other}","_id":"${other}","setId":"${other}","flash":{"old":[],"new":[]}}`)
    const id = site.id(agent)
    const { value } = await site.visit(agent, (session) => [session.getId(), session.__id, session.get('__id'), typeof session.setId])
    expect(value).toEqual([id, id, other, 'function'])
  })
})

describeOurs('what is no id', () => {
  // Bytes that spell an id become one on their way to a driver; the application's own doing, and harmless.
  const corpus = [...hostileIds(), ...OTHER_TYPES.filter((given) => !Buffer.isBuffer(given))]

  test('comes in every shape', () => {
    expect(corpus.length).toBeGreaterThan(400)
    expect(corpus.filter((given) => ID.test(given) && typeof given === 'string')).toEqual([])
  })

  /** Calls every method of a handler with every text; gives what came of it. */
  async function assault(handler) {
    const call = (method, id, ...args) => new Promise((resolve) => {
      try {
        handler[method](id, ...args, resolve)
      } catch (error) {
        resolve(error)
      }
    })
    const read = []
    for (const id of corpus) {
      const written = await call('write', id, '{"user":"eve"}')
      const found = await call('read', id)
      await call('destroy', id)
      if (!(written instanceof Error) || (found !== '' && !(found instanceof Error))) read.push([id, written, found])
    }
    return read
  }

  test('names no file: nothing is read, written or removed, in the folder or outside', async () => {
    const dir = tempDir()
    const outside = ['escape', 'etc', '.ssh'].map((name) => path.join(dir, name))
    for (const file of outside) fs.writeFileSync(file, 'outside')
    const handler = new (ours.deep('lib/handler/FileSessionHandler'))(path.join(dir, 'a', 'sessions'))
    expect(await assault(handler)).toEqual([])
    expect(outside.map((file) => fs.readFileSync(file, 'utf8'))).toEqual(['outside', 'outside', 'outside'])
    expect(fs.readdirSync(dir).sort()).toEqual(['.ssh', 'a', 'escape', 'etc'])
    expect(fs.readdirSync(path.join(dir, 'a'))).toEqual(['sessions'])
    expect(fs.readdirSync(path.join(dir, 'a', 'sessions'))).toEqual([])
  })

  test.each(['memory', 'file', 'database'])('reaches nothing through the handler of the %s driver', async (driver) => {
    const site = await open(ours, { driver })
    const agent = site.agent()
    const { session } = await site.visit(agent, (started) => started.put('user', 'bob'))
    expect(await assault(session.getHandler())).toEqual([])
    if (driver === 'database') expect(await openTable(`${site.files}.sqlite`).rows()).toHaveLength(1)
    if (driver === 'file') expect(site.names()).toEqual([site.id(agent)])
    expect((await site.visit(agent, (started) => started.get('user'))).value).toBe('bob')
  })

  test('reaches no handler from a cookie that is signed well, from a cookie parser, or from setId', async () => {
    let signedCookies
    const site = await open(ours, { driver: 'custom' }, { before: (req) => { req.signedCookies = signedCookies } })
    const handler = new MapHandler()
    useHandler(site, () => handler)
    const sendable = corpus.filter((id) => typeof id === 'string' && id.length < 5000)
    for (const id of sendable) {
      signedCookies = undefined
      await site.visit(site.agent(), () => {}, { cookie: `node_session=${safeWire(id)}` })
      signedCookies = { node_session: id }
      await site.visit(site.agent(), (session) => session.setId(id))
    }
    const ids = handler.calls.filter(([call]) => ['read', 'write', 'destroy'].includes(call)).map(([, id]) => id)
    expect(ids.filter((id) => !ID.test(id))).toEqual([])
  })

  test('starts no session: the visitor gets a new id', async () => {
    const site = await openFiles(ours)
    for (const id of corpus.filter((given) => typeof given === 'string' && given.length < 100)) {
      const { value } = await site.visit(site.agent(), (session) => session.getId(), { cookie: `node_session=${safeWire(id)}` })
      expect(value).toMatch(ID)
    }
    expect(site.names().every((name) => ID.test(name))).toBe(true)
  })

  /** The signed cookie value of an id, also of one that no URL can hold. */
  function safeWire(id) {
    return wire(id.isWellFormed() ? id : id.toWellFormed())
  }
})
