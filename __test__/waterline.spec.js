'use strict'

/*
 * Sessions through Waterline 0.10 and adapters of the application's own (issue 4, item 3): what node-session 1.2.1 does over the
 * same adapters, and what has become of them when they are missing, fail or hang.
 */

const { execFileSync } = require('child_process')
const fs = require('fs')
const path = require('path')

const { packages, original, ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { application, within, faultyApplication } = require('./support/waterline')
const { tempDir } = require('./support/cleanup')
const { SECRET, freshId } = require('./support/cookies')
const { until } = require('./support/waiting')
const { timed } = require('./support/hanging')

const PASSWORD = 'hunter2-hunter2'
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 1500

let tables = 0
/** A table that no other test has. */
function freshTable() {
  tables += 1
  return `waterline${tables}`
}

/** A site over an adapter, in a folder of its own. */
function siteOver(pkg, adapter, config = {}) {
  const table = freshTable()
  return open(pkg, { driver: 'database', table, connection: { adapter, filePath: `${tempDir()}/` }, ...config })
}

const modelOf = (site) => new Promise((resolve) => { site.nodeSession.__manager.__getSessionModel(resolve) })
const rowsOf = async (site) => (await modelOf(site)).find()

describe.each(packages)('%s', (name, pkg) => {
  describe.each(['sails-memory', 'sails-disk'])('over %s', (adapter) => {
    test('a session lives over requests, as a row of the documented shape', async () => {
      const site = await siteOver(pkg, adapter)
      const agent = site.agent()
      const start = Date.now()
      await site.visit(agent, (session) => session.put('user', 'bob "q"'))
      await site.visit(agent, (session) => session.push('list', 'é😀'))
      const { value } = await site.visit(agent, (session) => [session.get('user'), session.get('list')])
      expect(value).toEqual(['bob "q"', ['é😀']])
      const [row, ...others] = await rowsOf(site)
      expect([row.id, others]).toEqual([site.id(agent), []])
      expect(JSON.parse(JSON.parse(row.payload))).toMatchObject({ user: 'bob "q"', list: ['é😀'], flash: { old: [], new: [] } })
      expect(row.lastActivity).toBeGreaterThanOrEqual(start)
      expect(row.lastActivity).toBeLessThanOrEqual(Date.now())
    })

    test('a payload longer than a short column is kept whole', async () => {
      const site = await siteOver(pkg, adapter)
      const agent = site.agent()
      await site.visit(agent, (session) => session.put('text', 'x'.repeat(100000)))
      expect((await site.visit(agent, (session) => session.get('text').length)).value).toBe(100000)
    })

    test('regenerate(true) moves the row', async () => {
      const site = await siteOver(pkg, adapter)
      const agent = site.agent()
      await site.visit(agent, (session) => session.put('user', 'bob'))
      const before = site.id(agent)
      await site.visit(agent, (session) => session.regenerate(true))
      expect(site.id(agent)).not.toBe(before)
      await until(async () => (await rowsOf(site)).length === 1)
      expect((await rowsOf(site))[0].id).toBe(site.id(agent))
      expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
    })

    test('getSession and __createDatabaseDriver give sessions of the table', async () => {
      const site = await siteOver(pkg, adapter)
      const agent = site.agent()
      await site.visit(agent, (session) => session.put('user', 'bob'))
      const request = { headers: { cookie: agent.cookieHeader() } }
      const session = await new Promise((resolve) => { site.nodeSession.getSession(request, resolve) })
      await new Promise((resolve) => { session.start(resolve) })
      expect([session.getId(), session.get('user')]).toEqual([site.id(agent), 'bob'])
      const other = await new Promise((resolve) => { site.nodeSession.__manager.__createDatabaseDriver(resolve) })
      other.setId(site.id(agent))
      await new Promise((resolve) => { other.start(resolve) })
      expect(other.get('user')).toBe('bob')
      expect(other.getHandler()).toBeInstanceOf(pkg.deep('lib/handler/DatabaseSessionHandler'))
    })
  })
})

describeOurs('beside node-session 1.2.1', () => {
  /** Closes what a package's NodeSession has opened. */
  const closed = (site) => (
    site.nodeSession.close?.() ?? new Promise((resolve) => { require('sails-disk').teardown(site.config.table, resolve) })
  )

  test.each([['node-session 1.2.1', original, ours], ['this package', ours, original]])(
    'rows of sails-disk that %s wrote are read by the other', async (name, writer, reader) => {
      const shared = { connection: { adapter: 'sails-disk', filePath: `${tempDir()}/` }, table: freshTable() }
      const first = await open(writer, { driver: 'database', ...shared })
      const agent = first.agent()
      await first.visit(agent, (session) => session.put({ user: 'bob', list: [1, { a: 'é' }] }))
      const token = (await first.visit(agent, (session) => session.getToken())).value
      await closed(first)
      const second = await open(reader, { driver: 'database', ...shared })
      const { value } = await second.visit(second.agentFor(first.id(agent)), (session) => (
        [session.get('user'), session.get('list'), session.getToken()]
      ))
      expect(value).toEqual(['bob', [1, { a: 'é' }], token])
      await closed(second)
    }
  )
})

describeOurs('over sails-disk, this package', () => {
  test('loses no key when requests overlap', async () => {
    const site = await siteOver(ours, 'sails-disk')
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('n', 0))
    await Promise.all(Array.from({ length: 20 }, (_, i) => site.visit(agent.twin(), (session) => {
      session.put(`k${i}`, i)
      session.increment('n')
    })))
    const { value } = await site.visit(agent, (session) => session.all())
    expect([value.n, Object.keys(value).filter((key) => /^k\d+$/.test(key)).length]).toEqual([20, 20])
    expect(site.errors).toEqual([])
  })

  test('does not load a session that was idle for too long, and makes the row anew where the application keeps the id', async () => {
    const site = await siteOver(ours, 'sails-disk', { lifetime: 10000 })
    const model = await modelOf(site)
    const [idle, live] = [freshId(), freshId()]
    const payload = JSON.stringify('{"_token":"T","user":"bob"}')
    await model.create([{ id: idle, payload, lastActivity: Date.now() - 11500 }, { id: live, payload, lastActivity: Date.now() - 10500 }])
    expect((await site.visit(site.agentFor(idle), (session) => session.get('user'))).value).toBeUndefined()
    expect((await site.visit(site.agentFor(live), (session) => session.get('user'))).value).toBe('bob')
    await model.update(idle, { payload, lastActivity: Date.now() - 11500 })
    await model.create({ id: idle, payload, lastActivity: Date.now() - 11500 }).catch(() => {})
    await site.visit(site.agent(), async (session) => {
      session.setId(idle)
      await session.start()
      session.put('user', 'ann')
      await session.save()
    })
    const rows = (await model.find()).filter((row) => row.id === idle)
    expect(rows.map((row) => JSON.parse(JSON.parse(row.payload)).user)).toEqual(['ann'])
  })

  test('sweeps rows that are idle, and none whose activity is recorded late', async () => {
    const site = await siteOver(ours, 'sails-disk', { lifetime: 10000, lottery: [1, 1] })
    const model = await modelOf(site)
    const [idle, live] = [freshId(), freshId()]
    await model.create({ id: idle, payload: '"{}"', lastActivity: Date.now() - 12000 })
    await model.create({ id: live, payload: '"{}"', lastActivity: Date.now() - 10500 })
    const agent = site.agent()
    await site.visit(agent)
    await until(async () => (await model.find()).length === 2)
    expect((await model.find()).map((row) => row.id).sort()).toEqual([live, site.id(agent)].sort())
  })

  test('destroys the row at a log-out', async () => {
    const site = await siteOver(ours, 'sails-disk')
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    await site.visit(agent.twin(), (session) => session.destroy())
    expect(await rowsOf(site)).toEqual([])
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBeUndefined()
  })

  test('is shared by NodeSessions of the same settings; close() ends it when the last has closed', async () => {
    const config = { driver: 'database', table: freshTable(), connection: { adapter: 'sails-disk', filePath: `${tempDir()}/` } }
    const [one, two] = [await open(ours, config), await open(ours, config)]
    const agent = one.agent()
    await one.visit(agent, (session) => session.put('user', 'bob'))
    const both = two.agentFor(one.id(agent))
    expect((await two.visit(both, (session) => session.get('user'))).value).toBe('bob')
    await one.nodeSession.close()
    await two.visit(both, (session) => session.put('user', 'ann'))
    const other = { ...config, connection: { ...config.connection, filePath: `${tempDir()}/` } }
    expect(() => ours.create({ secret: SECRET, ...other })).toThrow('option `table` must be another than that of a NodeSession')
    await two.nodeSession.close()
    expect(() => ours.create({ secret: SECRET, ...other })).not.toThrow()
    expect((await two.visit(two.agentFor(one.id(agent)), (session) => session.get('user'))).started).toHaveLength(1)
  })

  test('takes a table whose name has upper-case letters', async () => {
    const site = await siteOver(ours, 'sails-disk', { table: `Upper${process.pid}` })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
  })

  test('answers ready()', async () => {
    const site = await siteOver(ours, 'sails-disk')
    await expect(site.nodeSession.ready()).resolves.toBeUndefined()
  })
})

describeOurs('what is not installed', () => {
  const create = (connection, extra) => ours.create({ secret: SECRET, driver: 'database', connection, ...extra })
  /** The same in a process of its own, whose main module is in the folder too. */
  const refusalElsewhere = (folder, connection) => {
    const main = path.join(folder, 'main.js')
    const options = JSON.stringify({ secret: SECRET, driver: 'database', connection })
    const text = `try { new (require(${JSON.stringify(ours.entry)}))(${options}) } catch (error) { console.log(error.message) }`
    fs.writeFileSync(main, text)
    return execFileSync(process.execPath, [main], { cwd: folder, encoding: 'utf8' })
  }
  const refusal = (folder, connection, extra) => within(folder, () => {
    try {
      create(connection, extra)
    } catch (error) {
      return error
    }
    return undefined
  })
  const BUILT_IN = ['sqlite', 'redis', 'sails-redis', 'postgres', 'sails-postgresql', 'mysql', 'sails-mysql']

  test('an adapter is told by the constructor, with the packages to install and what is built in', () => {
    const { folder } = application()
    const error = refusal(folder, { adapter: 'sails-mongo', host: 'localhost', user: 'bob', password: PASSWORD })
    expect(error).toBeInstanceOf(ours.NodeSession.SessionError)
    expect(error.code).toBe('ERR_SESSION_CONFIG')
    expect(error.message).toContain('`connection.adapter`')
    expect(error.message).toContain('`sails-mongo` is not installed')
    expect(error.message).toContain('npm install waterline@0.10 sails-mongo')
    for (const name of BUILT_IN) expect(error.message).toContain(`'${name}'`)
    expect(error.message).not.toContain(PASSWORD)
  })

  test('Waterline is told too, and one of another version', () => {
    const without = application({ links: ['sails-memory'] })
    expect(refusalElsewhere(without.folder, { adapter: 'sails-memory' })).toContain('`waterline` is not installed')
    const { folder, modules } = application({ links: ['sails-memory'], files: { waterline: 'module.exports = function () {}' } })
    fs.writeFileSync(path.join(modules, 'waterline', 'package.json'), '{"version":"0.13.6","main":"index.js"}')
    expect(refusal(folder, { adapter: 'sails-memory' }).message).toContain('in version 0.13.6, which is not 0.10')
  })

  test('a module that is no adapter, or cannot be loaded, is told', () => {
    const { folder } = application({ files: { 'not-one': 'module.exports = {}', broken: 'throw new Error("no libmongo here")' } })
    expect(refusal(folder, { adapter: 'not-one' }).message).toContain('`not-one` is no Waterline adapter')
    expect(refusal(folder, { adapter: 'fs' }).message).toContain('`fs` is no Waterline adapter')
    const { message, cause } = refusal(folder, { adapter: 'broken' })
    expect([message, cause.message]).toEqual([expect.stringContaining('`broken` cannot be loaded'), 'no libmongo here'])
  })

  test('what is no name of a module is refused by the engine, and not repeated', () => {
    const { message } = refusal(process.cwd(), { adapter: `mongodb://bob:${PASSWORD}@localhost/test` })
    expect(message).toContain('`connection.adapter`')
    expect(message).not.toContain(PASSWORD)
    expect(refusal(process.cwd(), { adapter: '../../package.json' }).code).toBe('ERR_SESSION_CONFIG')
    expect(refusal(process.cwd(), { adapter: 'sails-memory' }, { table: 5 }).message).toContain('`table`')
  })
})

describeOurs('an adapter that fails', () => {
  const { folder, control } = faultyApplication()

  async function faultySite(config = {}) {
    const connection = { adapter: 'sails-faulty', user: 'bob', password: PASSWORD, url: `faulty://bob:${PASSWORD}@localhost/x` }
    const options = { driver: 'database', table: freshTable(), connection, ...config }
    return within(folder, () => open(ours, options))
  }
  beforeEach(() => {
    control.faults = {}
    control.rows.clear()
    control.calls.length = 0
  })
  const failing = (text) => ({ callback }) => callback(new Error(text))
  const plant = (id, attributes) => {
    const payload = JSON.stringify(JSON.stringify({ _token: 'T', ...attributes }))
    control.rows.set(id, { id, payload, lastActivity: Date.now() })
  }
  const told = (error) => JSON.stringify([error.message, error.cause?.message, error.cause?.stack, { ...error }, { ...error.cause }])

  test('to open its connection: each request is told ERR_SESSION_READ, without the password, and it is tried again', async () => {
    const site = await faultySite()
    const id = freshId()
    plant(id, { user: 'ann' })
    const agent = site.agentFor(id)
    control.faults.registerConnection = failing(`cannot connect as bob:${PASSWORD} to localhost`)
    for (const visitor of [agent, site.agent()]) {
      const { started, setCookies, status } = await site.visit(visitor)
      expect([started[0].code, setCookies, status]).toEqual(['ERR_SESSION_READ', [], 200])
      expect(started[0].cause.message).toContain('cannot open the connection of `sails-faulty`: cannot connect as bob:')
      expect(told(started[0])).not.toContain(PASSWORD)
    }
    expect(control.calls.filter((call) => call === 'registerConnection')).toHaveLength(1)
    await expect(site.nodeSession.ready()).rejects.toMatchObject({ code: 'ERR_SESSION_READ' })
    control.faults = {}
    await until(async () => (await site.visit(agent, (session) => session.get('user'))).value === 'ann')
    expect([...control.rows.keys()]).toEqual([id])
    expect(site.errors).toEqual([])
  })

  test('by throwing when it is opened or asked: never thrown further', async () => {
    const site = await faultySite()
    const agent = site.agentFor(freshId())
    control.faults.registerConnection = () => { throw new Error('thrown at once') }
    expect((await site.visit(agent)).started[0].code).toBe('ERR_SESSION_READ')
    control.faults = {}
    await until(async () => (await site.visit(agent.twin())).started.length === 0)
    control.faults.find = () => { throw new Error('thrown at once') }
    const { started } = await site.visit(agent)
    expect(started[0].code).toBe('ERR_SESSION_READ')
    expect(started[0].cause.message).toBe('thrown at once')
  })

  test('by never opening: within readTimeout, and it heals when it does', async () => {
    const site = await faultySite({ readTimeout: 150 })
    const agent = site.agentFor(freshId())
    control.faults.registerConnection = () => {}
    const [{ started }, took] = await timed(() => site.visit(agent))
    expect(['ERR_SESSION_TIMEOUT', 'ERR_SESSION_READ']).toContain(started[0].code)
    expect(took).toBeLessThan(150 + SLACK)
    control.faults = {}
    await until(async () => (await site.visit(agent.twin())).started.length === 0)
  })

  test('to read: the callback has the error, without the id, and the row is as it was', async () => {
    const site = await faultySite()
    const id = freshId()
    plant(id, { user: 'ann' })
    const before = { ...control.rows.get(id) }
    control.faults.find = failing(`no row ${id} today`)
    const { started, setCookies } = await site.visit(site.agentFor(id), (session) => session.put('user', 'eve'))
    expect([started[0].code, started[0].cause.message, setCookies]).toEqual(['ERR_SESSION_READ', 'no row … today', []])
    expect(told(started[0])).not.toContain(id)
    control.faults = {}
    expect(control.rows.get(id)).toEqual(before)
    expect((await site.visit(site.agentFor(id), (session) => session.get('user'))).value).toBe('ann')
  })

  test('to write: the response goes out, event error tells of it, and the row is as it was', async () => {
    const site = await faultySite()
    const id = freshId()
    plant(id, { user: 'ann' })
    control.faults.update = ({ args, callback }) => callback(new Error(`cannot store ${args[1].payload} of ${id} for ${PASSWORD}`))
    const { status } = await site.visit(site.agentFor(id), (session) => session.put('card', '4111-1111'))
    expect([status, site.errors.map((error) => error.code)]).toEqual([200, ['ERR_SESSION_WRITE']])
    for (const secret of [id, '4111-1111', PASSWORD]) expect(told(site.errors[0])).not.toContain(secret)
    control.faults = {}
    expect((await site.visit(site.agentFor(id), (session) => session.all())).value).toMatchObject({ user: 'ann' })
  })

  test('to answer: every request ends within its time', async () => {
    const site = await faultySite({ readTimeout: 150, saveTimeout: 150 })
    const id = freshId()
    plant(id, { user: 'ann' })
    control.faults.find = () => {}
    const [{ started }, took] = await timed(() => site.visit(site.agentFor(id)))
    expect(started[0].code).toBe('ERR_SESSION_TIMEOUT')
    expect(took).toBeLessThan(300 + SLACK)
    control.faults = { update: () => {} }
    const [{ body }, longer] = await timed(() => site.visit(site.agentFor(id), (session) => session.put('user', 'eve')))
    expect([body, site.errors.map((error) => error.code)]).toEqual(['done', ['ERR_SESSION_TIMEOUT']])
    expect(longer).toBeLessThan(300 + SLACK)
    control.faults = {}
    expect((await site.visit(site.agentFor(id), (session) => session.get('user'))).value).toBe('ann')
  })

  test('by calling back twice: the first answer counts', async () => {
    const site = await faultySite()
    const id = freshId()
    plant(id, { user: 'ann' })
    control.faults.update = ({ callback, work }) => {
      work()
      setImmediate(() => { try { callback(new Error('again')) } catch { /* Waterline's own matter */ } })
    }
    await site.visit(site.agentFor(id), (session) => session.put('user', 'eve'))
    expect(site.errors).toEqual([])
    expect((await site.visit(site.agentFor(id), (session) => session.get('user'))).value).toBe('eve')
  })

  test('by cutting the payload: the save is reported as failed', async () => {
    const site = await faultySite()
    control.faults.create = ({ args, callback }) => {
      const row = { ...args[0], payload: args[0].payload.slice(0, 255) }
      control.rows.set(row.id, row)
      callback(null, { ...row })
    }
    const { setCookies } = await site.visit(site.agent(), (session) => session.put('text', 'x'.repeat(300)))
    expect([site.errors.map((error) => error.code), setCookies]).toEqual([['ERR_SESSION_WRITE'], []])
    expect(site.errors[0].cause.message).toContain('`payload`')
  })

  test('because the row went while it was written: reported, and the session does not come back', async () => {
    const site = await faultySite()
    const id = freshId()
    plant(id, { user: 'ann' })
    control.faults.update = ({ work }) => {
      control.rows.delete(id)
      work()
    }
    await site.visit(site.agentFor(id), (session) => session.put('user', 'eve'))
    expect(site.errors.map((error) => [error.code, error.cause.message])).toEqual([['ERR_SESSION_WRITE', 'the row was removed meanwhile']])
    expect(control.rows.size).toBe(0)
  })

  test('by giving another row: it is none', async () => {
    const site = await faultySite()
    const id = freshId()
    plant(id.toUpperCase(), { user: 'ann' })
    control.faults.find = ({ callback }) => callback(null, [...control.rows.values()])
    expect((await site.visit(site.agentFor(id), (session) => session.get('user'))).value).toBeUndefined()
  })

  test('what is stored and no session stays as it is, and the visitor gets a new one', async () => {
    const site = await faultySite()
    const id = freshId()
    control.rows.set(id, { id, payload: '"{\\"user\\":', lastActivity: Date.now() })
    const before = { ...control.rows.get(id) }
    const agent = site.agentFor(id)
    await site.visit(agent, (session) => session.put('user', 'eve'))
    expect([site.corrupt.map((error) => error.code), control.rows.get(id)]).toEqual([['ERR_SESSION_CORRUPT'], before])
    expect(site.id(agent)).not.toBe(id)
  })

  test('close() tears its connection down, also where that hangs; a later request opens it again', async () => {
    const site = await faultySite()
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    expect(control.open.has(site.config.table)).toBe(true)
    await site.nodeSession.close()
    expect(control.open.has(site.config.table)).toBe(false)
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
    control.faults.teardown = () => {}
    const [, took] = await timed(() => site.nodeSession.close())
    expect(took).toBeLessThan(5000 + SLACK)
    control.open.clear()
  }, 15000)

  test('__getSessionModel tells why there is no model', async () => {
    const site = await faultySite()
    control.faults.registerConnection = failing('no')
    const [model, error] = await new Promise((resolve) => {
      site.nodeSession.__manager.__getSessionModel((...given) => resolve(given))
    })
    expect([model, error.message]).toEqual([undefined, 'cannot open the connection of `sails-faulty`: no'])
  })

  test('the column of the payload is declared so that adapters make it long enough', async () => {
    const site = await faultySite()
    await site.visit(site.agent())
    const { definition } = control.collections[site.config.table]
    expect(definition).toMatchObject({ payload: { type: 'text' }, lastActivity: { type: 'integer', size: 64 } })
    expect(await rowsOf(site)).toHaveLength(1)
  })
})
