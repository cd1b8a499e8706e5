'use strict'

/*
 * The store for express-session, called by itself, and `node-session migrate`, on each database server.
 */

const { spawn } = require('child_process')
const { once } = require('events')
const fs = require('fs')
const path = require('path')

const Store = require('../express-session')
const { Records } = require('../lib/express-session/records')
const { Engine } = require('../lib/engine')
const { tempDir, later } = require('./support/cleanup')
const { servers } = require('./support/store-servers')
const { until } = require('./support/waiting')
const { SECRET, ID, freshId } = require('./support/cookies')

const COMMAND = path.join(__dirname, '..', 'bin', 'node-session.js')

jest.setTimeout(60000)

const own = (values, ms = 60000) => ({ cookie: { originalMaxAge: ms, expires: new Date(Date.now() + ms) }, ...values })

// A suite must have a test where no server can be reached.
test('the servers are known', () => {
  expect(Array.isArray(servers)).toBe(true)
})

describe.each(servers)('over %s', (name, row) => {
  let store
  let other
  let options

  beforeAll(() => {
    options = row.options()
    store = new Store({ lottery: false, ...options })
    other = new Store({ lottery: false, ...options })
    later(() => store.close())
    later(() => other.close())
  })
  afterEach(() => store.clear())

  test('one store sees what another has stored, touched and destroyed', async () => {
    await store.set('a', own({ n: 1, t: 'é☃\u{1f600}' }))
    expect(await other.get('a')).toMatchObject({ n: 1, t: 'é☃\u{1f600}' })
    const touched = own({}, 90000)
    await other.touch('a', touched)
    expect((await store.get('a')).cookie.expires).toBe(touched.cookie.expires.toISOString())
    await other.set('a', own({ n: 2 }, 30000))
    expect(await store.get('a')).toMatchObject({ n: 2 })
    await other.touch('a', own({}, 2000))
    await store.touch('a', touched)
    expect((await other.get('a')).cookie.expires).toBe(touched.cookie.expires.toISOString())
    await store.destroy('a')
    expect(await other.get('a')).toBeUndefined()
    await other.set('a', own({ n: 3 }))
    expect(await store.get('a')).toMatchObject({ n: 3 })
  })

  test('the last set stands, in whatever order they end', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.set('a', own({ n }))))
    expect(await store.get('a')).toMatchObject({ n: 19 })
    await Promise.all([store.set('a', own({ n: 'late' })), store.destroy('a')])
    expect(await store.get('a')).toBeUndefined()
  })

  test('a session ends with its cookie, also when that was moved back and forth', async () => {
    await store.set('short', own({}, 300))
    await store.set('moved', own({}))
    await store.touch('moved', own({}, 400))
    await store.set('long', own({}, 250))
    await store.touch('long', own({}, 60000))
    await until(async () => (await store.ids()).length === 1)
    expect([await store.ids(), await store.get('short')]).toEqual([['long'], undefined])
  })

  test('all sessions are listed, counted and cleared', async () => {
    const ids = Array.from({ length: 1200 }, (_, n) => `session/${n}`)
    for (let n = 0; n < ids.length; n += 100) await Promise.all(ids.slice(n, n + 100).map((id) => store.set(id, own({ id }))))
    expect([(await store.ids()).sort(), await store.length()]).toEqual([[...ids].sort(), 1200])
    await store.clear()
    expect(await store.all()).toEqual([])
  })

  test('sessions are moved to it from files, and back', async () => {
    const [dir, table] = [tempDir(), { ...row.options(), lifetime: 3600000 }]
    const texts = new Map(Array.from({ length: 300 }, (_, n) => [freshId(), `{"n":${n},"t":"é\\u0000\\"\\\\"}`]))
    fs.mkdirSync(path.join(dir, 'a'))
    for (const [id, text] of texts) fs.writeFileSync(path.join(dir, 'a', id), text)
    const files = (folder) => ({ driver: 'file', files: path.join(dir, folder), lifetime: 3600000 })
    const migrate = async (from, to) => {
      const child = spawn(process.execPath, [COMMAND, 'migrate', '--from', JSON.stringify(from), '--to', JSON.stringify(to)])
      let told = ''
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { told += text })
      await once(child, 'close')
      return /copied: (\d+)\nskipped: (\d+)\nidle: (\d+)\nfailed: (\d+)/.exec(told)?.slice(1).map(Number) ?? told
    }
    expect(await migrate(files('a'), table)).toEqual([300, 0, 0, 0])
    expect(await migrate(files('a'), table)).toEqual([0, 300, 0, 0])
    expect(await migrate(table, files('b'))).toEqual([300, 0, 0, 0])
    if (table.table !== undefined) {
      // Had the first run made it, the second would find it.
      const missing = { ...table, table: `${table.table}_none` }
      const named = expect.stringMatching(new RegExp(`^node-session: --from: there is no table .${missing.table}.\n`))
      expect([await migrate(missing, files('c')), await migrate(missing, files('c'))]).toEqual([named, named])
    }
    const back = fs.readdirSync(path.join(dir, 'b')).filter((id) => ID.test(id))
    expect(new Map(back.map((id) => [id, fs.readFileSync(path.join(dir, 'b', id), 'utf8')]))).toEqual(texts)
    const records = new Records(new Engine({ ...files('b'), secret: SECRET }))
    const [id] = back
    const { at } = await records.keep('takeAlong', id)
    expect(at).toBe(Math.floor(fs.statSync(path.join(dir, 'a', id)).mtimeMs))
  })
})
