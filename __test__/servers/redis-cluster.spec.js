'use strict'

/*
 * A Redis cluster of six servers: sessions are divided among its primaries, and none of what 50 overlapping requests put is lost while
 * slots move between servers; a primary that dies is replaced, and requests go on.
 */

const { spawn } = require('child_process')

const { ours } = require('../support/packages')
const { Server } = require('../support/storage')
const { ready } = require('../support/spawned')
const { isInstalled, startCluster, cli } = require('../support/redis-servers')

jest.setTimeout(60000)

const describeRedis = ours && isInstalled ? describe : describe.skip

/** Requests that overlap, and sessions that they put keys into. */
const OVERLAPPING = 50
const SESSIONS = 6
/** Keys that one request reads. */
const ASKED_AT_ONCE = 100

describeRedis('a cluster', () => {
  let nodes
  let server

  beforeAll(async () => {
    nodes = await startCluster()
    const seeds = nodes.slice(0, 2).map(({ host, port }) => ({ host, port }))
    server = await Server.start({ driver: 'redis', connection: { nodes: seeds } })
  })

  /** The ids of the primaries by port, with the slots that each has. */
  async function primaries() {
    const told = await nodes.find((node) => node.program.child.exitCode === null && node.program.child.signalCode === null).ask('CLUSTER', 'NODES')
    const lines = told.trim().split('\n').map((line) => line.split(' '))
    return lines.filter(([, , flags]) => flags.includes('master') && !flags.includes('fail')).map(([id, at, , , , , , , ...slots]) => {
      const counts = slots.filter((range) => !range.startsWith('[')).map((range) => range.split('-').map(Number))
      return { id, port: Number(at.split('@')[0].split(':')[1]), slots: counts.reduce((sum, [first, last = first]) => sum + last - first + 1, 0) }
    })
  }

  /** Sessions of visitors, each with a request that has made it. */
  async function visitors(count) {
    const agents = Array.from({ length: count }, () => server.agent())
    await Promise.all(agents.map((agent) => server.visit(agent, ['put', 'user', 'bob'])))
    return agents
  }

  test('loses no key of overlapping requests while its slots move, and sends nobody another id', async () => {
    const agents = await visitors(SESSIONS)
    const ids = agents.map((agent) => server.id(agent))
    let isMoving = true
    let rounds = 0
    const put = async () => {
      while (isMoving || rounds === 0) {
        const round = rounds
        const requests = Array.from({ length: OVERLAPPING }, (_, n) => {
          const agent = agents[n % SESSIONS].twin()
          return server.visit(agent, ['put', `k${round}_${n}`, n])
        })
        for (const { status, found, cookies } of await Promise.all(requests)) {
          expect([status, found.error, found.user, cookies.length]).toEqual([200, undefined, 'bob', 1])
        }
        rounds += 1
      }
    }
    const putting = put()
    const all = await primaries()
    expect(all.map(({ slots }) => slots > 5000)).toEqual([true, true, true])
    try {
      for (const [from, to] of [[0, 1], [1, 2], [2, 0]]) await reshard(all[from], all[to], 500)
    } finally {
      isMoving = false
      await putting
    }
    expect(await server.told()).toEqual([])
    let lost = 0
    for (const [visitor, agent] of agents.entries()) {
      const keys = []
      for (let round = 0; round < rounds; round += 1) {
        for (let n = visitor; n < OVERLAPPING; n += SESSIONS) keys.push([`k${round}_${n}`, n])
      }
      // In parts: what is asked travels in a header, which has to be short.
      for (let from = 0; from < keys.length; from += ASKED_AT_ONCE) {
        const part = keys.slice(from, from + ASKED_AT_ONCE)
        const { found } = await server.visit(agent, ...part.map(([key]) => ['get', key]))
        lost += part.filter(([, n], at) => found.results[at] !== n).length
      }
    }
    expect([lost, agents.map((agent) => server.id(agent))]).toEqual([0, ids])
    expect(rounds).toBeGreaterThan(1)
  })

  /** Whether a command of `redis-cli --cluster` works; this process goes on meanwhile. */
  function manages(command, ...args) {
    const child = spawn('redis-cli', ['--cluster', command, `127.0.0.1:${nodes[0].port}`, ...args], { stdio: 'ignore' })
    return new Promise((resolve) => { child.on('exit', (code) => resolve(code === 0)) })
  }

  /** Moves slots once all servers agree on who has which. */
  async function reshard(from, to, slots) {
    await ready(() => manages('check'))
    const moved = await manages('reshard', '--cluster-from', from.id, '--cluster-to', to.id, '--cluster-slots', String(slots), '--cluster-yes')
    expect(moved).toBe(true)
  }

  test('lists and sweeps the sessions of all its primaries', async () => {
    const agents = await visitors(30)
    const ids = agents.map((agent) => server.id(agent))
    const sizes = await Promise.all((await primaries()).map(({ port }) => Number(cli('-p', String(port), 'DBSIZE').trim())))
    expect(Math.min(...sizes)).toBeGreaterThan(0)
    for (const id of ids) {
      const { port } = nodes[0]
      cli('-c', '-p', String(port), 'HSET', `node-session:${id}`, 'lastActivity', '1')
    }
    await ready(async () => {
      await server.ask('sweep')
      const left = ids.map((id) => cli('-c', '-p', String(nodes[0].port), 'EXISTS', `node-session:${id}`).trim())
      return left.every((count) => count === '0')
    })
    expect(await server.told()).toEqual([])
  })

  test('goes on when a primary dies, for its sessions once another has taken over, and nobody gets another id', async () => {
    const agents = await visitors(12)
    const ids = agents.map((agent) => server.id(agent))
    const [{ port }] = (await primaries()).filter((primary) => primary.port !== nodes[0].port)
    const dying = nodes.find((node) => node.port === port)
    await ready(async () => Number(await dying.ask('WAIT', 1, 100)) >= 1)
    await dying.stop()
    let felt = 0
    await ready(async () => {
      const visits = await Promise.all(agents.map((agent) => server.visit(agent)))
      for (const { status, found, cookies, took } of visits) {
        expect([status, took < 2500]).toEqual([200, true])
        if (found.error !== undefined) expect([found.error.slice(0, 12), cookies]).toEqual(['ERR_SESSION_', []])
      }
      const failed = visits.filter(({ found }) => found.error !== undefined)
      felt += failed.length
      return failed.length === 0 && (await dying.ask('PING').catch(() => 'down')) === 'down'
    }, 20000)
    expect(felt).toBeGreaterThan(0)
    await server.told()
    const visits = await Promise.all(agents.map((agent) => server.visit(agent, ['get', 'user'])))
    // A replica has nearly everything: what it had not been told of is lost with the primary.
    expect(visits.map(({ found }) => found.results[0])).toEqual(agents.map(() => 'bob'))
    expect([agents.map((agent) => server.id(agent)), server.ended]).toEqual([ids, undefined])
  })
})
