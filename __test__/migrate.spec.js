'use strict'

/*
 * The command `node-session migrate`, in a process of its own: what it copies, what it leaves, what it tells, and that it can be
 * stopped at any point and started again.
 */

const { spawn } = require('child_process')
const { once } = require('events')
const fs = require('fs')
const path = require('path')
const Database = require('better-sqlite3')

const NodeSession = require('..')
const { original, ours } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { tempDir, later } = require('./support/cleanup')
const { legacySeal } = require('./support/legacy')
const { until } = require('./support/waiting')
const { SECRET, ID, freshId, wire } = require('./support/cookies')

const COMMAND = path.join(__dirname, '..', 'bin', 'node-session.js')
const HOUR = 3600000

jest.setTimeout(120000)

/** Starts the command; gives its process, and what came of it. */
function begin(args, { cwd, node = [] } = {}) {
  const child = spawn(process.execPath, [...node, COMMAND, ...args], { cwd })
  later(() => child.kill('SIGKILL'))
  const out = { stdout: '', stderr: '' }
  for (const name of Object.keys(out)) child[name].setEncoding('utf8').on('data', (text) => { out[name] += text })
  const ended = once(child, 'close').then(([code, signal]) => ({ ...out, code: signal ?? code }))
  return { child, ended, out }
}

const run = (...args) => begin(args).ended

/** Moves from one storage to another; gives the counts too. */
async function migrate(from, to, ...flags) {
  const ended = await run('migrate', '--from', JSON.stringify(from), '--to', JSON.stringify(to), ...flags)
  return { ...ended, counts: countsOf(ended.stdout) }
}

/** The numbers of a summary: copied, skipped, idle, failed. */
function countsOf(stdout) {
  const count = (name) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(stdout)?.[1])
  return [count('(?:copied|would be copied)'), count('skipped'), count('idle'), count('failed')]
}

const filesIn = (dir) => ({ driver: 'file', files: path.join(dir, 'sessions'), lifetime: HOUR })
const tableIn = (dir) => ({
  driver: 'database',
  connection: { adapter: 'sqlite', filename: path.join(dir, 'sessions.sqlite') },
  lifetime: HOUR,
})

/** Writes session files, the last active so many milliseconds ago; gives their texts by their ids. */
function plant(dir, count, { ago = 1000, text = (n) => `{"n":${n}}` } = {}) {
  const folder = path.join(dir, 'sessions')
  fs.mkdirSync(folder, { recursive: true })
  const texts = new Map()
  for (let n = 0; n < count; n += 1) {
    const id = freshId()
    texts.set(id, text(n))
    fs.writeFileSync(path.join(folder, id), text(n))
    const seconds = Math.floor(Date.now() - ago) / 1000
    fs.utimesSync(path.join(folder, id), seconds, seconds)
  }
  return texts
}

/** The session files of a folder, by their ids. */
function planted(dir) {
  const folder = path.join(dir, 'sessions')
  const names = fs.readdirSync(folder).filter((name) => ID.test(name))
  return new Map(names.map((id) => [id, fs.readFileSync(path.join(folder, id), 'utf8')]))
}

/** The rows of a table, by their ids. */
function rows(dir) {
  const database = new Database(path.join(dir, 'sessions.sqlite'), { readonly: true })
  try {
    return new Map(database.prepare('SELECT id, payload, lastActivity FROM sessions').all().map((row) => [row.id, row]))
  } finally {
    database.close()
  }
}

const textsOf = (found) => new Map([...found].map(([id, { payload }]) => [id, JSON.parse(payload)]))

/** The session of an id as a NodeSession with these options loads it. */
function load(options, id) {
  const sessions = new NodeSession({ secret: SECRET, lottery: false, ...options })
  return new Promise((resolve, reject) => {
    sessions.getSession({ headers: { cookie: `node_session=${wire(id)}` } }, async (session) => {
      await session.start().catch(reject)
      await sessions.close()
      resolve([session.getId() === id, session.all()])
    })
  })
}

describe('node-session migrate', () => {
  test('copies live sessions with their last activity, and leaves out idle ones', async () => {
    const dir = tempDir()
    const live = plant(dir, 30, { ago: 12345 })
    plant(dir, 5, { ago: HOUR + 60000 })
    fs.writeFileSync(path.join(dir, 'sessions', 'no-session'), 'x')
    const { code, counts, stderr, stdout } = await migrate(filesIn(dir), tableIn(dir))
    expect([code, counts, stderr]).toEqual([0, [30, 0, 5, 0], ''])
    expect(stdout).toMatch(/^seconds: \d+\.\d$/m)
    expect(stdout).toMatch(/^rows per second: \d+$/m)
    const found = rows(dir)
    expect(textsOf(found)).toEqual(live)
    for (const [id, { lastActivity }] of found) {
      expect(lastActivity).toBe(Math.floor(fs.statSync(path.join(dir, 'sessions', id)).mtimeMs))
    }
  })

  test('there and back gives the same files', async () => {
    const [there, back] = [tempDir(), tempDir()]
    const live = plant(there, 20, { text: (n) => JSON.stringify({ n, t: 'é"\\\n\u0001\u{1f600}', flash: { old: [], new: ['n'] } }) })
    expect((await migrate(filesIn(there), tableIn(there))).counts).toEqual([20, 0, 0, 0])
    expect((await migrate(tableIn(there), filesIn(back))).counts).toEqual([20, 0, 0, 0])
    expect(planted(back)).toEqual(live)
  })

  test('leaves what is there already alone, unless it is told to overwrite and the source is newer', async () => {
    const dir = tempDir()
    const [id] = plant(dir, 3, { ago: 60000 }).keys()
    await migrate(filesIn(dir), tableIn(dir))
    fs.writeFileSync(path.join(dir, 'sessions', id), '{"newer":true}')
    expect((await migrate(filesIn(dir), tableIn(dir))).counts).toEqual([0, 3, 0, 0])
    expect(textsOf(rows(dir)).get(id)).not.toBe('{"newer":true}')
    expect((await migrate(filesIn(dir), tableIn(dir), '--overwrite')).counts).toEqual([1, 2, 0, 0])
    expect(textsOf(rows(dir)).get(id)).toBe('{"newer":true}')
    expect((await migrate(filesIn(dir), tableIn(dir), '--overwrite')).counts).toEqual([0, 3, 0, 0])
  })

  test('what is idle at the target is no obstacle', async () => {
    const dir = tempDir()
    const [[id, text]] = plant(dir, 1)
    await migrate(filesIn(dir), tableIn(dir))
    const database = new Database(path.join(dir, 'sessions.sqlite'))
    database.prepare('UPDATE sessions SET payload = ?, lastActivity = ?').run('"old"', Date.now() - 10 * HOUR)
    database.close()
    expect((await migrate(filesIn(dir), tableIn(dir))).counts).toEqual([1, 0, 0, 0])
    expect(textsOf(rows(dir)).get(id)).toBe(text)
  })

  test('--dry-run counts, and writes nothing', async () => {
    const dir = tempDir()
    const live = plant(dir, 10)
    plant(dir, 2, { ago: HOUR + 60000 })
    const { code, counts, stdout } = await migrate(filesIn(dir), tableIn(dir), '--dry-run')
    expect([code, counts]).toEqual([0, [10, 0, 2, 0]])
    expect(stdout).toMatch(/^would be copied: 10$/m)
    expect([fs.readdirSync(dir), planted(dir).size]).toEqual([['sessions'], live.size + 2])
  })

  test('visitors of node-session 1.2.1 go on with their sessions', async () => {
    const dir = tempDir()
    const before = await openFiles(original, { files: path.join(dir, 'sessions'), lifetime: HOUR })
    const agents = [before.agent(), before.agent()]
    for (const [n, agent] of agents.entries()) await before.visit(agent, (session) => session.put('user', { n }))
    expect((await migrate(filesIn(dir), tableIn(dir))).counts).toEqual([2, 0, 0, 0])
    const after = await open(ours, { ...tableIn(dir) })
    for (const [n, agent] of agents.entries()) {
      const going = after.agentFor(before.id(agent))
      const { value } = await after.visit(going, (session) => session.get('user.n'))
      expect([value, after.id(going)]).toEqual([n, before.id(agent)])
    }
  })

  test('sessions that node-session 1.2.1 sealed are unsealed, sealed anew, and unsealed again', async () => {
    const [dir, plain] = [tempDir(), tempDir()]
    const texts = plant(dir, 5, { text: (n) => legacySeal(`{"n":${n}}`, SECRET) })
    const sealed = { encrypt: true, secret: SECRET }
    const other = { encrypt: true, secret: 'another secret of more than thirty-two characters' }
    expect((await migrate({ ...filesIn(dir), ...sealed }, { ...tableIn(dir), ...other })).counts).toEqual([5, 0, 0, 0])
    for (const text of textsOf(rows(dir)).values()) expect(text).not.toMatch(/"n"|"ct"/)
    expect((await migrate({ ...tableIn(dir), ...other }, filesIn(plain))).counts).toEqual([5, 0, 0, 0])
    const ids = [...texts.keys()]
    expect(planted(plain)).toEqual(new Map(ids.map((id, n) => [id, `{"n":${n}}`])))
    expect(await load(filesIn(plain), ids[3])).toEqual([true, expect.objectContaining({ n: 3 })])
  })

  test('what fails is counted by its code, without ids or payloads, and the rest is copied', async () => {
    const dir = tempDir()
    const live = plant(dir, 4, { text: (n) => `{"n":"the payload ${n}"}` })
    const bad = freshId()
    fs.writeFileSync(path.join(dir, 'sessions', bad), Buffer.from([0xff, 0xfe]))
    const large = [...plant(dir, 2, { text: () => `{"large":"${'x'.repeat(3000)}"}` }).keys()]
    const { code, counts, stdout, stderr } = await migrate({ ...filesIn(dir), maxBytes: 2000 }, tableIn(dir))
    expect([code, counts]).toEqual([1, [4, 0, 0, 3]])
    expect(stdout).toMatch(/^ {2}ERR_SESSION_CORRUPT: 1 \(the first: /m)
    expect(stdout).toMatch(/^ {2}ERR_SESSION_TOO_LARGE: 2 \(the first: /m)
    for (const secret of [bad, ...large, 'the payload', ...live.keys()]) expect(`${stdout}${stderr}`).not.toContain(secret)
    expect(textsOf(rows(dir))).toEqual(live)
  })

  test('with the wrong secret nothing is copied, and everything is said to have failed', async () => {
    const dir = tempDir()
    plant(dir, 3, { text: (n) => legacySeal(`{"n":${n}}`, SECRET) })
    const wrong = { ...filesIn(dir), encrypt: true, secret: 'not the secret, but as long as it has to be' }
    const { code, counts, stdout, stderr } = await migrate(wrong, tableIn(dir))
    expect([code, counts]).toEqual([1, [0, 0, 0, 3]])
    expect(stdout).toMatch(/ERR_SESSION_DECRYPT: 3/)
    expect(`${stdout}${stderr}`).not.toContain('not the secret')
  })

  test('killed again and again, it loses nothing and doubles nothing', async () => {
    const dir = tempDir()
    const live = plant(dir, 4000)
    const args = ['migrate', '--from', JSON.stringify(filesIn(dir)), '--to', JSON.stringify(tableIn(dir))]
    let killed = 0
    for (const part of [1, 800, 2000]) {
      const { child, ended } = begin(args)
      await until(() => {
        const stored = fs.existsSync(path.join(dir, 'sessions.sqlite-wal')) && countRows(dir)
        return stored >= part || child.exitCode !== null
      })
      child.kill('SIGKILL')
      killed += (await ended).code === 'SIGKILL'
    }
    expect(killed).toBeGreaterThan(0)
    const { code, counts: [copied, skipped, idle, failed] } = await migrate(filesIn(dir), tableIn(dir))
    expect([code, copied + skipped, idle, failed]).toEqual([0, 4000, 0, 0])
    expect(skipped).toBeGreaterThan(0)
    expect(textsOf(rows(dir))).toEqual(live)
    expect(planted(dir)).toEqual(live)
  })

  test('Ctrl-C ends it cleanly, and it says how far it came', async () => {
    const dir = tempDir()
    const live = plant(dir, 8000)
    const { child, ended } = begin(['migrate', '--from', JSON.stringify(filesIn(dir)), '--to', JSON.stringify(tableIn(dir))])
    await until(() => fs.existsSync(path.join(dir, 'sessions.sqlite-wal')) && countRows(dir) > 10)
    child.kill('SIGINT')
    const { code, stdout, stderr } = await ended
    const [copied] = countsOf(stdout)
    expect([code, rows(dir).size, stderr]).toEqual([130, copied, 'node-session: stopped; run it again and it goes on\n'])
    expect(stdout).toMatch(/not all of them were looked at/)
    expect(copied).toBeLessThan(8000)
    expect((await migrate(filesIn(dir), tableIn(dir))).counts).toEqual([8000 - copied, copied, 0, 0])
    expect(textsOf(rows(dir))).toEqual(live)
  })

  test('ten thousand sessions take no more memory than some', async () => {
    const dir = tempDir()
    plant(dir, 10000, { text: (n) => `{"n":${n},"t":"${'x'.repeat(10000)}"}` })
    const args = ['migrate', '--from', JSON.stringify(filesIn(dir)), '--to', JSON.stringify(tableIn(dir))]
    const told = path.join(dir, 'told.js')
    fs.writeFileSync(told, 'process.on("exit", () => process.stderr.write(`peak ${process.resourceUsage().maxRSS}\\n`))')
    const { ended } = begin(args, { node: ['--max-old-space-size=64', '--require', told] })
    const { code, stdout, stderr } = await ended
    expect([code, countsOf(stdout)]).toEqual([0, [10000, 0, 0, 0]])
    // 100 MB were carried.
    expect(Number(/peak (\d+)/.exec(stderr)[1])).toBeLessThan(250 * 1024)
  })
})

/** How many rows there are, as far as can be told while the command writes. */
function countRows(dir) {
  try {
    return rows(dir).size
  } catch {
    return 0
  }
}

describe('the command line', () => {
  const config = (dir, name, text) => {
    fs.writeFileSync(path.join(dir, name), text)
    return name
  }

  test('a config is a file of JSON, a module of either kind, or JSON itself', async () => {
    const dir = tempDir()
    plant(dir, 3)
    const options = '{ "driver": "file", "files": "sessions", "lifetime": 3600000 }'
    const froms = [
      config(dir, 'a.json', options),
      config(dir, 'a.cjs', `module.exports = ${options}`),
      config(dir, 'a.js', `module.exports = ${options}`),
      config(dir, 'a.mjs', `export default ${options}`),
      options,
    ]
    for (const [n, from] of froms.entries()) {
      const { ended } = begin(['migrate', '--from', from, '--to', `{"driver":"file","files":"to${n}"}`], { cwd: dir })
      const { code, stdout } = await ended
      expect([code, countsOf(stdout)]).toEqual([0, [3, 0, 0, 0]])
      expect(fs.readdirSync(path.join(dir, `to${n}`)).filter((name) => ID.test(name))).toHaveLength(3)
    }
  })

  test('what is wrong is said in a line, without a stack and without what a config holds', async () => {
    const dir = tempDir()
    const bad = config(dir, 'bad.json', '{ "secret": "hidden", }')
    const thrown = config(dir, 'thrown.js', 'throw new Error("not today")')
    const text = config(dir, 'text.txt', '{}')
    const list = config(dir, 'list.json', '[]')
    fs.mkdirSync(path.join(dir, 'sessions'))
    const good = '{"driver":"file","files":"sessions"}'
    const cases = [
      [[], /no command is given/],
      [['frobnicate'], /there is no command `frobnicate`, only `migrate`/],
      [['migrate'], /--from is missing/],
      [['migrate', '--from', good], /--to is missing/],
      [['migrate', 'now', '--from', good, '--to', good], /`now` is one word too many/],
      [['migrate', '--form', good], /--form/],
      [['migrate', '--from', 'none.json', '--to', good], /--from: `none\.json` does not exist/],
      [['migrate', '--from', bad, '--to', good], /--from: `bad\.json` is no JSON/],
      [['migrate', '--from', '{"secret":"hidden"', '--to', good], /--from: the text is no JSON/],
      [['migrate', '--from', good, '--to', thrown], /--to: `thrown\.js` cannot be loaded: not today/],
      [['migrate', '--from', text, '--to', good], /must be a \.json, \.js, \.cjs or \.mjs file/],
      [['migrate', '--from', list, '--to', good], /--from: the options of a NodeSession are an object/],
      [['migrate', '--from', '{"driver":"flie"}', '--to', good], /--from: there is no driver `flie` here, only file, database, redis/],
      [['migrate', '--from', good, '--to', '{"store":{}}'], /--to: what a store of express-session keeps cannot be moved/],
      [['migrate', '--from', '{"driver":"memory"}', '--to', good], /--from: the sessions of the driver `memory`/],
      [['migrate', '--from', '{"driver":"file","files":"none"}', '--to', good], /--from: there is no `none`/],
      [['migrate', '--from', '{"driver":"database"}', '--to', good], /--from: there is no `.*sessions\.sqlite`/],
      [['migrate', '--from', '{"driver":"database","connection":"sqlite:none.sqlite"}', '--to', good], /--from: there is no `none\.sqlite`/],
      [['migrate', '--from', good, '--to', '{"lifetime":-1}'], /--to: .*lifetime/],
      [['migrate', '--from', good, '--to', '{"encrypt":true}'], /--to: option `encrypt` needs option `secret`/],
    ]
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await begin(args, { cwd: dir }).ended
      expect([args, code, stdout, stderr.match(/\n/g)?.length]).toEqual([args, 2, '', 2])
      expect(stderr).toMatch(message)
      expect(stderr).toMatch(/^node-session: .*\nTry node-session --help\n$/)
      expect(stderr).not.toMatch(/hidden| at /)
    }
  })

  test('--help and --version', async () => {
    const [help, version] = [await run('--help'), await run('--version')]
    expect([help.code, help.stderr, help.stdout]).toEqual([0, '', expect.stringMatching(/^Usage: node-session migrate/)])
    expect([version.code, version.stdout]).toEqual([0, `${require('../package.json').version}\n`])
  })

  test('a storage that cannot be listed is said to be so', async () => {
    const dir = tempDir()
    fs.writeFileSync(path.join(dir, 'sessions.sqlite'), 'this is no database, and as long as a page has to be '.repeat(100))
    const { code, stderr, counts } = await migrate(tableIn(dir), filesIn(dir))
    expect([code, counts]).toEqual([1, [0, 0, 0, 0]])
    expect(stderr).toMatch(/^node-session: stopped: ERR_SESSION_READ: .*; run it again and it goes on$/m)
  })

  test('a source whose table is missing is said to be so, and gets none', async () => {
    const dir = tempDir()
    const file = path.join(dir, 'sessions.sqlite')
    const tables = (statement) => {
      const database = new Database(file)
      if (statement) database.exec(statement)
      const names = database.prepare('SELECT name FROM sqlite_master').pluck().all()
      database.close()
      return names
    }
    tables('CREATE TABLE visits (id TEXT)')
    for (const flags of [[], ['--dry-run']]) {
      const { code, stdout, stderr } = await migrate(tableIn(dir), filesIn(dir), ...flags)
      expect([code, stdout, stderr]).toEqual([2, '', 'node-session: --from: there is no table "sessions"\nTry node-session --help\n'])
    }
    expect(tables()).toEqual(['visits'])
  })

  test('a source without sessions is no fault', async () => {
    const dir = tempDir()
    fs.mkdirSync(path.join(dir, 'sessions'))
    expect(await migrate(filesIn(dir), tableIn(dir))).toMatchObject({ code: 0, counts: [0, 0, 0, 0] })
  })
})
