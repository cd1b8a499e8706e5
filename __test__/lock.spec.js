'use strict'

/*
 * Lock mode within one process: the requests of one session take turns, in order, for at most as long as they may
 * (requirements 102 to 104, 106, 120; design.md G7). Across processes:
 * lock.processes.spec.js; what a call may want: lock.options.spec.js.
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { MapHandler, useHandler } = require('./support/handlers')
const { until } = require('./support/waiting')
const { arrive, fake, gate, hold, raw, visited, wireOf } = require('./support/locks')
const { SECRET } = require('./support/cookies')

const OVERLAPPING = 50

const KINDS = [
  ['memory', () => open(ours, { driver: 'memory', lock: true })],
  ['memory, sealed', () => open(ours, { driver: 'memory', lock: true, encrypt: true })],
  ['file', () => open(ours, { driver: 'file', lock: true })],
  ['file, sealed', () => open(ours, { driver: 'file', lock: true, encrypt: true })],
  ['database', () => open(ours, { driver: 'database', lock: true })],
  ['database, sealed', () => open(ours, { driver: 'database', lock: true, encrypt: true })],
  ['an encrypter of the application', () => open(ours, { lock: true, encrypt: true }, { encrypter: mirror })],
  ['a handler of the application', async () => {
    const site = await open(ours, { driver: 'custom', lock: true })
    const handler = new MapHandler()
    useHandler(site, () => handler)
    return site
  }],
]

const mirror = {
  encrypt: (text) => [...text].reverse().join(''),
  decrypt: (text) => [...text].reverse().join(''),
}

describeOurs.each(KINDS)('over %s', (name, make) => {
  test('overlapping requests that read, let others run and write lose no count', async () => {
    const site = await make()
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('n', 0))
    const count = async (session) => {
      const n = session.get('n')
      await new Promise(setImmediate)
      session.put('n', n + 1)
      return n
    }
    const answers = await Promise.all(Array.from({ length: OVERLAPPING }, () => site.visit(agent.twin(), count)))
    const { value } = await site.visit(agent, (session) => session.get('n'))
    expect(value).toBe(OVERLAPPING)
    expect(answers.map((answer) => answer.value).sort((a, b) => a - b)).toEqual([...Array(OVERLAPPING).keys()])
    expect(site.errors).toEqual([])
  })
})

describeOurs('turns', () => {
  test('come in the order in which the requests came', async () => {
    const { site, agent } = await visited()
    const holder = await hold(site, agent)
    const order = []
    const waiting = []
    for (let n = 0; n < 6; n += 1) waiting.push((await arrive(site, agent, () => order.push(n))).answer)
    expect(order).toEqual([])
    holder.open()
    await Promise.all([holder.answer, ...waiting])
    expect(order).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('are a matter of one session: another never waits', async () => {
    const { site, agent } = await visited()
    const other = site.agent()
    await site.visit(other)
    const holder = await hold(site, agent)
    const { value } = await site.visit(other, () => 'at once')
    expect(value).toBe('at once')
    holder.open()
    await holder.answer
  })

  test('do not make a free session of the memory driver start later than startSession returns', () => {
    const sessions = ours.create({ secret: SECRET, driver: 'memory', lock: true })
    const { session, call } = fake(sessions)
    session.save()
    let isStarted = false
    call({ headers: { cookie: wireOf(sessions, session) } }, () => {
      isStarted = true
    })
    expect(isStarted).toBe(true)
  })

  test('last until the response has ended: not until save(), not until its head has left', async () => {
    const { site, agent } = await visited()
    const saved = gate()
    const script = async (session, req, res) => {
      session.put('a', 1)
      await session.save()
      res.write('some')
      saved.open()
      await go.passed
      session.put('b', 2)
    }
    const go = gate()
    const first = site.visit(agent.twin(), script)
    await saved.passed
    let ran = false
    const second = await arrive(site, agent, (session) => {
      ran = true
      return [session.get('a'), session.get('b')]
    })
    for (let n = 0; n < 20; n += 1) await new Promise(setImmediate)
    expect(ran).toBe(false)
    go.open()
    await first
    expect((await second.answer).value).toEqual([1, 2])
  })

  test('end when a handler throws and the error handler answers', async () => {
    const { site, agent } = await visited()
    await expect(site.visit(agent, () => {
      throw new Error('the application broke')
    })).rejects.toThrow('broke')
    expect((await site.visit(agent, () => 'next')).value).toBe('next')
  })

  test('end when a save fails', async () => {
    const { site, agent } = await visited()
    await site.visit(agent, (session) => session.put('big', 1n))
    expect(site.errors.map((error) => error.code)).toEqual(['ERR_SESSION_SERIALIZE'])
    expect((await site.visit(agent, (session) => session.get('big', 'none'))).value).toBe('none')
  })

  test('end when the session was given a new id', async () => {
    const { site, agent } = await visited()
    const old = agent.twin()
    const holder = await arrive(site, agent, (session) => session.regenerate(true))
    const late = await arrive(site, old, (session) => session.getId())
    await holder.answer
    expect((await late.answer).value).not.toBe(site.id(old))
    expect(site.errors).toEqual([])
  })

  test('end when the session was destroyed, and the next gets a new one', async () => {
    const { site, agent } = await visited()
    const old = agent.twin()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const holder = await arrive(site, agent, (session) => session.destroy())
    const late = await arrive(site, old, (session) => [session.getId(), session.get('user', 'nobody')])
    await holder.answer
    const [id, user] = (await late.answer).value
    expect([id === site.id(old), user]).toEqual([false, 'nobody'])
    expect(site.errors).toEqual([])
  })

  test('do not keep a request out that has no session yet', async () => {
    const { site, agent } = await visited({ driver: 'file' })
    const holder = await hold(site, agent)
    const { started } = await site.visit(site.agent(), (session) => session.put('a', 1))
    expect(started).toEqual([])
    holder.open()
    await holder.answer
  })

  test('leave nothing on disk when the last byte has left', async () => {
    const { site, agent } = await visited({ driver: 'file' })
    const locks = path.join(site.files, '.locks')
    expect(fs.existsSync(locks)).toBe(false)
    const { value } = await site.visit(agent, () => fs.readdirSync(locks))
    expect(value).toEqual([site.id(agent)])
    expect(fs.readdirSync(locks)).toEqual([])
  })
})

describeOurs('a request that waits', () => {
  test('is told after lockWait, detached, and sends no cookie', async () => {
    const { site, agent } = await visited({ lockWait: 60 })
    const holder = await hold(site, agent)
    const began = Date.now()
    const late = await site.visit(agent.twin(), (session) => session.get('n', 'none'))
    expect(Date.now() - began).toBeGreaterThanOrEqual(55)
    expect(late.started[0]).toMatchObject({ code: 'ERR_SESSION_LOCK_TIMEOUT' })
    expect(late.started[0]).toBeInstanceOf(Error)
    expect(late.value).toBe('none')
    expect(late.setCookies).toEqual([])
    holder.open()
    const { setCookies } = await holder.answer
    expect(setCookies).toHaveLength(1)
    expect((await site.visit(agent, () => 'free')).started).toEqual([])
  })

  test('is told by a promise that is rejected', async () => {
    const { site, agent } = await visited({ lockWait: 40 })
    const holder = await hold(site, agent)
    site.serve = async (req, res) => {
      const error = await site.nodeSession.startSession(req, res).catch((reason) => reason)
      res.end(error.code)
    }
    expect((await agent.request()).body).toBe('ERR_SESSION_LOCK_TIMEOUT')
    holder.open()
    await holder.answer
  })

  test('gives its place up when its connection closes, and is told', async () => {
    const { site, agent } = await visited()
    const holder = await hold(site, agent)
    const told = []
    site.scripts.set('gone', (started, req, res) => {
      told.push(started[0])
      res.end()
    })
    const before = site.arrived
    const gone = raw(site, agent, 'gone')
    await until(() => site.arrived > before)
    let ran = false
    const next = await arrive(site, agent, () => {
      ran = true
    })
    gone.destroy()
    const [error] = await until(() => told.length > 0 && told)
    expect(error).toMatchObject({ code: 'ERR_SESSION_LOCK_TIMEOUT', message: expect.stringContaining('connection closed') })
    expect(ran).toBe(false)
    holder.open()
    await Promise.all([holder.answer, next.answer])
    expect(ran).toBe(true)
  })

  test('gets what the one before stored', async () => {
    const { site, agent } = await visited({ driver: 'file' })
    const holder = await hold(site, agent)
    const next = await arrive(site, agent, (session) => session.get('left'))
    holder.open()
    const session = (await holder.answer).value
    expect(session.get('left', 'nothing')).toBe('nothing')
    await next.answer
    const writer = await arrive(site, agent, (own) => own.put('left', 'this'))
    const reader = await arrive(site, agent, (own) => own.get('left'))
    await writer.answer
    expect((await reader.answer).value).toBe('this')
  })
})

describeOurs.each([['memory'], ['file'], ['database']])('a lease of the driver %s', (driver) => {
  test('that runs out goes to the next, and whoever lost it stores nothing and is told', async () => {
    const { site, agent } = await visited({ driver, lockLease: 150 })
    const go = gate()
    let isThere = false
    const slow = site.visit(agent.twin(), async (session) => {
      isThere = true
      await go.passed
      session.put('who', 'slow')
    })
    await until(() => isThere)
    await site.visit(agent.twin(), (session) => session.put('who', 'next'))
    go.open()
    const { body, status } = await slow
    expect([status, body]).toEqual([200, 'done'])
    expect(site.errors.map((error) => error.code)).toEqual(['ERR_SESSION_LOCK_LOST'])
    expect((await site.visit(agent, (session) => session.get('who'))).value).toBe('next')
  })

  test('that is lost while the next still works costs that one nothing', async () => {
    const { site, agent } = await visited({ driver, lockLease: 150 })
    await site.visit(agent, (session) => session.put('n', 0))
    const gates = [gate(), gate()]
    const running = gates.map((it) => site.visit(agent.twin(), async (session) => {
      const n = session.get('n')
      it.isThere = true
      await it.passed
      session.put('n', n + 1)
    }))
    await until(() => gates.every((it) => it.isThere))
    gates[0].open()
    gates[1].open()
    await Promise.all(running)
    expect(site.errors.map((error) => error.code)).toEqual(['ERR_SESSION_LOCK_LOST'])
    expect((await site.visit(agent, (session) => session.get('n'))).value).toBe(1)
  })

  test('that runs out while nobody waits is no loss', async () => {
    const { site, agent } = await visited({ driver, lockLease: 20 })
    await site.visit(agent, async (session) => {
      const end = Date.now() + 40
      await until(() => Date.now() > end)
      session.put('late', true)
    })
    expect(site.errors).toEqual([])
    expect((await site.visit(agent, (session) => session.get('late'))).value).toBe(true)
  })

  test('of a response that never ends is free when it has run out', async () => {
    const { site, agent } = await visited({ driver, lockLease: 100 })
    site.scripts.set('never', () => {})
    const before = site.arrived
    const never = raw(site, agent, 'never')
    await until(() => site.arrived > before)
    const began = Date.now()
    expect((await site.visit(agent.twin(), () => 'free')).value).toBe('free')
    expect(Date.now() - began).toBeLessThan(3000)
    never.destroy()
  })

  test('of a connection that closed is kept until the response is ended', async () => {
    const { site, agent } = await visited({ driver })
    let response
    let isClosed = false
    site.scripts.set('gone', (started, req, res) => {
      response = res
      res.on('close', () => {
        isClosed = true
      })
    })
    const gone = raw(site, agent, 'gone')
    await until(() => response)
    gone.destroy()
    await until(() => isClosed)
    let ran = false
    const next = await arrive(site, agent, () => {
      ran = true
    })
    for (let n = 0; n < 20; n += 1) await new Promise(setImmediate)
    expect(ran).toBe(false)
    response.end()
    await next.answer
    expect(ran).toBe(true)
  })
})

describeOurs('two NodeSessions over one storage', () => {
  test.each([['file'], ['database']])('take turns: %s', async (driver) => {
    const one = await visited({ driver })
    const two = await open(ours, { driver, files: one.site.files, lock: true })
    const agent = two.agent()
    agent.jar = one.agent.jar
    const sites = [[one.site, one.agent], [two, agent]]
    await one.site.visit(one.agent, (session) => session.put('n', 0))
    const count = async (session) => {
      const n = session.get('n')
      await new Promise(setImmediate)
      session.put('n', n + 1)
    }
    await Promise.all(Array.from({ length: 30 }, (_, n) => {
      const [site, its] = sites[n % 2]
      return site.visit(its.twin(), count)
    }))
    expect((await one.site.visit(one.agent, (session) => session.get('n'))).value).toBe(30)
    expect([...one.site.errors, ...two.errors]).toEqual([])
  })
})
