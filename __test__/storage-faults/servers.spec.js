'use strict'

/*
 * Storage that answers with errors, late, or not at all; clients that leave; and servers that are told to stop while they save
 * (faults 114–116, 120 and 121 of the requirements, for what needs no network).
 */

const http = require('http')

const { describeOurs } = require('../support/packages')
const { DRIVERS, driversWith } = require('../support/drivers')
const { tempDir } = require('../support/cleanup')
const { Server, numberOf, livesThrough } = require('../support/storage')
const { until } = require('../support/waiting')

jest.setTimeout(30000)

const isPlain = (driver) => !driver.isLasting && !driver.isSealed

describeOurs.each(driversWith('modes'))('the %s driver', (name, driver) => {
  test.each([
    ['reads fail', { read: 'fails' }, 'read'], ['reads throw', { read: 'throws' }, 'read'],
    ['writes fail', { write: 'fails' }, 'save'], ['writes throw', { write: 'throws' }, 'save'],
    ['all fail', { read: 'fails', write: 'fails', destroy: 'fails' }, 'read'], ['all are late', { read: 'slow', write: 'slow' }, false],
    ['no read is answered', { read: 'never' }, 'read'], ['no write is answered', { write: 'never' }, 'save'],
  ])('lives through a time in which %s', async (what, modes, isFelt) => {
    const bounds = what.startsWith('no ') ? { readTimeout: 200, saveTimeout: 200 } : {}
    const server = await Server.start({ ...driver.options(), ...bounds })
    await livesThrough(server, { begins: () => server.ask('modes', modes), ends: () => server.ask('modes', {}), isFelt })
  })

  test.each(['fails', 'throws'])('whose destroy %s keeps a session usable that was to get a new id for good, and removes the old record later', async (mode) => {
    const server = await Server.start(driver.options())
    const agent = server.agent()
    await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
    const id = server.id(agent)
    await server.ask('modes', { destroy: mode })
    const { status } = await server.visit(agent, ['regenerate', true])
    expect([status, await server.told()]).toEqual([200, [expect.stringMatching(/^error ERR_SESSION_WRITE$/)]])
    await server.ask('modes', {})
    const { found } = await server.visit(agent, ['state', 2])
    expect([found.user, numberOf(found.state), await server.told()]).toEqual(['bob', 1, []])
    expect((await server.visit(server.agent(id))).found.error).toBeUndefined()
  })
})

describeOurs.each(DRIVERS.filter(isPlain).map((driver) => [driver.name, driver]))('the %s driver', (name, driver) => {
  test('saves for clients that leave once their response has ended, and for nobody who leaves before', async () => {
    const server = await Server.start(driver.options(tempDir()))
    const agent = server.agent()
    await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
    const id = server.id(agent)
    const leave = (...steps) => new Promise((resolve) => {
      const request = http.get(server.origin, {
        agent: false, headers: { cookie: agent.cookieHeader(), 'x-steps': encodeURIComponent(JSON.stringify(steps)) },
      })
      request.on('error', () => {})
      request.on('socket', () => resolve(request))
    })
    const leaving = []
    for (const steps of [[['stops'], ['state', 2]], [['writes'], ['stops'], ['state', 3]], [['state', 4], ['stops']]]) {
      leaving.push(await leave(...steps))
    }
    await until(async () => (await server.ask('stopped')) === 3)
    for (const request of leaving) request.destroy()
    expect(numberOf((await server.visit(agent)).found.state)).toBe(1)
    await server.ask('go')
    // Each of them ends its response, whoever is there to hear it, and with that its session is saved.
    const { state } = await until(async () => {
      const { found } = await server.visit(server.agent(id))
      return found.state.n === 1 ? undefined : found
    })
    expect([2, 3, 4]).toContain(numberOf(state))
    await server.visit(agent, ['state', 5])
    expect([await server.told(), server.ended]).toEqual([[], undefined])
  })
})

describeOurs.each(driversWith('files', isPlain))('the %s driver', (name, driver) => {
  test('has every save that a server acknowledged before it was told to stop, and whole sessions of the others', async () => {
    const server = await Server.start(driver.options(tempDir()))
    const agents = Array.from({ length: 20 }, () => server.agent())
    await Promise.all(agents.map((agent) => server.visit(agent, ['state', 1])))
    const ids = agents.map((agent) => server.id(agent))
    const acknowledged = agents.map((agent) => server.visit(agent, ['state', 2], ['put', 'user', 'bob']).then(() => true, () => false))
    await Promise.race(acknowledged)
    const stopped = Date.now()
    server.child.kill('SIGTERM')
    expect(await server.end).toBe(0)
    expect(Date.now() - stopped).toBeLessThan(8000)
    const next = await Server.start(server.config)
    for (const [i, isAcknowledged] of (await Promise.all(acknowledged)).entries()) {
      const { found } = await next.visit(next.agent(ids[i]))
      expect(isAcknowledged ? [2] : [1, 2]).toContain(numberOf(found.state))
      expect(found.user === 'bob').toBe(numberOf(found.state) === 2)
    }
    expect(await next.told()).toEqual([])
  })

  test('tears no session when the process exits in the middle of saves', async () => {
    const server = await Server.start(driver.options(tempDir()))
    const agents = Array.from({ length: 12 }, () => server.agent())
    await Promise.all(agents.map((agent) => server.visit(agent, ['state', 1])))
    const ids = agents.map((agent) => server.id(agent))
    const visits = agents.map((agent) => server.visit(agent, ['stops'], ['state', 2]).then(() => true, () => false))
    await until(async () => (await server.ask('stopped')) === agents.length)
    server.ask('go').catch(() => {})
    server.ask('exit', 7).catch(() => {})
    expect(await server.end).toBe(7)
    const answered = await Promise.all(visits)
    const next = await Server.start(server.config)
    for (const [i, id] of ids.entries()) {
      const { found } = await next.visit(next.agent(id))
      expect([found.error, (answered[i] ? [2] : [1, 2]).includes(numberOf(found.state))]).toEqual([undefined, true])
    }
    expect(await next.told()).toEqual([])
  })
})
