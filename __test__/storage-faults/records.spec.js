'use strict'

/*
 * Records that are no sessions, or not this visitor's, or gone, or being swept, on every driver whose records can be reached from
 * outside; and values that cannot be stored, on every driver (faults 112, 113, 119 and 122 of the requirements).
 *
 * Which texts are no sessions is tested at length in faults.storage.spec.js, over files.
 */

const { describeOurs } = require('../support/packages')
const { DRIVERS, driversWith } = require('../support/drivers')
const { tempDir } = require('../support/cleanup')
const { Server, numberOf } = require('../support/storage')
const { until } = require('../support/waiting')

jest.setTimeout(30000)

const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
const same = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)) === 0

/** A server, and a visitor of it whose session is stored. */
async function begin(driver, options) {
  const server = await Server.start({ ...driver.options(tempDir()), ...options })
  const agent = server.agent()
  await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
  return { server, agent, id: server.id(agent) }
}

/** How long a save lasts on the disk makes no difference here. */
const reachable = (driver) => driver.plant !== undefined && !driver.isLasting

describeOurs.each(driversWith('records', reachable))('the %s driver', (name, driver) => {
  const damage = (good, others) => [
    ['half of it', good.slice(0, good.length >> 1)],
    ['a text of another program', '<html></html>'],
    ['another session\'s, or a JSON text', driver.isSealed ? others : '"text"'],
    ['another session behind it, or a plain one', driver.isSealed ? GOOD : GOOD + GOOD],
    ['more than a session may hold', 'x'.repeat(5 << 20)],
  ]

  test('gives whoever has a record that is no session a new one, leaves the record, and takes it when it is whole again', async () => {
    const { server, agent, id } = await begin(driver)
    const neighbour = server.agent()
    await server.visit(neighbour, ['put', 'user', 'eve'])
    const good = await driver.read(server, id)
    const others = await driver.read(server, server.id(neighbour))
    const plain = (payload) => (driver.options('').driver === 'database' ? JSON.parse(payload) : payload)
    for (const [what, bytes] of damage(plain(good), plain(others))) {
      await driver.plant(server, id, bytes)
      const planted = await driver.read(server, id)
      const visitor = agent.twin()
      const { status, cookies, found } = await server.visit(visitor, ['put', 'page', what])
      expect([what, status, cookies.length, found.error, found.user]).toEqual([what, 200, 1, undefined, undefined])
      expect([what, await server.told()]).toEqual([what, [expect.stringMatching(/^corrupt ERR_SESSION_(CORRUPT|DECRYPT|TOO_LARGE)$/)]])
      expect(server.id(visitor)).not.toBe(id)
      expect((await server.visit(visitor, ['get', 'page'])).found.results).toEqual([what])
      expect([what, same(await driver.read(server, id), planted)]).toEqual([what, true])
    }
    await driver.plant(server, id, plain(good))
    const { found } = await server.visit(agent)
    expect([found.user, numberOf(found.state), await server.told(), server.ended]).toEqual(['bob', 1, [], undefined])
  })

  test('with onCorrupt: \'error\' gives an error instead, saves nothing and sends no cookie', async () => {
    const { server, agent, id } = await begin(driver, { onCorrupt: 'error' })
    await driver.plant(server, id, 'half')
    const planted = await driver.read(server, id)
    const { status, cookies, found } = await server.visit(agent, ['put', 'page', 1])
    expect([status, cookies, found.user]).toEqual([200, [], undefined])
    expect(found.error).toMatch(/^ERR_SESSION_(CORRUPT|DECRYPT)$/)
    expect([await server.told(), same(await driver.read(server, id), planted)]).toEqual([['error ERR_SESSION_WRITE'], true])
  })

  test('writes nothing for a session that was removed from outside while the request ran, and tells it', async () => {
    const { server, agent, id } = await begin(driver)
    for (const [steps, tells] of [[[['put', 'user', 'eve']], true], [[['state', 2], ['saves']], true], [[], false]]) {
      if (await driver.read(server, id) === undefined) {
        await server.visit(server.agent(), ['setId', id], ['state', 1], ['put', 'user', 'bob'])
      }
      const visitor = server.agent(id)
      const visit = server.visit(visitor, ['stops'], ...steps)
      await until(() => server.ask('stopped'))
      await driver.remove(server, id)
      await server.ask('go')
      const { status, cookies, found } = await visit
      // A driver that records a reader's activity as it loads does not look again: an id that leaves then is nobody's.
      expect([steps, status, tells || !driver.recordsOnLoad ? cookies : []]).toEqual([steps, 200, []])
      // What a save by hand was told is told once more, as an event.
      expect([steps, await server.told()]).toEqual([steps, tells ? ['gone ERR_SESSION_GONE'] : []])
      if (steps.length === 2) expect(found.results[2]).toBe('ERR_SESSION_GONE')
      expect(await driver.read(server, id)).toBeUndefined()
    }
    const { found } = await server.visit(agent)
    expect([found.user, server.id(agent) === id]).toEqual([undefined, false])
  })
})

describeOurs.each(driversWith('records', (driver) => driver.isSealed && reachable(driver)))('the %s driver', (name, driver) => {
  test('reads nothing with a wrong secret, harms nothing, and reads all of it with the right one', async () => {
    const { server, id } = await begin(driver)
    const stored = await driver.read(server, id)
    const secret = 'quite another secret of this length'
    const wrong = await Server.start({ ...server.config, secret })
    if (!driver.isShared) await driver.plant(wrong, id, stored)
    const visitor = wrong.agent(id)
    const { found } = await wrong.visit(visitor, ['put', 'user', 'eve'])
    expect([found.error, found.user, wrong.id(visitor) === id]).toEqual([undefined, undefined, false])
    expect(await wrong.told()).toEqual(['corrupt ERR_SESSION_DECRYPT'])
    expect(await driver.read(wrong, id)).toBe(stored)
    const both = await Server.start({ ...server.config, secret: [secret, server.config.secret] })
    if (!driver.isShared) await driver.plant(both, id, stored)
    const right = both.agent()
    right.jar = server.agent(id).jar
    expect([(await both.visit(right)).found.user, await both.told()]).toEqual(['bob', []])
  })
})

describeOurs.each(driversWith('records', (driver) => reachable(driver) && driver.age !== undefined))('the %s driver', (name, driver) => {
  test('sweeps nobody whose request was saved, and saves nobody whose session was swept', async () => {
    const { server, agent, id } = await begin(driver, { lifetime: 60000 })
    const stopped = async (visitor, ...steps) => {
      const visit = server.visit(visitor, ['stops'], ...steps)
      await until(() => server.ask('stopped'))
      await driver.age(server, id, 3600000)
      return async () => {
        await server.ask('go')
        return visit
      }
    }
    // The save comes first: it is activity, however old the record was.
    const save = await stopped(agent, ['state', 2])
    await save()
    await server.ask('sweep')
    const marker = server.agent()
    await server.visit(marker, ['put', 'user', 'old'])
    await driver.age(server, server.id(marker), 3600000)
    await until(async () => {
      await server.ask('sweep')
      return (await driver.read(server, server.id(marker))) === undefined
    })
    expect(numberOf((await server.visit(agent)).found.state)).toBe(2)
    // The sweep comes first.
    const late = await stopped(agent, ['state', 3])
    await until(async () => {
      await server.ask('sweep')
      return (await driver.read(server, id)) === undefined
    })
    expect((await late()).cookies).toEqual([])
    expect([await server.told(), await driver.read(server, id)]).toEqual([['gone ERR_SESSION_GONE'], undefined])
  })
})

describeOurs.each(DRIVERS.filter((driver) => !driver.isLasting).map((driver) => [driver.name, driver]))('the %s driver', (name, driver) => {
  test('refuses what cannot be stored, by its code, and keeps what is stored', async () => {
    const { server, agent, id } = await begin(driver)
    const refused = [['fill', 2 << 20, 'TOO_LARGE'], ['nested', 1001, 'DEPTH'], ['bigint', 0, 'SERIALIZE'], ['circle', 0, 'SERIALIZE'], ['toJSON', 0, 'SERIALIZE']]
    for (const [step, size, code] of refused) {
      const { status, found } = await server.visit(agent, ['state', 2], ['put', 'user', 'eve'], [step, size])
      expect([step, status, found.user, await server.told()]).toEqual([step, 200, 'bob', [`error ERR_SESSION_${code}`]])
      const byHand = await server.visit(agent, ['put', 'user', 'eve'], [step, size], ['saves'])
      expect(byHand.found.results[2]).toBe(`ERR_SESSION_${code}`)
      await server.told()
      const { found: { user, state } } = await server.visit(agent)
      expect([step, user, numberOf(state), server.id(agent)]).toEqual([step, 'bob', 1, id])
    }
    const fresh = await server.visit(server.agent(), ['bigint'])
    expect([fresh.status, fresh.cookies, await server.told()]).toEqual([200, [], ['error ERR_SESSION_SERIALIZE']])
    await server.visit(agent, ['state', 3])
    expect([numberOf((await server.visit(agent)).found.state), await server.told(), server.ended]).toEqual([3, [], undefined])
  })
})
