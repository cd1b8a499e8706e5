'use strict'

/*
 * Values that cannot or should not be stored: the response is whole, the session stored before stays whole, the `'error'` event
 * names the fault, and the process lives on (faults B14, B15, requirements 84–86, 122).
 */

const fs = require('fs')

const { ours, describeOurs } = require('./support/packages')
const { openFiles } = require('./support/servers')

const SERIALIZE = 'ERR_SESSION_SERIALIZE'
const DEPTH = 'ERR_SESSION_DEPTH'
const TOO_LARGE = 'ERR_SESSION_TOO_LARGE'

const boom = () => {
  throw new Error('boom')
}

/** Arrays inside one another, `levels` of them. */
function nested(levels) {
  let value = []
  for (let i = 1; i < levels; i += 1) value = [value]
  return value
}

function circular() {
  const value = { name: 'loop' }
  value.self = value
  return value
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** What it is, how it is made, and the code of the fault; null for what JSON takes, or leaves out, without complaint. */
const VALUES = [
  ['a BigInt', () => 1n, SERIALIZE],
  ['a BigInt deep inside', () => ({ a: [{ b: 1n }] }), SERIALIZE],
  ['a circle', circular, SERIALIZE],
  ['a circle through an array', () => { const list = []; list.push({ list }); return list }, SERIALIZE],
  ['the global object', () => globalThis, SERIALIZE],
  ['a toJSON that throws', () => ({ toJSON: boom }), SERIALIZE],
  ['a toJSON that throws nothing at all', () => ({ toJSON() { throw undefined } }), SERIALIZE],
  ['a toJSON that gives a BigInt', () => ({ toJSON: () => 1n }), SERIALIZE],
  ['a getter that throws', () => ({ get bad() { return boom() } }), SERIALIZE],
  ['a Proxy whose keys throw', () => new Proxy({}, { ownKeys: boom }), SERIALIZE],
  ['a Proxy whose members throw', () => new Proxy({ a: 1 }, { get: boom }), SERIALIZE],
  ['a revoked Proxy', revoked, SERIALIZE],
  ['an object whose error cannot be read', () => ({ toJSON() { throw revoked() } }), SERIALIZE],
  ['1001 levels', () => nested(1001), DEPTH],
  ['1500 levels', () => nested(1500), DEPTH],
  ['3000 levels', () => nested(3000), DEPTH],
  ['a million levels', () => nested(1e6), DEPTH],
  ['2 MiB of text', () => 'x'.repeat(2 << 20), TOO_LARGE],
  ['a million elements', () => new Array(1e6), TOO_LARGE],
  ['a hundred thousand members', () => Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`key${i}`, i])), TOO_LARGE],
  ['400 kB of text that is over 1 MiB in UTF-8', () => '日'.repeat(400000), TOO_LARGE],
  ['127 levels', () => nested(127), null],
  ['128 levels', () => nested(128), null],
  ['129 levels', () => nested(129), null],
  ['999 levels', () => nested(999), null],
  ['just under 1 MiB', () => 'x'.repeat((1 << 20) - 500), null],
  ['a symbol', () => Symbol('s'), null],
  ['a function', () => boom, null],
  ['a toJSON that gives undefined', () => ({ toJSON: () => undefined }), null],
  ['an invalid date', () => new Date(NaN), null],
  ['a Proxy that behaves', () => new Proxy({ a: 1 }, {}), null],
  ['an object without a prototype', () => Object.assign(Object.create(null), { a: 1 }), null],
  ['a thenable', () => ({ then: boom }), null],
  ['an Error', () => new Error('value'), null],
  ['a frozen object', () => Object.freeze({ a: Object.freeze([]) }), null],
  ['lone surrogates', () => ['\ud800', '\udfff', '\udc00\ud800'], null],
]

describeOurs('hostile values', () => {
  let site

  beforeAll(async () => {
    site = await openFiles(ours)
  })
  beforeEach(() => {
    site.errors.length = 0
  })

  test('the table is long', () => {
    expect(VALUES.length).toBeGreaterThanOrEqual(30)
  })

  test.each(VALUES.map(([what, ...rest]) => [what, rest]))('%s', async (what, [make, code]) => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const stored = site.stored(agent)
    const { status, body } = await site.visit(agent, (session) => {
      session.put('page', 'new')
      session.put('bad', make())
    })
    expect([status, body]).toEqual([200, 'done'])
    expect(site.errors.map((error) => error.code)).toEqual(code ? [code] : [])
    if (code) expect(site.stored(agent)).toBe(stored)
    const { value } = await site.visit(agent, (session) => [session.get('user'), session.get('page')])
    expect(value).toEqual(['bob', code ? undefined : 'new'])
  })

  test.each([
    ['put in place', (session) => { session.get('box').bad = 1n }],
    ['put into all()', (session) => { session.all().bad = circular() }],
    ['flashed', (session) => session.flash('bad', 1n)],
    ['pushed', (session) => session.push('list', circular())],
  ])('a value that JSON refuses, %s, is one fault and no more', async (how, script) => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put({ box: {}, list: [] }))
    const stored = site.stored(agent)
    expect((await site.visit(agent, script)).body).toBe('done')
    expect(site.errors.map((error) => error.code)).toEqual([SERIALIZE])
    expect(site.stored(agent)).toBe(stored)
  })

  test('save by hand gives the error to the application, with its cause, and the request goes on', async () => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const { value } = await site.visit(agent, async (session) => {
      session.put('bad', { toJSON: boom })
      const thrown = await session.save().catch((error) => error)
      const called = await new Promise((resolve) => { session.save(resolve) })
      session.forget('bad')
      session.put('page', 'new')
      return [thrown instanceof Error, thrown.code, thrown.cause && thrown.cause.message, called.code]
    })
    expect(value).toEqual([true, SERIALIZE, 'boom', SERIALIZE])
    expect((await site.visit(agent, (session) => session.get('page'))).value).toBe('new')
  })

  test.each([
    ['reads and writes attributes', (session) => { session.put('inner', session.get('user')); session.push('list', 1) }],
    ['flushes', (session) => session.flush()],
    ['regenerates', (session) => session.regenerate(true)],
    ['saves', (session) => { session.save(() => {}) }],
    ['starts again', (session) => { session.start(() => {}) }],
  ])('a toJSON that %s while the session is saved ends in a response', async (what, reenter) => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    let entered = 0
    const { body } = await site.visit(agent, (session) => {
      session.put('odd', {
        toJSON() {
          entered += 1
          if (entered < 5) reenter(session)
          return 'odd'
        },
      })
    })
    expect(body).toBe('done')
    expect(entered).toBeGreaterThan(0)
    expect((await site.visit(site.agent(), () => 'alive')).value).toBe('alive')
  })

  test('limits are options', async () => {
    const strict = await openFiles(ours, { maxBytes: 1024, maxDepth: 10 })
    await strict.visit(strict.agent(), (session) => session.put('text', 'x'.repeat(1100)))
    await strict.visit(strict.agent(), (session) => session.put('deep', nested(11)))
    await strict.visit(strict.agent(), (session) => session.put('deep', nested(8)))
    expect(strict.errors.map((error) => error.code)).toEqual([TOO_LARGE, DEPTH])
  })
})

describeOurs('stored texts beyond the limits', () => {
  const stored = (levels) => `{"_token":"T","deep":${'['.repeat(levels)}${']'.repeat(levels)},"user":"bob"}`
  let site

  beforeAll(async () => {
    site = await openFiles(ours)
  })
  beforeEach(() => {
    site.corrupt.length = 0
  })

  test.each([127, 128, 129, 998])('%d levels are read', async (levels) => {
    const { value } = await site.visit(site.plant(stored(levels)), (session) => {
      let depth = 0
      for (let at = session.get('deep'); at; [at] = at) depth += 1
      return [depth, session.get('user')]
    })
    expect(value).toEqual([levels, 'bob'])
  })

  test.each([1001, 3000, 100000, 500000])('%d levels give a fresh id, and stay as they are', async (levels) => {
    const agent = site.plant(stored(levels))
    const id = site.id(agent)
    const { value } = await site.visit(agent, (session) => {
      session.put('page', 'new')
      return [session.getId() === id, session.get('user')]
    })
    expect(value).toEqual([false, undefined])
    expect(site.stored(id)).toBe(stored(levels))
    expect(site.corrupt.map((error) => error.code)).toEqual([DEPTH])
  })

  test('a gigabyte is not read into memory', async () => {
    const agent = site.plant('{"_token":"T"}')
    const id = site.id(agent)
    fs.truncateSync(site.file(id), 1 << 30)
    const before = process.memoryUsage().rss
    const { value } = await site.visit(agent, (session) => session.getId())
    expect(value).not.toBe(id)
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20)
    expect(fs.statSync(site.file(id)).size).toBe(1 << 30)
    expect(site.corrupt.map((error) => error.code)).toEqual([TOO_LARGE])
  })
})
