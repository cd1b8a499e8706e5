'use strict'

/*
 * Log-out and new ids: what ends a session ends it for good, however many slower requests are still using it (G4), and the
 * cookie and the store agree. Each on every embedded driver, sealed and plain.
 */

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { gate, until } = require('./support/waiting')

const FORMS = [
  ['memory', {}],
  ['memory, sealed', { encrypt: true }],
  ['file', { driver: 'file' }],
  ['file, sealed', { driver: 'file', encrypt: true }],
  ['sqlite', { driver: 'database' }],
  ['sqlite, sealed', { driver: 'database', encrypt: true }],
]

/** A site with a visitor who has logged in, and what the NodeSession has told since. */
async function loggedIn(config) {
  const site = await open(ours, config)
  const agent = site.agent()
  await site.visit(agent, (session) => session.put({ user: { id: 1, name: 'Ann' }, cart: { items: [1] } }))
  const told = []
  for (const event of ['gone', 'conflict', 'error']) site.nodeSession.on(event, (error) => told.push([event, error.code]))
  return { site, agent, told }
}

/** A request of the same visitor that has loaded the session, and goes on when it is released. */
function slower(site, agent, act) {
  const [loaded, release] = [gate(), gate()]
  const answer = site.visit(agent.twin(), async (session, req, res) => {
    loaded.open()
    await release.opened
    return act(session, req, res)
  })
  return { loaded: loaded.opened, finish: () => { release.open(); return answer } }
}

const ENDS = {
  destroy: (session) => session.destroy(),
  invalidate: (session) => session.invalidate(),
  'regenerate(true)': (session) => { session.flush(); session.regenerate(true) },
}

describeOurs('a log-out', () => {
  describe.each(FORMS)('on %s', (_, config) => {
    test.each(Object.keys(ENDS))('by %s is not undone by a slower request, which is told so', async (how) => {
      const { site, agent, told } = await loggedIn(config)
      const old = agent.twin()
      const slow = slower(site, agent, (session) => session.put('seen', true))
      await slow.loaded
      await site.visit(agent.twin(), ENDS[how])
      const late = await slow.finish()
      expect([late.body, late.setCookies, told]).toEqual(['done', [], [['gone', 'ERR_SESSION_GONE']]])
      const { value } = await site.visit(old, (session) => [session.get('user'), session.get('seen')])
      expect(value).toEqual([undefined, undefined])
    })

    test.each(Object.keys(ENDS))('by %s is not answered with the old id by a slower request that only reads', async (how) => {
      const { site, agent, told } = await loggedIn(config)
      const slow = slower(site, agent, (session) => session.get('user.name'))
      await slow.loaded
      await site.visit(agent.twin(), ENDS[how])
      const { value, setCookies } = await slow.finish()
      expect([value, setCookies, told]).toEqual(['Ann', [], []])
    })

    test('by destroy takes the cookie away, and what is put afterwards is not stored', async () => {
      const { site, agent } = await loggedIn(config)
      const old = agent.twin()
      const ended = await site.visit(agent, async (session) => {
        const result = await session.destroy()
        session.put('late', 1)
        return [result, session.get('user')]
      })
      expect(ended.value).toEqual([undefined, undefined])
      expect(ended.setCookies).toHaveLength(1)
      expect(ended.setCookies[0]).toMatch(/^node_session=; Max-Age=0; Path=\/; .*Expires=Thu, 01 Jan 1970 00:00:00 GMT/)
      expect(agent.cookie()).toBeUndefined()
      const { value } = await site.visit(old, (session) => session.all())
      expect(Object.keys(value)).toEqual(['_token'])
    })

    test('by invalidate goes on with a new id, a new token and nothing else', async () => {
      const { site, agent } = await loggedIn(config)
      const { value: before } = await site.visit(agent, (session) => [session.getId(), session.getToken()])
      const { value: during } = await site.visit(agent, async (session) => {
        await session.invalidate()
        session.put('goodbye', true)
        return [session.getId(), session.getToken(), session.get('user')]
      })
      const { value: after } = await site.visit(agent, (session) => [session.getId(), session.getToken(), session.get('goodbye')])
      expect([during[2], after[2]]).toEqual([undefined, true])
      expect(after.slice(0, 2)).toEqual(during.slice(0, 2))
      expect(during[0]).not.toBe(before[0])
      expect(during[1]).not.toBe(before[1])
    })

    test('of two that happen at once, one new session is left and the other visitor gets no cookie', async () => {
      const { site, agent, told } = await loggedIn(config)
      const act = (session) => { session.regenerate(true) }
      const [one, two] = [slower(site, agent, act), slower(site, agent, act)]
      await Promise.all([one.loaded, two.loaded])
      const answers = await Promise.all([one.finish(), two.finish()])
      expect(answers.map(({ setCookies }) => setCookies.length).sort()).toEqual([0, 1])
      expect(told).toEqual([['gone', 'ERR_SESSION_GONE']])
      expect(site.nodeSession.stats()).toMatchObject({ destroyed: 1 })
    })

    test('a new id takes along what other requests stored meanwhile, and leaves nothing under the old one', async () => {
      const { site, agent, told } = await loggedIn(config)
      const old = agent.twin()
      const twin = agent.twin()
      const login = slower(site, agent, (session) => { session.put('user.name', 'Bea'); session.regenerate(true) })
      await login.loaded
      await site.visit(twin, (session) => { session.put('user.email', 'a@b'); session.push('cart.items', 2) })
      const { setCookies } = await login.finish()
      const visitor = site.agent()
      visitor.keep(setCookies[0])
      const { value } = await site.visit(visitor, (session) => [session.get('user'), session.get('cart')])
      expect(value).toEqual([{ id: 1, name: 'Bea', email: 'a@b' }, { items: [1, 2] }])
      const { value: left } = await site.visit(old, (session) => session.get('user'))
      expect([left, told]).toEqual([undefined, []])
    })

    test('a change in place to what was forgotten meanwhile is dropped, and told', async () => {
      const { site, agent, told } = await loggedIn(config)
      const slow = slower(site, agent, (session) => { session.get('user').name = 'Eve'; session.put('n', 1) })
      await slow.loaded
      await site.visit(agent.twin(), (session) => session.forget('user'))
      await slow.finish()
      const { value } = await site.visit(agent, (session) => [session.get('user'), session.get('n')])
      expect([value, told]).toEqual([[undefined, 1], [['conflict', 'ERR_SESSION_GONE']]])
    })
  })

  test('regenerate and migrate return true without a callback, and call back when the session is saved', async () => {
    const { site, agent } = await loggedIn({})
    for (const method of ['regenerate', 'migrate']) {
      const { value } = await site.visit(agent, async (session) => {
        const returned = [session[method](), session[method](true)]
        const before = session.getId()
        const given = await new Promise((resolve) => { session[method]((...args) => resolve(args)) })
        const again = await new Promise((resolve) => { session[method](false, (...args) => resolve(args)) })
        return [returned, given, again, session.getId() !== before]
      })
      expect(value).toEqual([[true, true], [], [], true])
      const { value: user } = await site.visit(agent, (session) => session.get('user.name'))
      expect(user).toBe('Ann')
    }
  })

  test('regenerate(callback) after the head has left is an error; invalidate then empties the session under its id', async () => {
    const { site, agent } = await loggedIn({})
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { value } = await site.visit(agent, async (session, req, res) => {
      res.write('head')
      const id = session.getId()
      const error = await new Promise((resolve) => { session.regenerate(resolve) })
      await session.invalidate()
      return [error.code, session.getId() === id]
    })
    warn.mockRestore()
    const after = await site.visit(agent, (session) => session.get('user'))
    expect([value, after.value]).toEqual([['ERR_SESSION_WRITE', true], undefined])
  })

  test('destroy after the head has left still removes the record', async () => {
    const { site, agent } = await loggedIn({ driver: 'file' })
    const old = agent.twin()
    await site.visit(agent, async (session, req, res) => {
      res.write('head')
      await session.destroy()
    })
    const { value } = await site.visit(old, (session) => session.get('user'))
    expect(value).toBeUndefined()
  })

  test('destroy called twice, invalidate after destroy, and a save after both change nothing more', async () => {
    const { site, agent, told } = await loggedIn({ driver: 'file' })
    await site.visit(agent, async (session) => {
      await session.destroy()
      await session.destroy()
      await session.invalidate()
      session.put('a', 1)
      await session.save()
    })
    expect([agent.cookie(), told]).toEqual([undefined, []])
    expect(site.nodeSession.stats()).toMatchObject({ created: 1 })
  })

  test('a session destroyed while it streams is not announced again', async () => {
    const { site, agent } = await loggedIn({})
    const slow = slower(site, agent, (session, req, res) => { res.write('late head') })
    await slow.loaded
    await site.visit(agent.twin(), (session) => session.destroy())
    const { setCookies } = await slow.finish()
    expect(setCookies).toEqual([])
  })
})

describeOurs('increment', () => {
  test('gives the sum, counts every overlapping request, and refuses what is no number', async () => {
    const site = await open(ours, { driver: 'file' })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put({ text: '5', none: null }))
    const all = gate()
    let waiting = 0
    const answers = Array.from({ length: 20 }, () => site.visit(agent.twin(), async (session) => {
      waiting += 1
      await all.opened
      return [session.increment('n'), session.increment('deep.n', 2), session.decrement('none', 0.5)]
    }))
    await until(() => waiting === 20)
    all.open()
    for (const { value } of await Promise.all(answers)) expect(value).toEqual([1, 2, -0.5])
    const { value } = await site.visit(agent, (session) => [session.get('n'), session.get('deep.n'), session.get('none')])
    expect(value).toEqual([20, 40, -10])
    const { value: refused } = await site.visit(agent, (session) => ['text', 'deep'].map((key) => {
      try {
        return session.increment(key)
      } catch (error) {
        return error instanceof TypeError && error.message
      }
    }))
    expect(refused).toEqual(Array(2).fill('only a number can be incremented in the session'))
    await site.visit(agent, (session) => {
      expect(() => session.increment('n', '1')).toThrow(TypeError)
      expect(() => session.increment('n', NaN)).toThrow(TypeError)
      expect(() => session.decrement('n', Infinity)).toThrow(TypeError)
      expect(session.get('n')).toBe(20)
    })
  })
})
