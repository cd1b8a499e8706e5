'use strict'

/*
 * Storage that fails or lies: damaged records, idle ones, folders that vanish, handlers that misbehave. The visitor gets an
 * answer, stored sessions stay whole, the application hears of it by `err` or `'error'` (faults B5, B9, B14–B16, B19; requirements
 * 3, 40, 56, 62, 88, 110, 112, 113, 124).
 */

const { execFileSync } = require('child_process')
const fs = require('fs')
const path = require('path')
const util = require('util')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { MapHandler, openTable, useHandler } = require('./support/handlers')
const { until } = require('./support/waiting')
const { SECRET, ID, freshId } = require('./support/cookies')

const EMPTY = '"flash":{"old":[],"new":[]}'
const GOOD = `{"_token":"T","user":"bob",${EMPTY}}`
const CORRUPT = 'ERR_SESSION_CORRUPT'
const DECRYPT = 'ERR_SESSION_DECRYPT'

/** Sets when a file was last written and read, in milliseconds before now. */
function age(file, ms) {
  const seconds = (Date.now() - ms) / 1000
  fs.utimesSync(file, seconds, seconds)
}

describeOurs('a record that is no session', () => {
  test.each([
    ['an empty file', '', {}, CORRUPT],
    ['half a session', GOOD.slice(0, 20), {}, CORRUPT],
    ['a session and something after it', `${GOOD}x`, {}, CORRUPT],
    ['two sessions', GOOD + GOOD, {}, CORRUPT],
    ['a JSON text', '"text"', {}, CORRUPT],
    ['plain text', 'hello', {}, CORRUPT],
    ['a byte order mark before a session', `\uFEFF${GOOD}`, {}, CORRUPT],
    ['zero bytes', Buffer.alloc(100), {}, CORRUPT],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), {}, CORRUPT],
    ['JavaScript instead of JSON', "{'_token': 'T'}", {}, CORRUPT],
    ['NaN', '{"n":NaN}', {}, CORRUPT],
    ['a trailing comma', '{"n":1,}', {}, CORRUPT],
    ['a control character in a text', '{"t":"\n"}', {}, CORRUPT],
    ['a number with a leading zero', '{"n":01}', {}, CORRUPT],
    ['plain text where texts are sealed', GOOD, { encrypt: true }, DECRYPT],
    ['an empty file where texts are sealed', '', { encrypt: true }, null],
    ['half a sealed text', '{"ct":"zoQa', { encrypt: true }, DECRYPT],
  ])('%s gives a fresh id, is told, and stays as it is however often it is asked for', async (what, bytes, config, code) => {
    const site = await openFiles(ours, config)
    const agent = site.plant(bytes)
    const id = site.id(agent)
    const seen = new Set()
    for (let i = 0; i < 3; i += 1) {
      const { value, body } = await site.visit(agent.twin(), (session) => {
        session.put('page', i)
        return [session.getId(), Object.keys(session.all()).sort()]
      })
      expect([body, value[1]]).toEqual(['done', ['_token', 'page']])
      seen.add(value[0])
    }
    expect(seen.size).toBe(3)
    expect(seen.has(id)).toBe(false)
    expect(Buffer.compare(fs.readFileSync(site.file(id)), Buffer.from(bytes))).toBe(0)
    expect(site.corrupt.map((error) => error.code)).toEqual(Array(3).fill(code || expect.stringMatching(/CORRUPT|DECRYPT/)))
    for (const error of site.corrupt) {
      expect(error).toBeInstanceOf(Error)
      expect(util.inspect(error)).not.toContain(id)
      expect(util.inspect(error)).not.toContain('bob')
    }
    expect(site.errors).toEqual([])
  })

  test('is sealed with another secret, or changed by one bit, or cut, or of another session', async () => {
    const site = await openFiles(ours, { encrypt: true })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const sealed = fs.readFileSync(site.file(agent))
    const id = site.id(agent)
    const user = () => site.visit(agent.twin(), (session) => session.get('user')).then(({ value }) => value)
    expect(await user()).toBe('bob')
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed)
      changed[at] ^= 1 << (at % 8)
      fs.writeFileSync(site.file(id), changed)
      expect(await user()).toBeUndefined()
    }
    fs.writeFileSync(site.file(id), sealed.subarray(0, sealed.length - 1))
    expect(await user()).toBeUndefined()
    fs.writeFileSync(site.file(id), sealed)
    expect(await user()).toBe('bob')
    const other = await openFiles(ours, { encrypt: true, files: site.files, secret: 'quite another secret of this length' })
    const { value } = await other.visit(other.agentFor(id, other.config.secret), (session) => session.get('user'))
    expect(value).toBeUndefined()
    expect(fs.readFileSync(site.file(id)).equals(sealed)).toBe(true)
  })

  test('is a folder, a link or a pipe, and is neither followed nor written', async () => {
    const site = await openFiles(ours)
    site.plant(GOOD)
    const victim = path.join(site.dir, 'victim')
    fs.writeFileSync(victim, GOOD)
    const makers = [(file) => fs.mkdirSync(file), (file) => fs.symlinkSync(victim, file), (file) => execFileSync('mkfifo', [file])]
    for (const make of makers) {
      const id = freshId()
      make(site.file(id))
      const { body } = await site.visit(site.agentFor(id), (session) => session.put('user', 'eve'))
      expect(body).toBe('done')
    }
    expect(fs.readFileSync(victim, 'utf8')).toBe(GOOD)
  })
})

describeOurs('an idle session', () => {
  test('in a file does not load after its lifetime, and does within it', async () => {
    const site = await openFiles(ours, { lifetime: 60000 })
    const [idle, alive] = [site.plant(GOOD), site.plant(GOOD)]
    age(site.file(idle), 60500)
    age(site.file(alive), 55000)
    expect((await site.visit(alive, (session) => session.get('user'))).value).toBe('bob')
    const id = site.id(idle)
    const { value } = await site.visit(idle, (session) => [session.getId() === id, session.get('user')])
    expect(value).toEqual([false, undefined])
  })

  test('is kept alive by a request that only reads', async () => {
    const site = await openFiles(ours, { lifetime: 60000 })
    const agent = site.plant(GOOD)
    age(site.file(agent), 50000)
    await site.visit(agent, (session) => session.get('user'))
    expect(Date.now() - fs.statSync(site.file(agent)).mtimeMs).toBeLessThan(10000)
    expect(site.stored(agent)).toBe(GOOD)
  })

  test('lives a day where the cookie lives as long as the browser', async () => {
    const site = await openFiles(ours, { lifetime: 0 })
    const [idle, alive] = [site.plant(GOOD), site.plant(GOOD)]
    age(site.file(idle), 25 * 3600000)
    age(site.file(alive), 23 * 3600000)
    const user = (session) => session.get('user')
    expect([(await site.visit(alive, user)).value, (await site.visit(idle, user)).value]).toEqual(['bob', undefined])
  })

  test('with expireOnClose ends after its lifetime all the same', async () => {
    const site = await openFiles(ours, { expireOnClose: true, lifetime: 60000 })
    const agent = site.plant(GOOD)
    age(site.file(agent), 61000)
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBeUndefined()
  })

  test('in memory does not load after its lifetime', async () => {
    const site = await open(ours, { lifetime: 30 })
    const agent = site.agent()
    const { setCookies } = await site.visit(agent, (session) => session.put('user', 'bob'))
    const [cookie] = setCookies[0].split('; ')
    const over = Date.now() + 40
    await until(() => Date.now() > over)
    expect((await site.visit(agent, (session) => session.get('user'), { cookie })).value).toBeUndefined()
  })

  test('in a row does not load after its lifetime', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    const table = openTable(filename)
    await table.make()
    const [idle, alive] = [freshId(), freshId()]
    await table.insert(idle, JSON.stringify(GOOD), Date.now() - 300000 - 60000 - 1000)
    await table.insert(alive, JSON.stringify(GOOD), Date.now() - 290000)
    const site = await open(ours, { driver: 'database', connection: { adapter: 'sqlite', filename } })
    const user = (session) => session.get('user')
    expect((await site.visit(site.agentFor(alive), user)).value).toBe('bob')
    expect((await site.visit(site.agentFor(idle), user)).value).toBeUndefined()
  })
})

describeOurs('a save that fails', () => {
  /** Puts a plain file where the folder of sessions was. */
  function block(site) {
    fs.rmSync(site.files, { recursive: true, force: true })
    fs.writeFileSync(site.files, 'in the way')
  }
  const failing = (site) => (session) => {
    session.put('user', 'eve')
    block(site)
  }

  test('leaves the response as it is, and is told by the error event with request and response', async () => {
    const site = await openFiles(ours)
    const events = []
    site.nodeSession.on('error', (...args) => events.push(args))
    const { status, body, setCookies } = await site.visit(site.agent(), failing(site))
    expect([status, body, setCookies]).toEqual([200, 'done', []])
    expect(events).toHaveLength(1)
    const [error, req, res] = events[0]
    expect(error).toBeInstanceOf(Error)
    expect([error.code, req.method, res.statusCode]).toEqual(['ERR_SESSION_WRITE', 'GET', 200])
    expect(error.cause).toBeDefined()
  })

  test('answers 500 with strictSave, while the head has not left', async () => {
    const site = await openFiles(ours, { strictSave: true })
    const { status, body } = await site.visit(site.agent(), failing(site))
    expect(status).toBe(500)
    expect(body).not.toContain('done')
    expect(site.errors.map((error) => error.code)).toEqual(['ERR_SESSION_WRITE'])
  })

  test('leaves a streamed response alone with strictSave', async () => {
    const site = await openFiles(ours, { strictSave: true })
    const agent = site.agent()
    await site.visit(agent)
    const { status, body } = await site.visit(agent, (session, req, res) => {
      res.write('head is out, ')
      failing(site)(session)
    })
    expect([status, body]).toEqual([200, 'head is out, done'])
  })

  test('is given to the application that saves by hand', async () => {
    const site = await openFiles(ours)
    const { value } = await site.visit(site.agent(), async (session) => {
      failing(site)(session)
      const thrown = await session.save().catch((error) => error)
      const called = await new Promise((resolve) => { session.save(resolve) })
      return [thrown.code, called.code]
    })
    expect(value).toEqual(['ERR_SESSION_WRITE', 'ERR_SESSION_WRITE'])
  })

  test('warns once where nobody listens, and the process lives', async () => {
    const site = await openFiles(ours)
    site.nodeSession.removeAllListeners('error')
    // Jest's errors are of another realm, so that only a text is surely taken for a warning.
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      for (let i = 0; i < 5; i += 1) {
        fs.rmSync(site.files, { recursive: true, force: true })
        expect((await site.visit(site.agent(), failing(site))).body).toBe('done')
      }
      expect(warn.mock.calls).toHaveLength(1)
      expect(warn.mock.calls[0][0]).toEqual(expect.any(String))
    } finally {
      warn.mockRestore()
    }
  })

  test('of a handler is the same, whether it calls back, throws, or calls back twice', async () => {
    const writes = [
      [(id, text, callback) => callback(new Error('disk is full')), 1],
      [() => { throw new Error('disk is full') }, 1],
      [(id, text, callback) => { callback(); callback(new Error('again')) }, 0],
      [(id, text, callback) => { callback(new Error('disk is full')); callback() }, 1],
    ]
    for (const [write, errors] of writes) {
      const site = await open(ours, { driver: 'custom' })
      useHandler(site, () => Object.assign(new MapHandler(), { write }))
      const { body } = await site.visit(site.agent(), (session) => session.put('a', 1))
      expect(body).toBe('done')
      expect(site.errors.map((error) => error.code)).toEqual(Array(errors).fill('ERR_SESSION_WRITE'))
    }
  })
})

describeOurs('a read that fails', () => {
  async function broken() {
    const site = await openFiles(ours)
    fs.writeFileSync(site.files, 'in the way')
    return [site, site.agentFor(freshId())]
  }

  test('reaches the callback, and logs nobody out: no cookie, nothing saved', async () => {
    const [site, agent] = await broken()
    const { started, setCookies, body, value } = await site.visit(agent, (session) => session.get('user'))
    expect(started[0]).toBeInstanceOf(Error)
    expect([started[0].code, setCookies, body, value]).toEqual(['ERR_SESSION_READ', [], 'done', undefined])
    expect(site.errors).toEqual([])
  })

  test('leaves a session that works in this request; what it was given is lost, and that is told', async () => {
    const [site, agent] = await broken()
    const { value } = await site.visit(agent, (session) => {
      session.put('user', 'eve')
      session.flash('msg', 'hi')
      return [session.get('user'), session.get('msg'), session.getId()]
    })
    expect(value).toEqual(['eve', 'hi', expect.stringMatching(ID)])
    expect(site.errors).toHaveLength(1)
    expect(fs.readFileSync(site.files, 'utf8')).toBe('in the way')
  })

  test('rejects the promise of startSession, and the response can be ended', async () => {
    const [site, agent] = await broken()
    const { startSession } = site.nodeSession
    site.nodeSession.startSession = function (req, res, callback) {
      startSession.call(this, req, res).then(() => callback(), callback)
    }
    const { started, body } = await site.visit(agent)
    expect([started[0].code, body]).toEqual(['ERR_SESSION_READ', 'done'])
  })

  test('is over when the storage is back: the same visitor goes on', async () => {
    const site = await openFiles(ours)
    const agent = site.plant(GOOD)
    fs.renameSync(site.files, `${site.files}.away`)
    fs.writeFileSync(site.files, 'in the way')
    await site.visit(agent, () => {})
    fs.rmSync(site.files)
    fs.renameSync(`${site.files}.away`, site.files)
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
  })

  test('of a handler that throws is a read error too', async () => {
    const site = await open(ours, { driver: 'custom' })
    const handler = new MapHandler()
    handler.read = () => { throw new Error('database is down') }
    useHandler(site, () => handler)
    const { started, body } = await site.visit(site.agentFor(freshId()))
    expect([started[0].code, body]).toEqual(['ERR_SESSION_READ', 'done'])
  })
})

describeOurs('an encrypter of the application\'s own', () => {
  const broken = () => { throw new Error('no key') }

  test('that throws while reading: a fresh id, the record stays, and it is told', async () => {
    const site = await openFiles(ours, { encrypt: true }, { encrypter: { encrypt: (text) => text, decrypt: broken } })
    const agent = site.plant(GOOD)
    const id = site.id(agent)
    const { value, body } = await site.visit(agent, (session) => [session.getId() === id, session.get('user')])
    expect([value, body]).toEqual([[false, undefined], 'done'])
    expect(site.stored(id)).toBe(GOOD)
    expect(site.corrupt.map((error) => error.code)).toEqual([DECRYPT])
  })

  test.each([['throws', broken], ['gives no text', () => 5], ['gives nothing', () => undefined]])(
    'that %s while writing: the response is whole, the record stays, and it is told', async (what, encrypt) => {
      const site = await openFiles(ours, { encrypt: true }, { encrypter: { encrypt, decrypt: (text) => text } })
      const agent = site.plant(GOOD)
      const { body } = await site.visit(agent, (session) => session.put('user', 'eve'))
      expect(body).toBe('done')
      expect(site.stored(agent)).toBe(GOOD)
      expect(site.errors.map((error) => error.code)).toEqual([expect.stringMatching(/^ERR_SESSION_(WRITE|SERIALIZE)$/)])
    })
})

describeOurs('a database that is none', () => {
  test('fails reads and saves, and nothing more', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    fs.writeFileSync(filename, 'this is not a database'.repeat(100))
    const site = await open(ours, { driver: 'database', connection: { adapter: 'sqlite', filename } })
    const known = await site.visit(site.agentFor(freshId()), (session) => session.get('user'))
    expect([known.started[0].code, known.body, known.setCookies]).toEqual(['ERR_SESSION_READ', 'done', []])
    const fresh = await site.visit(site.agent(), (session) => session.put('user', 'bob'))
    expect([fresh.status, fresh.body, fresh.setCookies]).toEqual([200, 'done', []])
    expect(fs.readFileSync(filename, 'utf8')).toBe('this is not a database'.repeat(100))
  })
})

describeOurs('a folder that vanishes', () => {
  test('while a new session is open is made again', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    await site.visit(agent, (session) => {
      session.put('user', 'bob')
      fs.rmSync(site.files, { recursive: true, force: true })
    })
    expect((await site.visit(agent, (session) => session.get('user'))).value).toBe('bob')
  })

  test('while a stored session is open harms neither response nor process', async () => {
    const site = await openFiles(ours)
    const agent = site.plant(GOOD)
    const { status, body } = await site.visit(agent, (session) => {
      session.put('user', 'eve')
      fs.rmSync(site.files, { recursive: true, force: true })
    })
    expect([status, body]).toEqual([200, 'done'])
    expect((await site.visit(site.agent(), () => 'alive')).value).toBe('alive')
  })
})

describeOurs('what is printed', () => {
  test('of a NodeSession holds no secret', () => {
    const nodeSession = ours.create({ secret: SECRET, driver: 'memory' })
    expect(util.inspect(nodeSession, { depth: 10 })).not.toContain(SECRET)
    expect(util.inspect(nodeSession.__manager, { depth: 10 })).not.toContain(SECRET)
  })
})
