'use strict'

/*
 * A system call of a request that fails, each of them in turn, once or for as long as the request lasts: the answer is whole, what
 * happened is told by its code, the stored session is the old or the new one, nobody is logged out, nothing is left lying about,
 * and the next request is served (faults 109–111 and 115 of the requirements).
 *
 * strace answers in the kernel's place. The calls are those of a first request that is only watched.
 */

const fs = require('fs')

const { describeOurs } = require('../support/packages')
const { driversWith } = require('../support/drivers')
const { tempDir } = require('../support/cleanup')
const { Server, numberOf } = require('../support/storage')
const { traced, attach, count } = require('../support/strace')
const { tally } = require('../support/tally')
const { until } = require('../support/waiting')
const { freshId } = require('../support/cookies')

jest.setTimeout(120000)

/**
 * What a call may fail with, in the way of disks and of interrupted calls; a call that is not here is no file's. Locks by `fcntl` are
 * left out: no local file system refuses to unlock, and one that did would leave SQLite's lock held until the process ends.
 */
const ERRORS = {
  openat: ['EIO', 'EMFILE', 'ENOSPC', 'EINTR'],
  openat2: ['EIO', 'EMFILE', 'EINTR'],
  fstat: ['EIO'],
  newfstatat: ['EIO'],
  statx: ['EIO'],
  flock: ['EIO', 'EINTR'],
  pread64: ['EIO', 'EINTR'],
  preadv2: ['EIO', 'EINTR'],
  write: ['EIO', 'ENOSPC', 'EINTR'],
  pwrite64: ['EIO', 'ENOSPC', 'EINTR'],
  ftruncate: ['EIO'],
  utimensat: ['EIO'],
  fsync: ['EIO', 'ENOSPC'],
  fdatasync: ['EIO', 'ENOSPC'],
  renameat: ['EIO', 'ENOSPC'],
  renameat2: ['EIO', 'ENOSPC'],
  unlinkat: ['EIO', 'EBUSY'],
}
const REPORTED = /^error ERR_SESSION_(READ|WRITE|TIMEOUT)$/

/** The threads of a server that touch storage: with `write`, which they use for other things too, only the package's own. */
async function threadsFor(server, name) {
  const own = (await server.ask('threads')).filter(([, comm]) => comm === 'node-session').map(([tid]) => tid)
  return name === 'write' ? own : [server.pid, ...own]
}

/** Every way in which a call of this request may fail: `[name, error, when]`. */
async function failuresOf(server, request, isOurs) {
  const tracing = await attach(await threadsFor(server), { expressions: ['trace=%file,%desc'] })
  await request()
  const calls = [...count(await tracing.detach())].filter(([name]) => ERRORS[name] !== undefined && isOurs(name))
  return calls.flatMap(([name, times]) => {
    // Of the writes of our threads only the first is one to a file.
    const whens = name === 'write' ? ['1'] : [...Array.from({ length: times }, (_, at) => String(at + 1)), '1+']
    return ERRORS[name].flatMap((error) => whens.filter((when) => when !== '1+' || error !== 'EINTR').map((when) => [name, error, when]))
  })
}

/** Makes the request, which does these steps, while the call fails. */
async function during(server, [name, error, when], agent, ...steps) {
  // Threads also write to wake one another, which must not fail: a write fails once the session has been loaded.
  const isStopped = name === 'write'
  // Only a large session is written by those threads.
  const request = () => server.visit(agent, ...(isStopped ? [['stops'], ['grows', 100000]] : []), ...steps)
  const stopped = isStopped && request()
  if (isStopped) await until(() => server.ask('stopped'))
  const tracing = await attach(await threadsFor(server, name), { expressions: [`trace=${name}`, `inject=${name}:error=${error}:when=${when}`] })
  try {
    if (isStopped) await server.ask('go')
    return await (stopped || request())
  } finally {
    await tracing.detach()
  }
}

describeOurs.each(driversWith('files', (driver) => !driver.isSealed))('the %s driver', (name, driver) => {
  // SQLite writes by `pwrite64`; a `write` of a thread of its is one that wakes another.
  const isStorage = (call) => call !== 'write' || !driver.faults.includes('database')
  const isOurs = driver.isLasting ? (call) => call.includes('sync') : isStorage
  let server
  let dir

  beforeAll(async () => {
    dir = tempDir()
    server = await Server.start(driver.options(dir))
  })
  const leftovers = () => driver.leftovers(fs.readdirSync(dir, { recursive: true }).map(String))

  /** A stored session that was just used; what is stored under it is looked at by another visit. */
  async function begin() {
    const id = freshId()
    await server.visit(server.agent(), ['setId', id], ['state', 1], ['put', 'user', 'bob'])
    const look = async () => {
      const { found: { error, user, state } } = await server.visit(server.agent(id))
      expect(error).toBeUndefined()
      return user === 'bob' ? numberOf(state) : undefined
    }
    return { id, agent: server.agent(id), look }
  }

  traced('whose calls fail while a session is saved keeps the old one or has the new one, and says which', async () => {
    const { id, agent, look } = await begin()
    let n = 1
    const failures = await failuresOf(server, () => server.visit(agent, ['state', n + 1]), isOurs)
    expect(failures.length).toBeGreaterThan(driver.isLasting ? 2 : 20)
    n = 2
    let errors = 0
    tally(name, failures.length)
    for (const failure of failures) {
      const { status, cookies, found } = await during(server, failure, agent, ['state', n + 1])
      const told = await server.told()
      const stored = await look()
      const seen = [failure, status, told, stored]
      // A call that was interrupted is made again, and nobody hears of it.
      if (failure[1] === 'EINTR') expect(seen).toEqual([failure, 200, [], n + 1])
      // What could not be read was not saved either, and its visitor keeps the cookie that there was.
      if (found.error !== undefined) {
        expect([...seen, cookies]).toEqual([failure, 200, ['error ERR_SESSION_WRITE'], n, []])
        expect(found.error).toMatch(/^ERR_SESSION_(READ|TIMEOUT)$/)
      } else if (told.length === 0) {
        expect([...seen, found.user]).toEqual([failure, 200, [], n + 1, 'bob'])
      } else {
        expect([...seen, found.user]).toEqual([failure, 200, [expect.stringMatching(REPORTED)], stored === n + 1 ? n + 1 : n, 'bob'])
        errors += 1
      }
      // What could not be removed goes with a sweep.
      if (failure[0] === 'unlinkat') await until(async () => (await server.ask('sweep')) ?? leftovers().length === 0)
      expect([failure, leftovers()]).toEqual([failure, []])
      expect(server.id(agent)).toBe(id)
      n = stored + 1
      await server.visit(agent, ['state', n], ['forget', 'ballast'])
      expect([failure, await look(), await server.told()]).toEqual([failure, n, []])
    }
    expect(errors).toBeGreaterThan(0)
  })

  if (driver.isLasting) return

  traced('whose calls fail while a session is only read gives an error and no cookie, or the session', async () => {
    const { id, agent, look } = await begin()
    const failures = await failuresOf(server, () => server.visit(agent), (call) => call !== 'write' && isOurs(call))
    tally(name, failures.length)
    for (const failure of failures) {
      const { status, cookies, found } = await during(server, failure, agent)
      const told = await server.told()
      if (found.error !== undefined) expect([failure, status, cookies, told]).toEqual([failure, 200, [], []])
      else expect([failure, status, found.user, told.filter((line) => !REPORTED.test(line))]).toEqual([failure, 200, 'bob', []])
      expect(server.id(agent)).toBe(id)
      expect([failure, await look()]).toEqual([failure, 1])
    }
  })

  traced('whose calls fail while a session gets a new id keeps it under the id that the visitor has', async () => {
    const first = await begin()
    // Two records take two trips to another thread, which wakes this one by a write.
    const failures = await failuresOf(server, () => server.visit(first.agent, ['regenerate', true]), (call) => call !== 'write' && isOurs(call))
    tally(name, failures.length)
    for (const failure of failures) {
      const { id, agent, look } = await begin()
      const { status, cookies, found } = await during(server, failure, agent, ['state', 2], ['regenerate', true])
      const told = await server.told()
      expect([failure, status, told.filter((line) => !REPORTED.test(line))]).toEqual([failure, 200, []])
      const visitor = await server.visit(agent)
      expect([failure, found.error, told, cookies.length, visitor.found.user]).toEqual([failure, found.error, told, cookies.length, 'bob'])
      if (server.id(agent) === id) expect([failure, told.length]).toEqual([failure, 1])
      else if (told.length === 0) expect([failure, await look()]).toEqual([failure, undefined])
      await server.visit(agent, ['state', 3])
      expect([failure, (await server.visit(agent)).found.state.n, await server.told()]).toEqual([failure, 3, []])
    }
  })
})
