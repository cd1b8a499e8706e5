'use strict'

/*
 * Handlers written in JavaScript that answer oddly, and saves that fail half-way: what is stored stays usable under the id that the
 * visitor has, what could not be removed is removed later, and a cookie goes out for whatever is stored (requirements 16, 35, 56,
 * 62; design "The cookie and the store agree").
 */

const vm = require('vm')

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { MapHandler, useHandler } = require('./support/handlers')
const { until } = require('./support/waiting')
const { ID, freshId } = require('./support/cookies')

const WRITE = 'ERR_SESSION_WRITE'
const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
const user = (session) => session.get('user')

/** A handler whose methods do as `handler.odd[method](callback, id, text)` says, where that is given. */
class OddHandler extends MapHandler {
  constructor() {
    super()
    this.odd = {}
  }

  read(id, callback) {
    if (this.odd.read) this.odd.read(callback, id)
    else super.read(id, callback)
  }

  write(id, text, callback) {
    if (this.odd.write) this.odd.write(callback, id, text)
    else super.write(id, text, callback)
  }

  destroy(id, callback) {
    if (this.odd.destroy) this.odd.destroy(callback, id)
    else super.destroy(id, callback)
  }
}

/** A site over such a handler, and a visitor whose session is stored. */
async function begin(config) {
  const site = await open(ours, { driver: 'custom', touchInterval: 60000, ...config })
  const handler = new OddHandler()
  useHandler(site, () => handler)
  const agent = site.agent()
  await site.visit(agent, (session) => session.put('user', 'bob'))
  return { site, handler, agent, id: site.id(agent) }
}

const fails = (callback) => setImmediate(callback, new Error('disk is full'))
const codes = (site) => site.errors.splice(0).map((error) => error.code)

describeOurs('regenerate(true)', () => {
  test('whose new record cannot be written leaves the old one, and the visitor keeps its id', async () => {
    const { site, handler, agent, id } = await begin()
    handler.odd.write = fails
    const { body, setCookies, value } = await site.visit(agent, (session) => {
      session.put('user', 'eve')
      session.regenerate(true)
      return session.getId()
    })
    expect([body, setCookies, codes(site), site.id(agent)]).toEqual(['done', [], [WRITE], id])
    handler.odd = {}
    expect([...handler.map.keys()]).toEqual([id])
    expect((await site.visit(agent, user)).value).toBe('bob')
    expect(handler.map.has(value)).toBe(false)
  })

  test('whose old record cannot be removed tells so, and leaves the visitor the id and the record that there were', async () => {
    const { site, handler, agent, id } = await begin()
    handler.odd.destroy = fails
    const { body, setCookies } = await site.visit(agent, (session) => session.regenerate(true))
    expect([body, setCookies, codes(site), site.id(agent)]).toEqual(['done', [], [WRITE], id])
    handler.odd = {}
    expect((await site.visit(agent, user)).value).toBe('bob')
    await site.visit(agent, (session) => session.regenerate(true))
    expect([handler.map.has(id), (await site.visit(agent, user)).value, codes(site)]).toEqual([false, 'bob', []])
  })

  test('whose old record could not be removed removes it with the next save of the same request', async () => {
    const { site, handler, agent, id } = await begin()
    handler.odd.destroy = fails
    const { value } = await site.visit(agent, async (session) => {
      session.regenerate(true)
      const failed = await session.save().catch((error) => error.code)
      const isThere = handler.map.has(id)
      handler.odd = {}
      return [failed, isThere, await session.save(), handler.map.has(id)]
    })
    expect(value).toEqual([WRITE, true, undefined, false])
    expect([codes(site), [...handler.map.keys()]]).toEqual([[], [site.id(agent)]])
    expect((await site.visit(agent, user)).value).toBe('bob')
  })

  test('whose old record could not be removed by hand removes it when the response ends', async () => {
    const { site, handler, agent, id } = await begin()
    handler.odd.destroy = fails
    await site.visit(agent, async (session) => {
      session.put('n', 1)
      session.regenerate(true)
      await session.save().catch(() => {})
      handler.odd = {}
    })
    expect([codes(site), [...handler.map.keys()], handler.map.has(id)]).toEqual([[], [site.id(agent)], false])
  })
})

describeOurs('a save that failed', () => {
  test('sends no cookie for a session that was never stored', async () => {
    const { site, handler } = await begin()
    handler.odd.write = fails
    const { setCookies, value } = await site.visit(site.agent(), (session) => session.save().catch((error) => error.code))
    expect([value, setCookies]).toEqual([WRITE, []])
  })

  test('and then succeeded in the same request sends the cookie after all', async () => {
    const { site, handler } = await begin()
    const agent = site.agent()
    handler.odd.write = fails
    const { setCookies, value } = await site.visit(agent, async (session) => {
      session.put('user', 'eve')
      const failed = await session.save().catch((error) => error.code)
      handler.odd = {}
      await session.save()
      return failed
    })
    expect([value, setCookies.length, codes(site)]).toEqual([WRITE, 1, []])
    expect((await site.visit(agent, user)).value).toBe('eve')
  })

  test('by hand and succeeds at the end of the response sends the cookie too', async () => {
    const { site, handler } = await begin()
    const agent = site.agent()
    handler.odd.write = fails
    const { setCookies } = await site.visit(agent, async (session) => {
      session.put('user', 'eve')
      await session.save().catch(() => {})
      handler.odd = {}
    })
    expect([setCookies.length, codes(site)]).toEqual([1, []])
    expect((await site.visit(agent, user)).value).toBe('eve')
  })

  test('because of a value sends the cookie once the value is gone', async () => {
    const { site } = await begin()
    const agent = site.agent()
    const { setCookies } = await site.visit(agent, async (session) => {
      session.put({ user: 'eve', bad: 1n })
      await session.save().catch(() => {})
      session.forget('bad')
    })
    expect([setCookies.length, codes(site)]).toEqual([1, []])
    expect((await site.visit(agent, user)).value).toBe('eve')
  })
})

describeOurs('what a handler calls back', () => {
  const foreign = vm.runInNewContext('new Error("database is down")')
  const odd = [
    ['an Error', new Error('database is down')], ['an Error of another realm', foreign], ['an object like an Error', { message: 'database is down' }],
    ['a number', 5], ['true', true], ['a function', () => 'text'], ['a symbol', Symbol('error')], ['a list', ['text']],
    ['an Error without a prototype', Object.create(null)],
  ]

  test('the other realm is another one', () => {
    expect(foreign).not.toBeInstanceOf(Error)
  })

  test.each(odd)('from read, where it is %s, is a read error: no cookie, and nothing is written', async (what, answer) => {
    const { site, handler, agent, id } = await begin()
    const stored = handler.map.get(id)
    handler.odd.read = (callback) => setImmediate(callback, answer)
    const { started, setCookies, body } = await site.visit(agent, user)
    expect([started[0]?.code, setCookies, body]).toEqual(['ERR_SESSION_READ', [], 'done'])
    expect(started[0]).toBeInstanceOf(Error)
    handler.odd = {}
    expect([handler.map.get(id), (await site.visit(agent, user)).value]).toEqual([stored, 'bob'])
  })

  test.each([
    ['a Buffer', Buffer.from(GOOD), 'bob'], ['a String', Object(GOOD), 'bob'], ['a text', GOOD, 'bob'], ['nothing', undefined, undefined],
    ['null', null, undefined], ['false', false, undefined], ['an empty text', '', undefined], ['an empty Buffer', Buffer.alloc(0), undefined],
  ])('from read, where it is %s, is a text or none', async (what, answer, expected) => {
    const { site, handler } = await begin()
    handler.odd.read = (callback) => setImmediate(callback, answer)
    const { started, value } = await site.visit(site.agentFor(freshId()), user)
    expect([started, value]).toEqual([[], expected])
  })

  test.each(odd.concat([['a text', 'database is down']]))('from write, where it is %s, is a write error, whose cause says what the handler said', async (what, answer) => {
    const { site, handler, agent, id } = await begin()
    const stored = handler.map.get(id)
    handler.odd.write = (callback) => setImmediate(callback, answer)
    const { body } = await site.visit(agent, (session) => session.put('user', 'eve'))
    expect([body, site.errors.map((error) => [error.code, error instanceof Error])]).toEqual(['done', [[WRITE, true]]])
    const said = typeof answer === 'string' ? answer : Object(answer).message
    if (said !== undefined) expect(site.errors[0].cause.message).toBe(said)
    expect(handler.map.get(id)).toBe(stored)
  })

  test.each(odd)('from destroy, where it is %s, is an error of the save that had to remove', async (what, answer) => {
    const { site, handler, agent } = await begin()
    handler.odd.destroy = (callback) => setImmediate(callback, answer)
    const { body, setCookies } = await site.visit(agent, (session) => session.regenerate(true))
    expect([body, setCookies, codes(site)]).toEqual(['done', [], [WRITE]])
  })
})

describeOurs('new Store(name, handler), made for a request by the application', () => {
  test('is stored by its handler, and its cookie is signed by the NodeSession', async () => {
    const site = await open(ours, { driver: 'custom', lifetime: 60000 })
    const handler = new MapHandler()
    const made = []
    site.nodeSession.__manager.registerHandler('custom', (config, callback) => {
      const store = new ours.NodeSession.Store('node_session', handler)
      made.push(store)
      callback(store)
    })
    const agent = site.agent()
    const { setCookies, session } = await site.visit(agent, (started) => started.put('user', 'bob'))
    expect(session).toBe(made[0])
    expect(setCookies).toHaveLength(1)
    expect(setCookies[0]).toMatch(/; Max-Age=60;/)
    expect(site.id(agent)).toMatch(ID)
    expect([...handler.map.keys()]).toEqual([site.id(agent)])
    expect((await site.visit(agent, user)).value).toBe('bob')
    expect((await site.visit(agent, (started) => started.regenerate(true))).setCookies).toHaveLength(1)
    expect((await site.visit(agent, user)).value).toBe('bob')
    expect([...handler.map.keys()]).toEqual([site.id(agent)])
  })
})

describeOurs('a request that only reads', () => {
  test('and records its activity by writing what it read does not undo a save that came in between', async () => {
    const { site, handler, agent, id } = await begin({ touchInterval: 0 })
    // The second read of the reader is the one before it writes: it is answered only when the writer has got as far as it can.
    let reads = 0
    let answer
    handler.odd.read = (callback, there) => {
      reads += 1
      const text = handler.map.get(there) || ''
      if (reads === 2) answer = () => callback(text)
      else setImmediate(callback, text)
    }
    const reader = site.visit(agent.twin(), user)
    await until(() => answer)
    let isEnding = false
    const writer = site.visit(agent.twin(), (session, req, res) => {
      session.put('user', 'eve')
      res.end('done')
      isEnding = true
    }, { ends: true })
    await until(() => isEnding)
    for (let i = 0; i < 20; i += 1) await new Promise(setImmediate)
    answer()
    expect((await Promise.all([reader, writer])).map(({ body }) => body)).toEqual(['done', 'done'])
    expect(JSON.parse(handler.map.get(id)).user).toBe('eve')
    expect(codes(site)).toEqual([])
  })
})
