'use strict'

/*
 * Files and databases that others hold, a disk that stalls, and processes that end while storage hangs (requirements 47, 114–116, 121
 * and 126): every request is answered in its time, what is well goes on, and what hung heals by itself.
 */

const { execFile, spawn } = require('child_process')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { later, tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { openTable } = require('./support/handlers')
const { timed } = require('./support/hanging')
const { attach, traced } = require('./support/strace')
const { until } = require('./support/waiting')

const CHILD = path.join(__dirname, 'support', 'hanging.child.js')
const TIMEOUT = 'ERR_SESSION_TIMEOUT'
const LIMIT = 400
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 2500

jest.setTimeout(30000)

const user = (session) => session.get('user')
const put = (value) => (session) => session.put('user', value)

describeOurs('a database that another process holds', () => {
  test('fails saves in their time, then at once, while reads go on; and heals when it is free', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    const config = { driver: 'database', connection: { adapter: 'sqlite', filename }, saveTimeout: LIMIT }
    const site = await open(ours, config)
    const agent = site.agent()
    await site.visit(agent, put('bob'))
    const beside = openTable(filename)
    await beside.exec('BEGIN IMMEDIATE')

    const saves = () => Promise.all(Array.from({ length: 8 }, () => site.visit(site.agent(), put('eve'))))
    const [answers, took] = await timed(saves)
    expect(answers.map(({ status, body, setCookies }) => [status, body, setCookies])).toEqual(Array(8).fill([200, 'done', []]))
    expect(site.errors.map((error) => error.code)).toEqual(Array(8).fill(TIMEOUT))
    expect(took).toBeLessThan(LIMIT + SLACK)

    await saves()
    const messages = new Set(site.errors.map((error) => error.message))
    expect(messages).toContain('cannot write the session: the storage did not answer lately')
    expect((await site.visit(agent.twin(), user)).value).toBe('bob')

    await beside.exec('COMMIT')
    const newcomer = site.agent()
    await until(async () => {
      await site.visit(newcomer, put('ann'))
      return newcomer.cookie() !== undefined
    })
    expect((await site.visit(newcomer, user)).value).toBe('ann')
  })
})

describeOurs('a file that another process has locked', () => {
  test('fails saves of its session in their time, and of no other', async () => {
    const site = await openFiles(ours, { saveTimeout: LIMIT })
    const [locked, free] = [site.agent(), site.agent()]
    await site.visit(locked, put('bob'))
    await site.visit(free, put('ann'))
    const holder = spawn('flock', [site.file(locked), '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
    later(() => holder.kill())
    await new Promise((resolve) => { holder.stdout.once('data', resolve) })

    for (let i = 0; i < 2; i += 1) {
      const saves = () => Promise.all(Array.from({ length: 5 }, () => site.visit(locked.twin(), put(`eve${i}`))))
      const [, took] = await timed(saves)
      expect(took).toBeLessThan(LIMIT + SLACK)
    }
    expect(site.errors.map((error) => error.code)).toEqual(Array(10).fill(TIMEOUT))
    await site.visit(free, put('amy'))
    expect((await site.visit(free, user)).value).toBe('amy')
    expect(site.errors).toHaveLength(10)
    expect((await site.visit(locked.twin(), user)).value).toBe('bob')

    holder.stdin.end()
    await new Promise((resolve) => { holder.once('close', resolve) })
    await site.visit(locked, put('joe'))
    expect((await site.visit(locked, user)).value).toBe('joe')
  })
})

describeOurs('a disk that stalls', () => {
  traced('holds up no save for longer than its time, and no other storage', async () => {
    const site = await openFiles(ours, { durability: 'disk', saveTimeout: LIMIT })
    const other = await openFiles(ours)
    const agent = site.agent()
    await site.visit(agent, put('bob'))
    const stall = ['trace=fsync,fdatasync', 'inject=fsync,fdatasync:delay_enter=3000000']
    const strace = await attach([process.pid], { all: true, expressions: stall })
    try {
      const saves = () => Promise.all(Array.from({ length: 20 }, (_, i) => site.visit(site.agent(), put(`eve${i}`))))
      const [answers, took] = await timed(saves)
      expect(answers.map(({ status, body, setCookies }) => [status, body, setCookies])).toEqual(Array(20).fill([200, 'done', []]))
      expect(site.errors.map((error) => error.code)).toEqual(Array(20).fill(TIMEOUT))
      expect(took).toBeLessThan(LIMIT + SLACK)
      const elsewhere = other.agent()
      await other.visit(elsewhere, put('ann'))
      expect((await other.visit(elsewhere, user)).value).toBe('ann')
      expect(other.errors).toEqual([])
    } finally {
      await strace.detach()
    }
    await until(async () => {
      await site.visit(agent, put('joe'))
      return (await site.visit(agent.twin(), user)).value === 'joe'
    })
  })
})

describeOurs('a process whose handler hangs', () => {
  function run(job, options) {
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [CHILD, ours.entry, job, JSON.stringify(options)], { timeout: 20000 }, (error, stdout) => {
        if (error) reject(error)
        else resolve(JSON.parse(stdout))
      })
    })
  }

  test('ends at once when nothing is under way', async () => {
    const { seen, took } = await run('idle', { readTimeout: 60000, saveTimeout: 60000 })
    expect(seen).toEqual([])
    expect(took).toBeLessThan(SLACK)
  })

  test('is held by a save that is under way until its time is over, and not longer', async () => {
    const { seen, took } = await run('pending', { saveTimeout: LIMIT })
    expect(seen).toEqual([TIMEOUT])
    expect(took).toBeGreaterThanOrEqual(LIMIT - 10)
    expect(took).toBeLessThan(LIMIT + SLACK)
  })

  test('answers its last request and ends', async () => {
    const { seen, took } = await run('served', { readTimeout: LIMIT, saveTimeout: LIMIT })
    expect(seen).toEqual([TIMEOUT])
    expect(took).toBeLessThan(2 * LIMIT + SLACK)
  })

  test('is closed after five seconds, however long its saves may take, and then ends', async () => {
    const { seen, took } = await run('close', { saveTimeout: 3600000 })
    expect(seen).toEqual(['closed'])
    expect(took).toBeGreaterThanOrEqual(4990)
    expect(took).toBeLessThan(5000 + SLACK)
  })

  test('is closed as soon as its saves have ended', async () => {
    const { seen, took } = await run('close', { saveTimeout: LIMIT })
    expect(seen).toEqual([TIMEOUT, 'closed'])
    expect(took).toBeLessThan(LIMIT + SLACK)
  })
})
