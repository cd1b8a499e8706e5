'use strict'

/*
 * A primary that three sentinels watch: when it dies they name another, and requests go on there. What the other had not been told of
 * when the first died is lost, which the README says.
 */

const { ours } = require('../support/packages')
const { Server } = require('../support/storage')
const { ready } = require('../support/spawned')
const { isInstalled, startSentinels } = require('../support/redis-servers')

jest.setTimeout(60000)

const describeRedis = ours && isInstalled ? describe : describe.skip

describeRedis('what sentinels name', () => {
  test('is gone on with after its primary has died, or stands still, and nobody gets another id', async () => {
    const { servers, sentinels } = await startSentinels('main')
    const [primary] = servers
    const connection = { sentinels: sentinels.map(({ host, port }) => `${host}:${port}`), name: 'main' }
    const server = await Server.start({ driver: 'redis', connection })
    const agents = Array.from({ length: 10 }, () => server.agent())
    await Promise.all(agents.map((agent) => server.visit(agent, ['put', 'user', 'bob'])))
    const ids = agents.map((agent) => server.id(agent))
    expect(await server.told()).toEqual([])
    for (const kill of [() => primary.stop(), async () => (await named(servers, sentinels)).stall()]) {
      const dying = await named(servers, sentinels)
      await ready(async () => Number(await dying.ask('WAIT', 1, 100)) >= 1)
      await kill()
      const felt = await untilServed(server, agents, async () => (await named(servers, sentinels)) !== dying)
      expect(felt).toBeGreaterThan(0)
      await server.told()
      const visits = await Promise.all(agents.map((agent) => server.visit(agent, ['increment', 'n'])))
      expect(visits.map(({ found }) => found.user)).toEqual(agents.map(() => 'bob'))
      expect([await server.told(), agents.map((agent) => server.id(agent))]).toEqual([[], ids])
    }
    expect(server.ended).toBeUndefined()
  })
})

/** The server that most sentinels call the primary. */
async function named(servers, sentinels) {
  const told = await Promise.all(sentinels.map((sentinel) => sentinel.ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')))
  const ports = told.map(([, port]) => Number(port)).sort()
  return servers.find(({ port }) => port === ports[1])
}

/** Makes requests until all are served by the new primary; gives how many were not. */
async function untilServed(server, agents, isOver) {
  let felt = 0
  await ready(async () => {
    const visits = await Promise.all(agents.map((agent) => server.visit(agent)))
    for (const { status, found, cookies, took } of visits) {
      expect([status, took < 2500]).toEqual([200, true])
      if (found.error !== undefined) expect([found.error.slice(0, 12), cookies]).toEqual(['ERR_SESSION_', []])
    }
    const failed = visits.filter(({ found }) => found.error !== undefined)
    felt += failed.length
    return failed.length === 0 && isOver()
  }, 25000)
  return felt
}
