'use strict'

/*
 * A server that is killed at every single system call of a request that saves: the next server finds the old session or the new one,
 * whole, and nothing that cannot be cleared away; and it saves (faults 107 and 121 of the requirements).
 *
 * A call is the last one of the process: strace sends SIGKILL as it begins. The calls are those of a first run that is only
 * watched, so that a driver that makes others is killed at others.
 *
 * KILLS=1 makes the long run: at every call in every case.
 */

const fs = require('fs')
const path = require('path')

const { describeOurs } = require('../support/packages')
const { driversWith } = require('../support/drivers')
const { tempDir } = require('../support/cleanup')
const { Server, numberOf } = require('../support/storage')
const { traced, attach, count } = require('../support/strace')
const { tally } = require('../support/tally')
const { until } = require('../support/waiting')
const { freshId } = require('../support/cookies')

jest.setTimeout(120000)

/** Calls that have nothing to do with what is stored: those of the event loop, of sockets and of memory. */
const ELSEWHERE = /^(epoll_|eventfd|read$|readv$|writev$|mmap|munmap|ioctl|recv|send|accept|poll|pipe|dup|timerfd|signalfd|socket)/
/** Calls that can leave a trace behind. A kill at any other is a kill at the next of these. */
const CHANGING = /^(open|creat|mkdir|rename|link|unlink|rmdir|fchmod|chmod|fchown|utime|ftruncate|fallocate|write$|pwrite|fsync|fdatasync)/

const isLong = Boolean(process.env.KILLS)
/** Few enough of many calls that are all alike (a new database is 30 pages), spread over all of them. */
const some = (calls) => (isLong || calls.length < 20 ? calls : calls.filter((call, at) => at % 3 === 0))

/** The first run: every call of the request, once for each time that it is made. */
async function callsOf(server, request, isOurs) {
  const tracing = await attach([server.pid], { all: true, expressions: ['trace=%file,%desc'] })
  await request(server)
  const calls = count(await tracing.detach())
  return [...calls].filter(([name]) => isOurs(name)).flatMap(([name, times]) => Array.from({ length: times }, (_, at) => [name, at + 1]))
}

/** Makes the request with the call as its last; gives whether the server died of it. */
async function killedAt([name, when], server, request) {
  const expressions = [`trace=${name}`, `inject=${name}:signal=SIGKILL:when=${when}`]
  const tracing = await attach([server.pid], { all: true, expressions })
  const isAnswered = await request(server).then(() => true, () => false)
  // A server that leaves a request without an answer has been killed, which is told once strace has let go of all its threads.
  const patience = isAnswered ? 20 : 5000
  const ends = Promise.race([server.end, new Promise((resolve) => { setTimeout(resolve, patience) })])
  const died = await ends !== undefined
  await server.stop()
  await tracing.detach()
  return died
}

/** Everything under a folder. */
function namesUnder(dir) {
  return fs.readdirSync(dir, { recursive: true }).map(String)
}

/** Whatever does not belong there goes with the next sweep. */
function isCleared(driver, server, dir) {
  return until(async () => {
    await server.ask('sweep')
    return driver.leftovers(namesUnder(dir)).length === 0
  })
}

/** A server for each of the calls, the next one started while this one runs. */
async function* serversFor(calls, options) {
  let next = Server.start(options(0))
  for (let i = 0; i < calls.length; i += 1) {
    const server = await next
    if (i + 1 < calls.length) next = Server.start(options(i + 1))
    yield [server, calls[i], i]
  }
}

const isStorage = (name) => !ELSEWHERE.test(name)
const isChanging = (name) => CHANGING.test(name)

describeOurs.each(driversWith('files'))('the %s driver', (name, driver) => {
  const isPlain = !driver.isSealed && !driver.isLasting

  traced('killed at each call of a save holds the old session or the new one, and saves the next', async () => {
    const dir = tempDir()
    const options = driver.options(dir)
    const id = freshId()
    let n = 1
    const begun = await Server.start(options)
    const first = begun.agent()
    await begun.visit(first, ['setId', id], ['state', 0], ['put', 'user', 'bob'])
    await begun.visit(begun.agent(id), ['state', 1])
    const save = (server) => server.visit(server.agent(id), ['state', n + 1])
    const calls = await callsOf(begun, save, isPlain || isLong ? isStorage : isChanging)
    await begun.stop()
    n = 2
    let killed = 0
    const found = { old: 0, new: 0 }
    for await (const [server, call] of serversFor([...calls, null], () => options)) {
      // What the server before this one left behind.
      const { found: { error, user, state } } = await server.visit(server.agent(id))
      expect([call, error, user]).toEqual([call, undefined, 'bob'])
      expect([n - 1, n]).toContain(numberOf(state))
      found[numberOf(state) === n ? 'new' : 'old'] += 1
      n += 1
      await server.visit(server.agent(id), ['state', n])
      expect(numberOf((await server.visit(server.agent(id))).found.state)).toBe(n)
      await isCleared(driver, server, dir)
      expect(await server.told()).toEqual([])
      if (call === null) continue
      n += 1
      if (await killedAt(call, server, (there) => there.visit(there.agent(id), ['state', n]))) killed += 1
    }
    tally(name, killed)
    expect(killed).toBeGreaterThan(calls.length * 0.75)
    expect(found.old).toBeGreaterThan(2)
    if (isPlain) expect(found.new).toBeGreaterThan(0)
  })

  if (driver.isSealed && !isLong) return

  traced('killed at each call of regenerate(true) has not lost the session: it is under the old id or the new one', async () => {
    const dir = tempDir()
    const options = driver.options(dir)
    const log = async (server) => {
      const agent = server.agent()
      await server.visit(agent, ['state', 0], ['put', 'user', 'bob'])
      await server.visit(agent, ['state', 1])
      return server.id(agent)
    }
    const renew = (id) => (server) => server.visit(server.agent(id), ['state', 2], ['regenerate', true])
    const begun = await Server.start(options)
    const calls = await callsOf(begun, renew(await log(begun)), isChanging)
    await begun.stop()
    let killed = 0
    let id
    for await (const [server, call] of serversFor([...calls, null], () => options)) {
      if (id !== undefined) {
        const ids = await driver.ids(server).catch(() => [])
        const { found } = await server.visit(server.agent(id))
        if (found.user === 'bob') {
          expect(numberOf(found.state)).toBe(1)
        } else {
          expect(await driver.read(server, id)).toBeUndefined()
          const others = await Promise.all(ids.map((other) => server.visit(server.agent(other))))
          expect(others.map((other) => [other.found.user, numberOf(other.found.state)])).toContainEqual(['bob', 2])
        }
        expect(await server.told()).toEqual([])
      }
      await isCleared(driver, server, dir)
      for (const other of await driver.ids(server).catch(() => [])) await driver.remove(server, other)
      id = await log(server)
      if (call !== null && await killedAt(call, server, renew(id))) killed += 1
    }
    tally(name, killed)
    expect(killed).toBeGreaterThan(calls.length * 0.75)
  })

  traced('killed at each call of a log-out has the whole session, or none, and the next log-out ends it', async () => {
    const dir = tempDir()
    const options = driver.options(dir)
    const id = freshId()
    const logIn = (server) => server.visit(server.agent(), ['setId', id], ['state', 1], ['put', 'user', 'bob'])
    const logOut = (server) => server.visit(server.agent(id), ['destroy'])
    const begun = await Server.start(options)
    await logIn(begun)
    const calls = await callsOf(begun, logOut, isChanging)
    await begun.stop()
    for await (const [server, call] of serversFor([...calls, null], () => options)) {
      const { found: { error, user, state } } = await server.visit(server.agent(id))
      expect([call, error, user]).toEqual([call, undefined, numberOf(state) === 1 ? 'bob' : undefined])
      await logOut(server)
      expect([(await server.visit(server.agent(id))).found.user, await driver.read(server, id)]).toEqual([undefined, undefined])
      await isCleared(driver, server, dir)
      expect(await server.told()).toEqual([])
      if (call === null) continue
      await logIn(server)
      await killedAt(call, server, logOut)
    }
  })

  if (driver.isLasting && !isLong) return

  traced('killed at each call of the very first request leaves nothing or a session, and a storage to go on with', async () => {
    const root = tempDir()
    const place = (i) => {
      const dir = path.join(root, String(i))
      fs.mkdirSync(dir, { recursive: true })
      return dir
    }
    const id = freshId()
    const begin = (server) => server.visit(server.agent(), ['setId', id], ['state', 1])
    const begun = await Server.start(driver.options(place('first')))
    const calls = some(await callsOf(begun, begin, isChanging))
    await begun.stop()
    let killed = 0
    for await (const [server, call, i] of serversFor(calls, (at) => driver.options(place(at)))) {
      if (await killedAt(call, server, begin)) killed += 1
      const next = await Server.start(driver.options(place(i)))
      const agent = next.agent(id)
      const { found: { error, state } } = await next.visit(agent)
      expect([error, [undefined, 1].includes(numberOf(state))]).toEqual([undefined, true])
      await next.visit(agent, ['state', 2])
      expect(numberOf((await next.visit(agent)).found.state)).toBe(2)
      await isCleared(driver, next, place(i))
      expect(await next.told()).toEqual([])
      await next.stop()
    }
    tally(name, killed)
    expect(killed).toBeGreaterThan(calls.length * 0.75)
  })
})
