'use strict'

/*
 * Lock mode across processes: what one of them has locked, the others wait for; whoever dies holds nothing for ever; and no
 * process keeps the others out.
 */

const { fork } = require('child_process')
const path = require('path')

const { withFleet } = require('../torture/fleet')
const { ours: subject } = require('../torture/subjects')
const { BURST, readModifyWrites } = require('../torture/workloads/bursts')
const { ours, describeOurs } = require('./support/packages')
const { Agent } = require('./support/agent')
const { later, tempDir } = require('./support/cleanup')
const { SECRET } = require('./support/cookies')
const { until } = require('./support/waiting')

const LIMIT = 60000

/** A server in another process, with an agent for it. */
async function start(config) {
  const child = fork(path.join(__dirname, 'support', 'lock.child.js'), [ours.entry, JSON.stringify(config)], { execArgv: [] })
  const said = { errors: [] }
  child.on('message', ({ error, ...message }) => {
    if (error === undefined) Object.assign(said, message)
    else said.errors.push(error)
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  later(() => {
    child.kill('SIGKILL')
    return exited
  })
  const port = await until(() => said.port)
  return { child, said, exited, agent: new Agent(`http://127.0.0.1:${port}`) }
}

/** Servers over one storage, whose agents share a session that is stored. */
async function startAll(count, driver, config) {
  const options = { secret: SECRET, driver, files: path.join(tempDir(), 'sessions'), lottery: [0, 100], lock: true, ...config }
  const servers = await Promise.all(Array.from({ length: count }, () => start(options)))
  await servers[0].agent.request('/count')
  for (const { agent } of servers) agent.jar = servers[0].agent.jar
  return servers
}

describeOurs.each([['file'], ['sqlite']])('over the driver %s', (driver) => {
  test.each([
    [2, {}],
    [4, {}],
    [4, { encrypt: true }],
  ])(`${BURST} overlapping requests in %d processes that read and write lose no count, %j`, async (processes, options) => {
    await withFleet(subject(driver, options), processes, async (fleet) => {
      const result = await readModifyWrites(fleet, { sessions: 2, lock: true })
      expect(result).toEqual({ counted: 2 * BURST, of: 2 * BURST, errors: 0 })
    })
  }, LIMIT)
})

describeOurs.each([['file'], ['database']])('over the driver %s', (driver) => {
  test('a request waits for one of another process, and is told when that takes too long', async () => {
    const [one, two] = await startAll(2, driver, { lockWait: 200 })
    one.agent.request('/hold').catch(() => {})
    await until(() => one.said.holds)
    const { status, body } = await two.agent.request('/count')
    expect([status, body]).toEqual([500, 'ERR_SESSION_LOCK_TIMEOUT'])
  })

  test('the lock of a process that was killed is free when its lease is over', async () => {
    const [one, two] = await startAll(2, driver, { lockLease: 700 })
    one.agent.request('/hold').catch(() => {})
    await until(() => one.said.holds)
    one.child.kill('SIGKILL')
    await one.exited
    const { status, body } = await two.agent.request('/count')
    expect([status, body]).toEqual([200, '2'])
  })

  test('a process that is never done with a session does not keep another one out', async () => {
    const [one, two] = await startAll(2, driver, { lockWait: 8000 })
    let isOver = false
    let made = 0
    const busy = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const { status } = await one.agent.twin().request('/count')
        if (status === 200) made += 1
      }
    })
    await until(() => made > 50)
    const answers = []
    for (let n = 0; n < 3; n += 1) answers.push((await two.agent.request('/count')).status)
    isOver = true
    await Promise.all(busy)
    expect(answers).toEqual([200, 200, 200])
    expect(Number((await one.agent.request('/count')).body)).toBe(made + 5)
    expect([...one.said.errors, ...two.said.errors]).toEqual([])
  }, LIMIT)
})
