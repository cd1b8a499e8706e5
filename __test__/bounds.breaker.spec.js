'use strict'

/*
 * The circuit breaker: a storage that hangs is left alone after a few calls, so that requests fail at once instead of waiting, and
 * is asked again by and by until it is well (requirements 114–116 of section 3).
 */

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { useHandler } = require('./support/handlers')
const { useHanging, timed } = require('./support/hanging')
const { until } = require('./support/waiting')
const { freshId } = require('./support/cookies')

const TIMEOUT = 'ERR_SESSION_TIMEOUT'
const REFUSED = 'cannot read the session: the storage did not answer lately'
const LIMIT = 400
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 2500
const STORED = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'

const user = (session) => session.get('user')
const code = ({ started }) => started[0] && started[0].code

async function hungSite() {
  const site = await open(ours, { driver: 'custom', readTimeout: LIMIT, saveTimeout: LIMIT })
  const handler = useHanging(site, 'read')
  return { site, handler }
}

/** Lets five requests wait for a handler in vain. */
async function wearOut(site) {
  const visits = Array.from({ length: 5 }, () => site.visit(site.agentFor(freshId())))
  expect((await Promise.all(visits)).map(code)).toEqual(Array(5).fill(TIMEOUT))
}

describeOurs('a handler that hangs', () => {
  test('is called no more after five requests have waited in vain, and the next ones fail at once', async () => {
    const { site, handler } = await hungSite()
    await wearOut(site)
    const asked = handler.kept.length
    const visits = () => Promise.all(Array.from({ length: 50 }, () => site.visit(site.agentFor(freshId()))))
    const [answers] = await timed(visits)
    expect(answers.map(code)).toEqual(Array(50).fill(TIMEOUT))
    expect(answers.map(({ body, setCookies }) => [body, setCookies])).toEqual(Array(50).fill(['done', []]))
    const refused = answers.filter(({ started }) => started[0].message === REFUSED)
    // Pauses of 50 ms and then 100 ms may end meanwhile, and each lets one call through.
    expect(refused.length).toBeGreaterThanOrEqual(40)
    expect(handler.kept.length - asked).toBe(50 - refused.length)
  })

  test('is called again by and by, and one answer is enough for all to go on', async () => {
    const { site, handler } = await hungSite()
    await wearOut(site)
    const agent = site.agentFor(freshId())
    handler.map.set(site.id(agent), STORED)
    handler.release()
    await until(async () => (await site.visit(agent.twin(), user)).value === 'bob')
    const visits = Array.from({ length: 20 }, () => site.visit(agent.twin(), user))
    expect((await Promise.all(visits)).map(({ value }) => value)).toEqual(Array(20).fill('bob'))
  })

  test('does not speak for another handler of the same NodeSession', async () => {
    const { site, handler } = await hungSite()
    await wearOut(site)
    handler.hanging.clear()
    const other = useHanging(site)
    const agent = site.agentFor(freshId())
    other.map.set(site.id(agent), STORED)
    expect((await site.visit(agent, user)).value).toBe('bob')
  })

  test('and calls back with errors instead is not left alone: it does answer', async () => {
    const { site } = await hungSite()
    let asked = 0
    const read = (id, callback) => {
      asked += 1
      callback(new Error('down'))
    }
    const failing = { read, write: (id, text, callback) => callback() }
    useHandler(site, () => failing)
    for (let i = 0; i < 10; i += 1) {
      expect(code(await site.visit(site.agentFor(freshId())))).toBe('ERR_SESSION_READ')
    }
    expect(asked).toBeGreaterThanOrEqual(10)
  })

  test('holds up 200 requests at once for no longer than their time, and the server goes on', async () => {
    const { site, handler } = await hungSite()
    handler.hanging.add('write')
    const visit = (i) => site.visit(i % 2 ? site.agentFor(freshId()) : site.agent(), (session) => session.put('i', i))
    const visits = () => Promise.all(Array.from({ length: 200 }, (_, i) => visit(i)))
    const [answers, took] = await timed(visits)
    expect(took).toBeLessThan(2 * LIMIT + SLACK)
    expect(answers.map(({ status, body }) => [status, body])).toEqual(Array(200).fill([200, 'done']))
    expect(answers.flatMap(({ setCookies }) => setCookies)).toEqual([])
    handler.release()
    const agent = site.agent()
    await until(async () => {
      await site.visit(agent, (session) => session.put('user', 'bob'))
      return agent.cookie() !== undefined
    })
    expect((await site.visit(agent, user)).value).toBe('bob')
  })
})
