'use strict'

/*
 * Saves by hand that are still under way when the request goes on: the session gets a new id, is destroyed, or its response ends.
 * And heads that leave before the end. Nothing is lost, nothing is told too early, and what is over stays over.
 */

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { useHanging } = require('./support/hanging')
const { until, gate } = require('./support/waiting')
const { idOf, parseSetCookie } = require('./support/cookies')

/** A site over a handler that can be told to keep its callbacks, with a visitor, and what the NodeSession has told since. */
async function hangingSite(config) {
  const site = await open(ours, { driver: 'custom', ...config })
  const handler = useHanging(site)
  const agent = site.agent()
  await site.visit(agent, (session) => session.put('seed', 1))
  const told = []
  for (const event of ['gone', 'conflict', 'error']) site.nodeSession.on(event, (error) => told.push([event, error.code]))
  return { site, handler, agent, told }
}

/** Begins `work`, and goes on when the handler has been asked for `method` by it. */
async function begun(handler, method, work) {
  handler.hanging.add(method)
  const { length } = handler.kept
  const working = work()
  await until(() => handler.kept.length > length)
  return { working }
}

const stored = (handler) => [...handler.map.values()].map((text) => JSON.parse(text))

describeOurs('a save by hand that is under way', () => {
  const RENAMES = {
    'a stored session': (agent) => agent,
    'a new session': (_, site) => site.agent(),
  }

  test.each(Object.keys(RENAMES))('leaves %s to the id that it is given meanwhile', async (which) => {
    const { site, handler, agent, told } = await hangingSite()
    const visitor = RENAMES[which](agent, site)
    const { setCookies } = await site.visit(visitor, async (session) => {
      session.put('user', 'ann')
      const { working } = await begun(handler, 'write', () => session.save())
      session.regenerate(true)
      handler.release()
      await working
      session.put('after', 1)
    })
    const { value } = await site.visit(visitor, (session) => [session.get('user'), session.get('after')])
    expect([setCookies.length, value, told]).toEqual([1, ['ann', 1], []])
    expect(stored(handler).filter((session) => session.user === 'ann')).toHaveLength(1)
  })

  test('of a new id leaves the session to yet another one that it is given meanwhile', async () => {
    const { site, handler, agent, told } = await hangingSite()
    await site.visit(agent, async (session) => {
      const { working } = await begun(handler, 'write', () => new Promise((done) => { session.regenerate(done) }))
      session.regenerate(true)
      handler.release()
      expect(await working).toBeUndefined()
    })
    expect((await site.visit(agent, (session) => session.get('seed'))).value).toBe(1)
    expect([told, handler.map.size]).toEqual([[], 1])
  })

  test('is waited for by an end that has nothing more to store', async () => {
    const { site, handler, agent } = await hangingSite()
    const other = await open(ours)
    const order = []
    handler.hanging.add('write')
    const visit = site.visit(agent, (session) => {
      session.put('user', 'ann')
      session.save(() => order.push('saved'))
    }).then(() => order.push('answered'))
    await until(() => handler.kept.length === 1)
    await other.visit(other.agent())
    handler.release()
    await visit
    expect(order).toEqual(['saved', 'answered'])
    expect(handler.calls.filter(([method, , text]) => method === 'write' && text.includes('ann'))).toHaveLength(1)
  })

  test('does not bring a destroyed session back, nor its cookie, even when the destroy fails', async () => {
    const { site, handler, agent, told } = await hangingSite()
    const old = agent.twin()
    handler.destroy = (id, callback) => callback(new Error('not now'))
    const { setCookies } = await site.visit(agent, async (session) => {
      session.put('user', 'ann')
      const { working } = await begun(handler, 'write', () => session.save())
      const destroying = session.destroy().catch((error) => error.code)
      handler.release()
      await working.catch(() => {})
      expect(await destroying).toBe('ERR_SESSION_WRITE')
    })
    expect(setCookies.map((cookie) => parseSetCookie(cookie).value)).toEqual([''])
    delete handler.destroy
    await site.visit(old, (session) => session.destroy())
    expect([handler.map.size, told.filter(([event]) => event === 'gone')]).toEqual([0, []])
  })

  test('of a session that was not started makes no record after a destroy', async () => {
    const { site, handler, agent } = await hangingSite()
    const request = { headers: { cookie: agent.cookieHeader() } }
    handler.map.clear()
    const session = await new Promise((resolve) => { site.nodeSession.getSession(request, resolve) })
    session.put('user', 'ann')
    const saving = session.save().catch((error) => error.code)
    await session.destroy()
    expect([await saving, handler.map.size]).toEqual(['ERR_SESSION_GONE', 0])
  })

  test('destroyed while it is serialised, a session stays destroyed', async () => {
    const site = await open(ours)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'ann'))
    const old = agent.twin()
    await site.visit(agent, (session) => {
      session.put('trap', { toJSON: () => { session.destroy() } })
    })
    expect(agent.cookie()).toBeUndefined()
    expect((await site.visit(old, (session) => session.get('user'))).value).toBeUndefined()
  })

  test('and whose record was made although it was given up does not count or append twice', async () => {
    const { site, handler } = await hangingSite({ saveTimeout: 60 })
    const agent = site.agent()
    const silent = (id, text) => { handler.map.set(id, text) }
    const { value: code } = await site.visit(agent, async (session) => {
      session.push('list', 1)
      session.increment('n')
      handler.write = silent
      const error = await session.save().catch((thrown) => thrown)
      delete handler.write
      session.put('after', 1)
      return error.code
    })
    const { value } = await site.visit(agent, (session) => [session.get('list'), session.get('n'), session.get('after')])
    expect([code, value]).toEqual(['ERR_SESSION_TIMEOUT', [[1], 1, 1]])
  })
})

describeOurs('a head that leaves before the end', () => {
  test('with a new id: a request that comes with it before its record is there finds the session', async () => {
    for (let turn = 0; turn < 8; turn += 1) {
      const { site, handler, agent } = await hangingSite()
      const [head, over] = [gate(), gate()]
      let next
      const streaming = site.visit(agent, async (session, req, res) => {
        handler.hanging.add('write')
        session.regenerate(true)
        res.write('x')
        next = site.agentFor(idOf(parseSetCookie(res.getHeader('set-cookie')[0]).value))
        await until(() => handler.kept.length === 1)
        head.open()
        await over.opened
      })
      await head.opened
      const early = site.visit(next, (session) => session.get('seed'))
      await until(() => site.scripts.size >= 3)
      handler.release()
      expect((await early).value).toBe(1)
      over.open()
      await streaming
    }
  })

  test('with a new id: what was flashed can still be shown by the request, and goes with it', async () => {
    const site = await open(ours, { driver: 'file' })
    const agent = site.agent()
    await site.visit(agent, (session) => session.flash('notice', 'hello'))
    const { value } = await site.visit(agent, (session, req, res) => {
      session.regenerate(true)
      res.write('head')
      return session.get('notice')
    })
    const { value: after } = await site.visit(agent, (session) => session.get('notice'))
    expect([value, after]).toEqual(['hello', undefined])
  })

  test('of a new session: what another request flashes meanwhile goes after one request', async () => {
    const site = await open(ours)
    const agent = site.agent()
    const [head, over] = [gate(), gate()]
    const next = site.agent()
    const streaming = site.visit(agent, async (session, req, res) => {
      session.put('a', 1)
      res.write('x')
      next.keep(res.getHeader('set-cookie')[0])
      head.open()
      await over.opened
      session.put('b', 1)
    })
    await head.opened
    await site.visit(next, (session) => session.flash('message', 'hello'))
    over.open()
    await streaming
    const seen = []
    for (let turn = 0; turn < 2; turn += 1) seen.push((await site.visit(next, (session) => session.get('message'))).value)
    expect(seen).toEqual(['hello', undefined])
  })
})

test('a slower save of an id that another request gave up for a new one does not send the old id again', async () => {
  const site = await open(ours)
  const agent = site.agent()
  await site.visit(agent, (session) => session.put('seed', 1))
  const [loaded, renamed] = [gate(), gate()]
  const slow = site.visit(agent.twin(), async (session) => {
    loaded.open()
    await renamed.opened
    session.put('late', 1)
  })
  await loaded.opened
  await site.visit(agent, (session) => { session.regenerate() })
  renamed.open()
  expect((await slow).setCookies).toEqual([])
})
