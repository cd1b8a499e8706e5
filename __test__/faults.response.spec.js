'use strict'

/*
 * Requests and responses out of the ordinary: `req.session` taken away, sessions started twice, ids that must be dead before
 * the answer is out, cookie parsers, tampered cookies (faults B13, B15, B24, B32; requirements 2–5, 16, 19–21, 35, 37, 59, 61).
 */

const cookieParser = require('cookie-parser')

const { ours, describeOurs } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { SECRET, ID, freshId, wire } = require('./support/cookies')

const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'

describeOurs('req.session', () => {
  test.each([
    ['null', () => null], ['undefined', () => undefined], ['an object', () => ({ user: 'eve' })], ['a text', () => 'eve'],
  ])('replaced by %s ends in a whole response; the started session is saved, with a warning', async (what, make) => {
    const site = await openFiles(ours)
    const agent = site.agent()
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { status, body, setCookies } = await site.visit(agent, (session, req) => {
      session.put('user', 'bob')
      req.session = make()
    })
    const warnings = warn.mock.calls
    warn.mockRestore()
    expect([status, body, setCookies.length]).toEqual([200, 'done', 1])
    expect(JSON.parse(site.stored(agent)).user).toBe('bob')
    expect(warnings).toEqual([[expect.stringContaining('req.session'), 'SessionWarning']])
  })

  test('replaced by another session: that one is saved and named in the cookie', async () => {
    const site = await open(ours)
    const agent = site.agent()
    const { value } = await site.visit(agent, async (session, req) => {
      const other = await new Promise((resolve) => { site.nodeSession.getSession({ headers: {} }, resolve) })
      await new Promise((resolve) => { other.start(resolve) })
      other.put('user', 'other')
      req.session = other
      return other.getId()
    })
    expect(site.id(agent)).toBe(value)
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('other')
  })

  test('can be read after the end; what is written then is not kept, and nothing throws', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    let session
    await site.visit(agent, (started) => {
      session = started
      session.put('user', 'bob')
    })
    const stored = site.stored(agent)
    expect([session.get('user'), session.getId(), session.has('x')]).toEqual(['bob', site.id(agent), false])
    for (const late of ['put', 'set', 'push', 'flash']) session[late]('late', 1)
    session.forget('user')
    session.regenerateToken()
    session.flush()
    session.regenerate(true)
    await site.visit(site.agent())
    expect(site.stored(agent)).toBe(stored)
  })

  test('of one request is never that of another, however long it is held', async () => {
    const site = await open(ours)
    const held = []
    for (let i = 0; i < 20; i += 1) {
      await site.visit(site.agent(), (session) => {
        session.put('n', i)
        held.push(session)
      })
    }
    expect(held.map((session) => session.get('n'))).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })
})

describeOurs('an old id', () => {
  test.each(['memory', 'file'])('is dead before the response to regenerate(true) is out, with the %s driver', async (driver) => {
    const site = await open(ours, { driver })
    for (let i = 0; i < 5; i += 1) {
      const agent = site.agent()
      await site.visit(agent, (session) => session.put('user', 'bob'))
      const before = agent.twin()
      await site.visit(agent, (session) => session.regenerate(true))
      const { value } = await site.visit(before, (session) => [session.getId(), session.get('user')])
      expect(value).toEqual([expect.stringMatching(ID), undefined])
      expect([site.id(agent), before.cookie()]).not.toContain(value[0])
      if (driver === 'file') expect(site.names()).toContain(site.id(agent))
    }
  })

  test('chosen by an attacker is never adopted', async () => {
    const site = await openFiles(ours)
    const planted = freshId()
    const victim = site.agentFor(planted)
    await site.visit(victim, (session) => session.put('user', 'victim'))
    expect(site.id(victim)).not.toBe(planted)
    expect(site.names()).toEqual([site.id(victim)])
    expect((await site.visit(site.agentFor(planted), (session) => session.get('user'))).value).toBeUndefined()
  })

  test('with a bad signature costs no look into the storage', async () => {
    const site = await open(ours, { driver: 'custom' })
    const reads = []
    const manager = site.nodeSession.__manager
    manager.registerHandler('custom', (config, callback) => callback(manager.__buildSession({
      read: (id, done) => { reads.push(id); done('') },
      write: (id, text, done) => done(),
      destroy: (id, done) => { if (done) done() },
    })))
    const bad = freshId()
    await site.visit(site.agentFor(bad, 'another secret'))
    expect(reads).not.toContain(bad)
  })
})

describeOurs('a cookie parser', () => {
  /** A site behind cookie-parser; `secret` is the parser's. */
  const behind = (secret) => openFiles(ours, {}, { before: (req, res) => cookieParser(secret)(req, res, () => {}) })
  const user = async (site, agent, options) => (await site.visit(agent, (session) => session.get('user'), options)).value

  test.each([['with our secret', SECRET], ['without a secret', undefined], ['with another secret', 'another'],
    ['with several secrets', ['another', SECRET]]])('%s does not hide the session', async (what, secret) => {
    const site = await behind(secret)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    expect(await user(site, agent)).toBe('bob')
    expect(site.names()).toHaveLength(1)
  })

  test('never brings in a cookie that is not signed', async () => {
    const site = await behind(SECRET)
    const id = site.id(site.plant(GOOD))
    for (const value of [id, `s%3A${id}`, `s%3A${id}.`, `j%3A%22${id}%22`, wire(id, 'another')]) {
      expect(await user(site, site.agent(), { cookie: `node_session=${value}` })).toBeUndefined()
    }
    expect(await user(site, site.agent(), { cookie: `node_session=${wire(id)}` })).toBe('bob')
  })

  const odd = [null, 5, 'text', [], { node_session: 5 }, { node_session: { a: 1 } }, { node_session: 'short' }, { node_session: false }]
  test.each(odd.map((given) => [given]))(
    'that leaves %j as signedCookies does not hide the session', async (signedCookies) => {
      const site = await openFiles(ours, {}, { before: (req) => { req.signedCookies = signedCookies } })
      expect(await user(site, site.plant(GOOD))).toBe('bob')
    })
})

describeOurs('a Cookie header', () => {
  test.each([
    ['of 12 kB of our name', `${'node_session=x; '.repeat(750)}`], ['of 12 kB of equals signs', '='.repeat(12000)],
    ['of 12 kB of semicolons', ';'.repeat(12000)], ['of 12 kB of percent signs', `node_session=${'%'.repeat(12000)}`],
    ['of 12 kB of quotes', `node_session=${'"'.repeat(12000)}`], ['of 12 kB of dots', `node_session=s:${'.'.repeat(12000)}`],
    ['with bytes above ASCII', 'node_session=s%3A\u00e9\u00ff.x'], ['with broken percent codes', 'node_session=%s%3A%zz'],
  ])('%s gives a fresh session', async (what, cookie) => {
    const site = await open(ours)
    const { status, value, setCookies } = await site.visit(site.agent(), (session) => session.getId(), { cookie })
    expect([status, setCookies.length]).toEqual([200, 1])
    expect(value).toMatch(ID)
  })

  test('with every change of one character of a good cookie is refused', async () => {
    const site = await openFiles(ours)
    const agent = site.plant(GOOD)
    const good = decodeURIComponent(agent.cookie())
    const accepted = []
    for (let at = 0; at < good.length; at += 1) {
      const other = good[at] === 'A' ? 'B' : 'A'
      const cookie = `node_session=${encodeURIComponent(good.slice(0, at) + other + good.slice(at + 1))}`
      if ((await site.visit(site.agent(), (session) => session.get('user'), { cookie })).value === 'bob') accepted.push(at)
    }
    expect(accepted).toEqual([])
  })
})

describeOurs('ends in every order', () => {
  const steps = {
    write: (res) => res.write('w'),
    header: (res) => { if (!res.headersSent) res.setHeader('x-a', '1') },
    head: (res) => { if (!res.headersSent) res.writeHead(200, { 'x-b': '1' }) },
    flush: (res) => res.flushHeaders(),
    end: (res) => res.end('e'),
    empty: (res) => res.end(),
  }
  const orders = [
    'end', 'empty', 'end end', 'empty end', 'end empty', 'write end', 'write write end', 'write end end', 'write empty', 'head end',
    'head write end', 'head empty end', 'header end', 'header head end', 'header head write end', 'flush end', 'flush write end',
    'header flush end', 'flush flush end', 'head flush end', 'flush header end', 'write flush end', 'write header end',
    'write head end', 'end flush', 'end header', 'end head', 'end end end', 'head write write empty', 'header write header end',
  ]
  test.each(orders)('%s: one cookie, the session saved, the body until the first end', async (order) => {
    const site = await openFiles(ours)
    const agent = site.agent()
    const names = order.split(' ')
    const { body, setCookies } = await site.visit(agent, (session, req, res) => {
      session.put('order', order)
      for (const name of names) steps[name](res)
    }, { ends: true })
    const until = names.findIndex((name) => name === 'end' || name === 'empty')
    const expected = names.slice(0, until + 1).map((name) => ({ write: 'w', end: 'e' })[name] || '').join('')
    expect([body, setCookies.length]).toEqual([expected, 1])
    expect((await site.visit(agent, (session) => session.get('order'))).value).toBe(order)
    expect(site.errors).toEqual([])
  })
})

describeOurs('startSession', () => {
  test('without its NodeSession says how to call it, and holds no response', () => {
    const { startSession } = ours.NodeSession.prototype
    expect(() => startSession({ headers: {} }, {}, () => {})).toThrow(/sessions\.startSession\(req, res, next\)/)
  })
})
