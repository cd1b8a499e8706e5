'use strict'

/*
 * An SQLite file that another process holds, removes, exchanges, cuts or writes over while a server uses it, and what a killed server
 * leaves beside it (faults 107, 112, 115 and 116 of the requirements).
 *
 * The other process is this one: the server is a child.
 */

const fs = require('fs')
const Database = require('better-sqlite3')

const { describeOurs } = require('../support/packages')
const { driversWith } = require('../support/drivers')
const { tempDir, later } = require('../support/cleanup')
const { Server, numberOf, visitDuring } = require('../support/storage')

jest.setTimeout(60000)

/** Most that a request may take whose storage does not answer: two timeouts of two seconds, and a slow machine. */
const BOUND = 6000

/** Opens the server's file as any other program would. */
function openBeside(server) {
  const database = new Database(`${server.config.files}.sqlite`)
  database.pragma('busy_timeout = 0')
  later(() => database.close())
  return database
}

async function begin(driver, options) {
  const server = await Server.start({ ...driver.options(tempDir()), ...options })
  const agent = server.agent()
  await server.visit(agent, ['state', 1], ['put', 'user', 'bob'])
  return { server, agent, id: server.id(agent), file: `${server.config.files}.sqlite` }
}

/** Whatever was done to the file: a new visitor's session is stored and found, at last, and the server lives. */
async function goesOn(server) {
  const agent = server.agent()
  await server.visit(agent, ['put', 'user', 'eve'])
  const { found } = await server.visit(agent)
  expect([found.error, found.user, await server.told(), server.ended]).toEqual([undefined, 'eve', [], undefined])
}

/** Answers of a server whose file is not what it was: whole, told, and no cookie for what could not be read. */
async function staysCivil(server, agent) {
  const codes = new Set()
  for (const steps of [[], [['state', 2]], [['put', 'user', 'bob'], ['saves']], []]) {
    const { status, cookies, found } = await server.visit(agent.twin(), ...steps)
    expect(status).toBe(200)
    if (found.error !== undefined) expect(cookies).toEqual([])
    if (found.state !== undefined) numberOf(found.state)
    codes.add(found.error)
    for (const line of await server.told()) codes.add(line.split(' ')[1])
  }
  codes.delete(undefined)
  for (const code of codes) expect(code).toMatch(/^ERR_SESSION_(READ|WRITE|TIMEOUT|GONE|CORRUPT|TOO_LARGE)$/)
  return [...codes]
}

describeOurs.each(driversWith('database'))('the %s driver', (name, driver) => {
  test('waits for a writer elsewhere, and then saves', async () => {
    const { server, agent } = await begin(driver, { touchInterval: 60000 })
    const beside = openBeside(server)
    beside.exec('BEGIN IMMEDIATE')
    const visits = [server.visit(agent, ['state', 2]), server.visit(server.agent(), ['put', 'user', 'eve'])]
    const reading = await server.visit(agent.twin())
    expect(reading.found.user).toBe('bob')
    beside.exec('COMMIT')
    for (const { status, cookies } of await Promise.all(visits)) expect([status, cookies.length]).toEqual([200, 1])
    expect([numberOf((await server.visit(agent)).found.state), await server.told()]).toEqual([2, []])
  })

  if (driver.isSealed || driver.isLasting) return

  test('gives up waiting for a writer that does not end, in time, and writes nothing later', async () => {
    const { server, agent, id } = await begin(driver, { touchInterval: 60000 })
    const beside = openBeside(server)
    beside.exec('BEGIN IMMEDIATE')
    const fresh = server.agent()
    const [save, made, read] = await Promise.all([
      server.visit(agent, ['state', 2]), server.visit(fresh, ['put', 'user', 'eve']), server.visit(agent.twin()),
    ])
    expect(Math.max(save.took, made.took, read.took)).toBeLessThan(BOUND)
    expect([save.status, made.status, made.cookies, read.found.user]).toEqual([200, 200, [], 'bob'])
    expect(await server.told()).toEqual(Array(2).fill(expect.stringMatching(/^error ERR_SESSION_(TIMEOUT|WRITE)$/)))
    expect((await server.visit(agent, ['state', 2], ['saves'])).found.results[1]).toMatch(/^ERR_SESSION_(TIMEOUT|WRITE)$/)
    await server.told()
    beside.exec('COMMIT')
    for (let i = 0; i < 3; i += 1) expect(numberOf((await server.visit(agent)).found.state)).toBe(1)
    await server.visit(agent, ['state', 3])
    expect([numberOf((await server.visit(agent)).found.state), server.id(agent)]).toEqual([3, id])
    await goesOn(server)
  })

  test('of which another process lets nobody in gives errors, in time, until it does', async () => {
    const { server: first, id } = await begin(driver)
    await first.stop()
    const beside = openBeside(first)
    beside.pragma('locking_mode = EXCLUSIVE')
    beside.exec('BEGIN EXCLUSIVE; COMMIT')
    const server = await Server.start(first.config)
    const agent = server.agent(id)
    const visits = await Promise.all([server.visit(agent), server.visit(agent, ['state', 2]), server.visit(server.agent(), ['put', 'user', 'eve'])])
    const timeout = /^ERR_SESSION_(TIMEOUT|READ)$/
    expect(visits.map(({ status, found }) => [status, found.error])).toEqual([
      [200, expect.stringMatching(timeout)], [200, expect.stringMatching(timeout)], [200, undefined]])
    expect(visits.flatMap(({ cookies }) => cookies)).toEqual([])
    expect(Math.max(...visits.map(({ took }) => took))).toBeLessThan(BOUND)
    expect(await server.told()).toEqual(Array(2).fill(expect.stringMatching(/^error ERR_SESSION_(TIMEOUT|WRITE)$/)))
    beside.close()
    expect(numberOf((await server.visit(agent)).found.state)).toBe(1)
    await goesOn(server)
  })

  test('that is removed under a server is made again, and a session of the old one is gone', async () => {
    const { server, agent, id, file } = await begin(driver)
    for (const end of ['', '-wal', '-shm']) fs.rmSync(`${file}${end}`, { force: true })
    const { status, cookies } = await server.visit(agent.twin(), ['state', 2])
    expect(status).toBe(200)
    const told = await server.told()
    // Either the request read the old file and could not write to it, or it found nothing and began anew.
    if (cookies.length === 0) expect(told).toEqual(['gone ERR_SESSION_GONE'])
    else expect(told).toEqual([])
    await goesOn(server)
    expect(await driver.read(server, id)).toBeUndefined()
  })

  test('in whose place another one is put is used from then on', async () => {
    const { server, agent, file } = await begin(driver)
    const other = await begin(driver)
    await other.server.stop()
    // Whoever puts a database in place takes what its log holds along.
    openBeside(other.server).pragma('wal_checkpoint(TRUNCATE)')
    for (const end of ['-wal', '-shm']) fs.rmSync(`${file}${end}`, { force: true })
    fs.renameSync(other.file, file)
    await staysCivil(server, agent)
    const theirs = server.agent(other.id)
    await server.visit(theirs, ['state', 5])
    const { found } = await server.visit(theirs)
    expect([found.user, numberOf(found.state)]).toEqual(['bob', 5])
    await goesOn(server)
  })

  const DAMAGE = [
    ['cut to nothing', (file) => fs.truncateSync(file, 0)],
    ['cut in half', (file) => fs.truncateSync(file, fs.statSync(file).size >> 1)],
    ['written over from its first byte', (file) => fs.writeFileSync(file, 'this is not a database '.repeat(1000), { flag: 'r+' })],
    ['written over from its second page on', (file) => {
      const fd = fs.openSync(file, 'r+')
      fs.writeSync(fd, Buffer.alloc(fs.statSync(file).size - 4096, 0xa5), 0, undefined, 4096)
      fs.closeSync(fd)
    }],
  ]
  test.each(DAMAGE)('that is %s under a server gives answers, and no exit; once it is removed all is well', async (what, damage) => {
    const { server, agent, file } = await begin(driver)
    // What is in the log alone would be read from there.
    const beside = openBeside(server)
    beside.pragma('wal_checkpoint(TRUNCATE)')
    beside.close()
    for (let i = 0; i < 50; i += 1) await server.visit(server.agent(), ['state', i])
    damage(file)
    await staysCivil(server, agent)
    for (let i = 0; i < 10; i += 1) await staysCivil(server, server.agent())
    for (const end of ['', '-wal', '-shm']) fs.rmSync(`${file}${end}`, { force: true })
    // The file that it has open is known to be another one by the next write, if not by the next read.
    await server.visit(server.agent(), ['put', 'user', 'eve'])
    await server.told()
    await goesOn(server)
  })

  const LEFT = [
    ['as it was left', () => {}],
    ['without its index', (file) => fs.rmSync(`${file}-shm`, { force: true })],
    ['with an index of nonsense', (file) => fs.writeFileSync(`${file}-shm`, Buffer.alloc(32768, 0xa5))],
    ['with a log that breaks off', (file) => fs.truncateSync(`${file}-wal`, fs.statSync(`${file}-wal`).size - 1000)],
    ['with a log that ends in nonsense', (file) => {
      const fd = fs.openSync(`${file}-wal`, 'r+')
      fs.writeSync(fd, Buffer.alloc(500, 0xa5), 0, undefined, fs.statSync(`${file}-wal`).size - 600)
      fs.closeSync(fd)
    }],
  ]
  test.each(LEFT)('of a killed server, %s, has what was acknowledged, or the whole save before', async (what, change) => {
    const { server, agent, id, file } = await begin(driver)
    for (let i = 2; i <= 10; i += 1) await server.visit(agent, ['state', i])
    await server.stop()
    expect(fs.existsSync(`${file}-wal`)).toBe(true)
    change(file)
    const next = await Server.start(server.config)
    const visitor = next.agent(id)
    const { found } = await visitDuring(next, visitor)
    expect(found.user).toBe('bob')
    expect(what.includes('log') ? [9, 10] : [10]).toContain(numberOf(found.state))
    await next.visit(visitor, ['state', 11])
    expect(numberOf((await next.visit(visitor)).found.state)).toBe(11)
    await goesOn(next)
  })
})
