'use strict'

/*
 * Sweeping takes what is idle and nothing else, off the event loop, one at a time; and clocks that jump lose nobody's session
 * (requirements 42–46, 118; row 26 of section 2). What a sweep does inside one driver is held by the conformance suite in Rust.
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { openTable, MapHandler, useHandler } = require('./support/handlers')
const { until } = require('./support/waiting')
const { freshId } = require('./support/cookies')

jest.setTimeout(20000)

const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
const user = (session) => session.get('user')

/** Lets the last activity of a file lie `ms` back; negative is in the future. */
function age(file, ms) {
  const seconds = (Date.now() - ms) / 1000
  fs.utimesSync(file, seconds, seconds)
}

describeOurs('a sweep of files', () => {
  test('leaves everything alone that is no idle session of ours', async () => {
    const site = await openFiles(ours, { lottery: [1, 1], lifetime: 60000 })
    const idle = site.file(site.plant(GOOD))
    const [alive, long] = [site.file(site.plant(GOOD)), freshId()]
    const names = ['invoice.pdf', '.hidden', `.${freshId()}`, `${freshId()}.json`, freshId().slice(1), `${freshId()}x`, 'a'.repeat(41), 'README', `.node-session-${'x'.repeat(5)}`,
      `${freshId().slice(0, 39)}é`, `${freshId().slice(0, 39)}.`, `${freshId().slice(0, 39)}~`]
    const foreign = names.map((name) => path.join(site.files, name))
    for (const file of foreign) fs.writeFileSync(file, 'precious')
    fs.mkdirSync(path.join(site.files, long))
    fs.writeFileSync(path.join(site.files, long, freshId()), 'nested')
    const outside = path.join(site.dir, 'outside')
    fs.writeFileSync(outside, GOOD)
    fs.symlinkSync(outside, path.join(site.files, freshId()))
    for (const file of [...foreign, idle, outside, path.join(site.files, long)]) age(file, 1e9)
    age(alive, 50000)
    const before = fs.readdirSync(site.files).filter((name) => path.join(site.files, name) !== idle)
    await until(async () => {
      await site.visit(site.agent())
      return !fs.existsSync(idle)
    })
    const after = new Set(fs.readdirSync(site.files))
    expect(before.filter((name) => !after.has(name))).toEqual([])
    expect([fs.readFileSync(outside, 'utf8'), fs.readFileSync(foreign[0], 'utf8'), fs.readdirSync(path.join(site.files, long)).length]).toEqual([GOOD, 'precious', 1])
  })

  test('of three thousand lets the event loop turn, and requests go on meanwhile', async () => {
    const site = await openFiles(ours, { lottery: [1, 1], lifetime: 60000 })
    const idle = Array.from({ length: 3000 }, () => site.file(site.plant(GOOD)))
    for (const file of idle) age(file, 1e6)
    const agent = site.agent()
    // A sweep that held the event loop would take all of them between two turns of it.
    const seen = new Set()
    let i = 0
    await until(async () => {
      i += 1
      await site.visit(agent, (session) => session.put('i', i))
      const left = site.names().length
      if (left > 1 && left < 3000) seen.add(left)
      return left <= 1
    })
    expect(seen.size).toBeGreaterThan(0)
    expect((await site.visit(agent, (session) => session.get('i'))).value).toBe(i)
  })
})

describeOurs('a sweep of rows', () => {
  test('takes idle rows of its own table, and no other', async () => {
    const site = await open(ours, { driver: 'database', lottery: [1, 1], lifetime: 60000, touchInterval: 0 })
    await site.visit(site.agent())
    const table = openTable(`${site.files}.sqlite`)
    const other = openTable(`${site.files}.sqlite`, 'invoices')
    await other.make()
    const [idle, alive, foreign] = [freshId(), freshId(), freshId()]
    await table.insert(idle, JSON.stringify(GOOD), Date.now() - 61000)
    await table.insert(alive, JSON.stringify(GOOD), Date.now() - 50000)
    await other.insert(foreign, 'precious', 1)
    await until(async () => {
      await site.visit(site.agent())
      return (await table.row(idle)) === undefined
    })
    expect([(await table.row(alive)).payload, (await other.rows()).length]).toEqual([JSON.stringify(GOOD), 1])
  })
})

describeOurs('the lottery', () => {
  const sweeps = async (lottery, requests) => {
    const site = await open(ours, { driver: 'custom', lottery, lifetime: 12345 })
    const handler = new MapHandler()
    useHandler(site, () => handler)
    for (let i = 0; i < requests; i += 1) await site.visit(site.agent())
    return handler.calls.filter(([call]) => call === 'gc')
  }

  test.each([[[0, 100], 0, 0], [[1, 1], 40, 40], [false, 0, 0],
    [[1, 2], 5, 35]])('%j is drawn once a request', async (lottery, least, most) => {
    const calls = await sweeps(lottery, 40)
    expect(calls.length).toBeGreaterThanOrEqual(least)
    expect(calls.length).toBeLessThanOrEqual(most)
  })
})

describeOurs('a clock that jumps', () => {
  test.each([['file', 1], ['database', 1]])('backward loses no session on the %s driver: what was active in the future is there, and is not swept', async (driver) => {
    const site = await open(ours, { driver, lottery: [1, 1], lifetime: 60000, touchInterval: 0 })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const later = Date.now() + 3600000
    if (driver === 'file') age(site.file(agent), -3600000)
    else await openTable(`${site.files}.sqlite`).exec(`UPDATE sessions SET lastActivity = ${later}`)
    for (let i = 0; i < 5; i += 1) expect((await site.visit(agent.twin(), user)).value).toBe('bob')
    await site.visit(agent, (session) => session.put('page', 1))
    expect((await site.visit(agent, (session) => [user(session), session.get('page')])).value).toEqual(['bob', 1])
  })

  test('of JavaScript\'s own, faked or broken, is not the engine\'s', async () => {
    const site = await openFiles(ours, { lifetime: 60000 })
    const agent = site.plant(GOOD)
    const { now } = Date
    for (const odd of [() => 0, () => NaN, () => now() + 1e12, () => now() - 1e12]) {
      Date.now = odd
      const { value } = await site.visit(agent.twin(), user).finally(() => { Date.now = now })
      expect(value).toBe('bob')
    }
  })
})
