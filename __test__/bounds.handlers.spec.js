'use strict'

/*
 * Handlers that never call back, or too late: every request is answered within `readTimeout` and `saveTimeout`, nothing is torn
 * and nothing is left behind (requirements 116, 120, 121, 126; row B of issue 3's bounds).
 */

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { useHanging, timed } = require('./support/hanging')
const { until } = require('./support/waiting')
const { freshId } = require('./support/cookies')

const TIMEOUT = 'ERR_SESSION_TIMEOUT'
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 1500
const STORED = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'

async function hangingSite(hanging, config) {
  const site = await open(ours, { driver: 'custom', ...config })
  const handler = useHanging(site, ...hanging)
  return { site, handler, agent: site.agentFor(freshId()) }
}

describeOurs('a handler that does not call back', () => {
  test('from read: startSession has the error within readTimeout, and the session is detached', async () => {
    const { site, handler, agent } = await hangingSite(['read'], { readTimeout: 150 })
    const [{ started, setCookies, body }, took] = await timed(() => site.visit(agent))
    expect([started[0].code, setCookies, body]).toEqual([TIMEOUT, [], 'done'])
    expect(started[0].message).toBe('cannot read the session: the storage did not answer within 150 ms')
    expect(took).toBeGreaterThanOrEqual(140)
    expect(took).toBeLessThan(150 + SLACK)
    handler.release()
    expect((await site.visit(agent.twin(), () => {})).started).toEqual([])
  })

  test('from write: the response comes within saveTimeout, without the cookie of a session that is not stored', async () => {
    const { site } = await hangingSite(['write'], { saveTimeout: 150 })
    const visit = () => site.visit(site.agent(), (session) => session.put('user', 'bob'))
    const [{ status, body, setCookies }, took] = await timed(visit)
    expect([status, body, setCookies]).toEqual([200, 'done', []])
    expect(site.errors.map((error) => error.code)).toEqual([TIMEOUT])
    expect(site.errors[0].message).toBe('cannot save the session: the storage did not answer within 150 ms')
    expect(took).toBeGreaterThanOrEqual(140)
    expect(took).toBeLessThan(150 + SLACK)
  })

  test('answers 500 with strictSave', async () => {
    const { site } = await hangingSite(['write'], { saveTimeout: 50, strictSave: true })
    expect((await site.visit(site.agent(), (session) => session.put('user', 'bob'))).status).toBe(500)
  })

  test('from write: save() by hand rejects, and the end of the same request stores the change once it is well', async () => {
    const { site, handler } = await hangingSite(['write'], { saveTimeout: 50 })
    const agent = site.agent()
    const { value } = await site.visit(agent, async (session) => {
      session.put('user', 'bob')
      const error = await session.save().catch((thrown) => thrown)
      handler.hanging.clear()
      return error.code
    })
    expect(value).toBe(TIMEOUT)
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
    expect(site.errors).toEqual([])
  })

  test('from read, and then calls back: nothing is written for the save that was given up', async () => {
    const { site, handler, agent } = await hangingSite([], { saveTimeout: 50 })
    handler.map.set(site.id(agent), STORED)
    await site.visit(agent, (session) => {
      session.put('user', 'eve')
      handler.hanging.add('read')
    })
    expect(site.errors.map((error) => error.code)).toEqual([TIMEOUT])
    handler.map.delete(site.id(agent))
    handler.release()
    await new Promise((resolve) => { setImmediate(resolve) })
    expect(handler.map.has(site.id(agent))).toBe(false)
    expect(handler.calls.map(([method]) => method)).not.toContain('write')
  })

  test('from write, and carries it out after the session was destroyed: it does not come back', async () => {
    const { site, handler, agent } = await hangingSite([], { saveTimeout: 50 })
    handler.map.set(site.id(agent), STORED)
    const id = site.id(agent)
    handler.hanging.add('write')
    await site.visit(agent.twin(), (session) => session.put('user', 'eve'))
    expect(site.errors.map((error) => error.code)).toEqual([TIMEOUT])
    handler.hanging.clear()
    await site.visit(agent, (session) => session.destroy())
    expect(handler.map.has(id)).toBe(false)
    const destroyed = () => handler.calls.filter(([method]) => method === 'destroy').length
    expect(destroyed()).toBe(1)
    handler.release()
    await until(() => destroyed() === 2)
    expect(handler.map.has(id)).toBe(false)
    expect((await site.visit(agent.twin(), (session) => session.get('user'))).value).toBeUndefined()
  })

  test('to many saves of one session: none of them is held up for longer than one', async () => {
    const { site, handler, agent } = await hangingSite([], { saveTimeout: 300 })
    handler.map.set(site.id(agent), STORED)
    handler.hanging.add('write')
    const visits = Array.from({ length: 20 }, (_, i) => site.visit(agent.twin(), (session) => session.put(`k${i}`, i)))
    const [, took] = await timed(() => Promise.all(visits))
    expect(took).toBeLessThan(300 + SLACK)
    expect(site.errors.map((error) => error.code)).toEqual(Array(20).fill(TIMEOUT))
    handler.release()
    expect((await site.visit(agent, (session) => session.put('user', 'ann'))).body).toBe('done')
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('ann')
  })
})

describeOurs('a driver function that does not call back', () => {
  test('gives startSession an error within readTimeout, and what it calls back with later is ignored', async () => {
    const site = await open(ours, { driver: 'custom', readTimeout: 100 })
    const manager = site.nodeSession.__manager
    let callBack
    manager.registerHandler('custom', (config, callback) => { callBack = () => callback(manager.__buildSession({})) })
    const [{ started, body }, took] = await timed(() => site.visit(site.agent(), () => callBack()))
    expect([started[0].code, body]).toEqual([TIMEOUT, 'done'])
    expect(started[0].message).toContain('`custom`')
    expect(took).toBeLessThan(100 + SLACK)
  })
})
