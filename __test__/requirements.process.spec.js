'use strict'

/*
 * Processes that end in the middle, share a storage, run out of disk, or have nothing left to do (requirements 47, 55, 57, 107–109,
 * 121). Records are whole whatever happens, and nothing of this package keeps a process alive.
 *
 * KILLS=1000 makes the long run.
 */

const { spawn, spawnSync } = require('child_process')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open } = require('./support/servers')
const { SECRET, freshId } = require('./support/cookies')

const CHILD = path.join(__dirname, 'support', 'process.child.js')
const KILLS = Number(process.env.KILLS) || 12

jest.setTimeout(60000 + KILLS * 2000)

/** Starts the child; `line()` gives its next line, `end` its exit code or signal. */
function start(job, config, ...args) {
  const given = [CHILD, ours.entry, job, JSON.stringify({ secret: SECRET, lottery: [0, 100], ...config }), ...args]
  const child = spawn(process.execPath, given, { stdio: ['pipe', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), 30000)
  const lines = []
  const waiting = []
  child.stdout.setEncoding('utf8').on('data', (text) => {
    for (const line of text.split('\n').filter(Boolean)) {
      if (waiting.length > 0) waiting.shift()(line)
      else lines.push(line)
    }
  })
  const end = new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      for (const next of waiting) next(null)
      resolve(signal || code)
    })
  })
  const line = () => new Promise((resolve) => { if (lines.length > 0) resolve(lines.shift()); else waiting.push(resolve) })
  return { child, line, end }
}

const DRIVERS = [['file', false], ['file', true], ['database', false]]

describeOurs.each(DRIVERS)('the %s driver, sealed: %s', (driver, encrypt) => {
  let site
  let id
  const config = () => ({ driver, encrypt, files: site.files })
  const state = async () => (await site.visit(site.agentFor(id), (session) => session.get('state'))).value

  beforeEach(async () => {
    site = await open(ours, { driver, encrypt })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('state', { n: -1, text: '', length: 0 }))
    id = site.id(agent)
  })

  test('has a whole record after a kill at any moment, and goes on with the next save', async () => {
    let last = -1
    for (let i = 0; i < KILLS; i += 1) {
      const { child, line, end } = start('write', config(), id)
      expect(await line()).toBe('writing')
      await new Promise((resolve) => { setTimeout(resolve, (i * 13) % 40) })
      child.kill('SIGKILL')
      expect(await end).toBe('SIGKILL')
      const found = await state()
      expect([found.text.length, new Set(found.text).size]).toEqual([found.length, found.length === 0 ? 0 : 1])
      expect(found.n).toBeGreaterThanOrEqual(3)
      last = found.n
    }
    await site.visit(site.agentFor(id), (session) => session.put('state', { n: last + 1, text: 'ok', length: 2 }))
    expect((await state()).text).toBe('ok')
    expect([site.errors, site.corrupt]).toEqual([[], []])
  })

  test('has a whole record after an exit with a save on its way, and the exit keeps its code', async () => {
    for (const delay of [60, 75, 90, 120]) {
      const { end } = start('exit', config(), id, String(delay))
      expect(await end).toBe(5)
      const found = await state()
      expect([found.text.length, new Set(found.text).size]).toEqual([found.length, found.length === 0 ? 0 : 1])
    }
    expect(site.corrupt).toEqual([])
  })

  test('is made once by processes that begin at the same time, and each sees what the others saved', async () => {
    const fresh = await open(ours, { driver, encrypt })
    await fresh.visit(fresh.agent())
    const agent = fresh.agent()
    const shared = { driver, encrypt, files: fresh.files }
    await fresh.visit(agent, (session) => session.put('begun', true))
    const children = Array.from({ length: 3 }, () => start('count', shared, fresh.id(agent), '5'))
    for (const { line } of children) expect(await line()).toBe('ready')
    const pids = []
    for (const { child, line, end } of children) {
      child.stdin.write('go\n')
      pids.push(await line())
      expect(await end).toBe(0)
    }
    const { value } = await fresh.visit(agent, (session) => Object.keys(session.all()))
    for (const pid of pids) expect(value.filter((key) => key.startsWith(`${pid}-`))).toHaveLength(5)
    expect(value).toContain('begun')
  })

  test('lets a process end by itself when its server is closed', async () => {
    const { line, end } = start('serve', { driver, encrypt, files: path.join(tempDir(), 's'), lottery: [1, 1] })
    expect(await line()).toBe('closed')
    expect(await end).toBe(0)
  })
})

describeOurs('the storage of a new application', () => {
  test('is made once by processes whose first requests come at the same time', async () => {
    const files = path.join(tempDir(), 'deep', 'er', 'sessions')
    for (const driver of ['file', 'database']) {
      const id = freshId()
      const children = Array.from({ length: 4 }, () => start('count', { driver, files: `${files}-${driver}` }, id, '3'))
      for (const { line } of children) expect(await line()).toBe('ready')
      for (const { child } of children) child.stdin.write('go\n')
      for (const { end } of children) expect(await end).toBe(0)
    }
  })
})

describeOurs('a full disk', () => {
  const isolated = process.platform === 'linux' && spawnSync('unshare', ['-rm', 'true']).status === 0
  // In CI what is missing is a failure.
  const onLinux = isolated || process.env.CI ? test : test.skip

  onLinux.each(['file', 'database'])('refuses the save on the %s driver, tells why, and leaves the stored session whole', (driver) => {
    const dir = tempDir()
    const config = { secret: SECRET, driver, files: path.join(dir, 'sessions') }
    const command = 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"'
    const args = ['-rm', 'sh', '-c', command, dir, process.execPath, CHILD, ours.entry, 'fill', JSON.stringify(config), freshId()]
    const { stdout, status } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 20000 })
    expect(stdout.split('\n').slice(0, 2)).toEqual([expect.stringMatching(/^ERR_SESSION_WRITE (ENOSPC|SQLITE_FULL)$/), '{"n":1}'])
    expect(status).toBe(0)
  })
})

describeOurs('durability', () => {
  const traced = spawnSync('strace', ['-V']).status === 0 || process.env.CI ? test : test.skip

  traced.each([['disk', true], ['process', false]])('%s: a file and its folder are on the disk when the save is acknowledged: %s', (durability, isSynced) => {
    const config = { secret: SECRET, driver: 'file', files: path.join(tempDir(), 'sessions'), durability }
    const args = ['-f', '-e', 'trace=fsync,fdatasync', process.execPath, CHILD, ours.entry, 'serve', JSON.stringify(config)]
    const { stdout, stderr } = spawnSync('strace', args, { encoding: 'utf8', timeout: 20000 })
    expect(stdout).toBe('closed\n')
    const calls = stderr.split('\n').filter((line) => /f(data)?sync\(\d+\)/.test(line)).length
    expect(isSynced ? calls >= 2 : calls === 0).toBe(true)
  })
})
