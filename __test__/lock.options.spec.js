'use strict'

/*
 * Options `lock`, `lockLease` and `lockWait`, of a NodeSession and of one call of `startSession`.
 */

const { ours, describeOurs } = require('./support/packages')
const { until } = require('./support/waiting')
const { countArrivals, fake, gate, hold, visited } = require('./support/locks')
const { SECRET } = require('./support/cookies')

describeOurs('a lock that only some requests want', () => {
  /** A site that locks no session by itself; `x-options` are those of the call. */
  async function mixed(config) {
    const { site, agent } = await visited({ lock: false, ...config })
    site.serve = (req, res) => {
      const script = site.scripts.get(req.headers['x-script'])
      const options = JSON.parse(req.headers['x-options'] ?? 'null') ?? undefined
      site.nodeSession.startSession(req, res, options, (...args) => script(args, req, res))
    }
    countArrivals(site)
    const wanting = (options) => ({ headers: { 'x-options': JSON.stringify(options) } })
    return { site, agent, wanting }
  }

  test('keeps out those that want it too, and no others', async () => {
    const { site, agent, wanting } = await mixed()
    const go = gate()
    let isThere = false
    const holder = site.visit(agent.twin(), async (session) => {
      isThere = true
      await go.passed
      session.put('locked', 1)
    }, wanting({ lock: true }))
    await until(() => isThere)
    const free = await site.visit(agent.twin(), (session) => session.put('free', 1))
    expect(free.started).toEqual([])
    const late = await site.visit(agent.twin(), () => {}, wanting({ lock: true, lockWait: 30 }))
    expect(late.started[0]).toMatchObject({ code: 'ERR_SESSION_LOCK_TIMEOUT' })
    go.open()
    await holder
    const { value } = await site.visit(agent, (session) => [session.get('locked'), session.get('free')])
    expect(value).toEqual([1, 1])
    expect(site.errors).toEqual([])
  })

  test('can be left out by a request where all others have it', async () => {
    const { site, agent, wanting } = await mixed({ lock: true })
    const holder = await hold(site, agent)
    const free = await site.visit(agent.twin(), () => 'at once', wanting({ lock: false }))
    expect(free.value).toBe('at once')
    holder.open()
    await holder.answer
  })

  test('lasts as long as the request wants', async () => {
    const { site, agent, wanting } = await mixed()
    const go = gate()
    let isThere = false
    const holder = site.visit(agent.twin(), async () => {
      isThere = true
      await go.passed
    }, wanting({ lock: true, lockLease: 50 }))
    await until(() => isThere)
    expect((await site.visit(agent.twin(), () => 'after it', wanting({ lock: true }))).value).toBe('after it')
    go.open()
    await holder
  })

  test('cannot be had by a second call in the same request', async () => {
    const { site, agent } = await visited({ lock: false })
    site.serve = async (req, res) => {
      await site.nodeSession.startSession(req, res)
      const error = await site.nodeSession.startSession(req, res, { lock: true }).catch((reason) => reason)
      await site.nodeSession.startSession(req, res, { lock: false })
      res.end(`${error.code} ${error.message}`)
    }
    expect((await agent.request()).body).toMatch(/^ERR_SESSION_CONFIG .*without a lock/)
  })

  test('is given by a promise too', async () => {
    const { site, agent } = await visited({ lock: false })
    site.serve = async (req, res) => {
      const session = await site.nodeSession.startSession(req, res, { lock: true })
      res.end(session.getId())
    }
    expect((await agent.request()).body).toBe(site.id(agent))
  })
})

describeOurs('options', () => {
  test.each([
    [{ lock: 1 }, 'option `lock` must be true or false'],
    [{ lockLease: 0 }, 'option `lockLease` must be a whole number from 1 to 2147483647'],
    [{ lockWait: 1.5 }, 'option `lockWait` must be a whole number from 1 to 2147483647'],
  ])('%j are refused, by the constructor and by a call', (options, message) => {
    const refusal = { code: 'ERR_SESSION_CONFIG', message }
    expect(() => ours.create({ secret: SECRET, driver: 'memory', ...options })).toThrow(expect.objectContaining(refusal))
    const sessions = ours.create({ secret: SECRET, driver: 'memory' })
    const { request, response } = fake(sessions)
    delete request.session
    expect(() => sessions.startSession(request, response, options, () => {})).toThrow(expect.objectContaining(refusal))
    expect(() => sessions.startSession(request, response, options)).toThrow(expect.objectContaining(refusal))
    expect(request.session).toBe(undefined)
  })

  test.each([
    [{ locked: true }, 'startSession has no option `locked`; it has `lock`, `lockLease` and `lockWait`'],
    ['lock', 'the options of startSession must be an object'],
    [true, 'the options of startSession must be an object'],
  ])('%j is no option of a call', (options, message) => {
    const sessions = ours.create({ secret: SECRET, driver: 'memory' })
    const { request, response } = fake(sessions)
    const refusal = expect.objectContaining({ code: 'ERR_SESSION_CONFIG', message })
    expect(() => sessions.startSession(request, response, options, () => {})).toThrow(refusal)
  })

  test.each([[undefined], [null], [{}], [{ lock: undefined, lockLease: null }]])('%j means those of the NodeSession', (options) => {
    const sessions = ours.create({ secret: SECRET, driver: 'memory' })
    const { request, response } = fake(sessions)
    let isCalled = false
    sessions.startSession(request, response, options, () => {
      isCalled = true
    })
    expect(isCalled).toBe(true)
  })
})
