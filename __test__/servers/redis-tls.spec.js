'use strict'

/*
 * A Redis cluster, and a primary that sentinels watch, which speak nothing but TLS: every connection is encrypted and verified, to
 * servers that others name too.
 */

const { ours, describeOurs } = require('../support/packages')
const { makeCertificates } = require('../support/certificates')
const { open } = require('../support/servers')
const { ready } = require('../support/spawned')
const { isInstalled, startCluster, startSentinels, encrypted } = require('../support/redis-servers')

jest.setTimeout(60000)

const describeBoth = isInstalled ? describeOurs : describe.skip

const addresses = (servers) => servers.map(({ host, port }) => `${host}:${port}`)

/** Makes visitors who are known again, over a connection with these fields. */
async function works(fields, visitors) {
  const site = await open(ours, { driver: 'redis', connection: fields })
  const agents = Array.from({ length: visitors }, () => site.agent())
  await Promise.all(agents.map((agent, n) => site.visit(agent, (session) => session.put('n', n))))
  const visits = await Promise.all(agents.map((agent) => site.visit(agent, (session) => session.get('n'))))
  expect([visits.map(({ value }) => value), site.errors]).toEqual([agents.map((_, n) => n), []])
  await site.nodeSession.close()
}

/** What a visitor's request is told over a connection with these fields. */
async function refusal(fields) {
  const site = await open(ours, { driver: 'redis', connection: fields })
  await expect(site.nodeSession.ready()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SESSION_(READ|TIMEOUT)$/) })
  return site.nodeSession.ready().catch((error) => error.cause?.message)
}

describeBoth('over TLS', () => {
  let secured
  let ssl

  beforeAll(() => {
    secured = encrypted(makeCertificates())
    ssl = { ca: secured.tls.ca }
  })

  test('a cluster is reached at all its servers, and trusted at none that cannot prove its name', async () => {
    const nodes = await startCluster({ replicas: 0, secured })
    const seeds = addresses(nodes.slice(0, 1))
    await works({ nodes: seeds, ssl }, 30)
    const sizes = await Promise.all(nodes.map((node) => node.ask('DBSIZE')))
    expect(sizes.map((size) => Number(size) > 0)).toEqual([true, true, true])
    expect(await refusal({ nodes: seeds, ssl: true })).toMatch(/invalid peer certificate/)
    expect(await refusal({ nodes: seeds, ssl: { ...ssl, servername: 'example.com' } })).toMatch(/invalid peer certificate/)
    await refusal({ nodes: seeds })
  })

  test('sentinels are asked, and what they name is reached; also after another has taken over', async () => {
    const { servers, sentinels } = await startSentinels('main', secured)
    const fields = { sentinels: addresses(sentinels), name: 'main', ssl }
    await works(fields, 5)
    expect(await refusal({ ...fields, ssl: true })).toMatch(/invalid peer certificate/)
    await servers[0].stop()
    const others = servers.slice(1)
    await ready(async () => (await Promise.all(others.map((server) => server.ask('ROLE')))).some(([role]) => role === 'master'))
    await ready(() => works(fields, 5).then(() => true))
  })
})
