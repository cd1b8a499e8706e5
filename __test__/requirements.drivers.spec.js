'use strict'

/*
 * What every driver keeps, seen from a browser: memory, file and database, with plain and with sealed payloads (requirements
 * 28, 31, 33–35, 37, 38, 40, 42, 51, 119, 120, 122). The drivers' own contract is held by the conformance suite in Rust.
 */

const fs = require('fs')

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { openTable, MapHandler, useHandler } = require('./support/handlers')
const { until } = require('./support/waiting')
const { ID, freshId } = require('./support/cookies')

const KINDS = ['memory', 'file', 'database'].flatMap((driver) => [[driver, 'plain', false], [driver, 'sealed', true]])
const user = (session) => session.get('user')

describeOurs.each(KINDS)('the %s driver with %s payloads', (driver, form, encrypt) => {
  const start = (config) => open(ours, { driver, encrypt, ...config })
  const remove = (session, id = session.getId()) => new Promise((resolve) => { session.getHandler().destroy(id, resolve) })

  test('another client reads what was saved as soon as the last byte is here', async () => {
    const site = await start()
    const agent = site.agent()
    for (let i = 0; i < 20; i += 1) {
      await site.visit(agent, (session) => session.put('n', i))
      expect((await site.visit(agent.twin(), (session) => session.get('n'))).value).toBe(i)
    }
  })

  test('flash data lives for exactly one more request, whoever saves in between', async () => {
    const site = await start()
    const agent = site.agent()
    await site.visit(agent, (session) => session.flash('msg', 'hi'))
    const { value } = await site.visit(agent, async (session) => {
      const seen = session.get('msg')
      await session.save()
      await session.save()
      return seen
    })
    expect(value).toBe('hi')
    expect((await site.visit(agent, (session) => session.has('msg'))).value).toBe(false)
  })

  test('an object from get or all that is changed in place, at any depth, is saved', async () => {
    const site = await start()
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('cart', { items: [{ n: 1, tags: [] }], total: 0 }))
    await site.visit(agent, (session) => session.get('cart').items[0].tags.push('new'))
    await site.visit(agent, (session) => { session.all().cart.total = 5 })
    await site.visit(agent, (session) => { delete session.get('cart.items')[0].n })
    await site.visit(agent, (session) => { session.all().added = { here: true } })
    const { value } = await site.visit(agent, (session) => JSON.stringify([session.get('cart'), session.get('added')]))
    expect(value).toBe('[{"items":[{"tags":["new"]}],"total":5},{"here":true}]')
  })

  test('regenerate(true) kills the old id before the answer is out, and keeps the data under the new one', async () => {
    const site = await start()
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const [before, id] = [agent.twin(), site.id(agent)]
    await site.visit(agent, (session) => session.regenerate(true))
    const { value } = await site.visit(before, (session) => [session.getId(), user(session)])
    expect([value[0] === id, value[1]]).toEqual([false, undefined])
    expect([site.id(agent) === id, (await site.visit(agent, user)).value]).toEqual([false, 'bob'])
  })

  test('a request has one id, from its start to its end, unless it regenerates', async () => {
    const site = await start()
    const agent = site.agent()
    for (let i = 0; i < 2; i += 1) {
      const { value, session } = await site.visit(agent, async (started) => {
        const ids = [started.getId()]
        started.put('user', 'bob')
        ids.push(started.getId())
        await started.save()
        started.flush()
        started.regenerateToken()
        return [...ids, started.getId()]
      })
      expect(new Set([...value, session.getId(), site.id(agent)]).size).toBe(1)
    }
  })

  test('a record that is destroyed while a request runs does not come back; that is told, and the answer is whole', async () => {
    const site = await start()
    const agent = site.agent()
    const gone = []
    site.nodeSession.on('gone', (error, req, res) => gone.push([error.code, req.method, res.statusCode]))
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const before = agent.twin()
    const { status, body, setCookies } = await site.visit(agent, async (session) => {
      session.put('user', 'eve')
      await remove(session)
    })
    expect([status, body, setCookies]).toEqual([200, 'done', []])
    expect((await site.visit(before, user)).value).toBeUndefined()
    expect(gone).toEqual([['ERR_SESSION_GONE', 'GET', 200]])
    expect(site.errors).toEqual([])
  })

  test('a request that only read a record which is destroyed meanwhile sends no cookie for it', async () => {
    const site = await start({ touchInterval: 0 })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const { body, setCookies } = await site.visit(agent, (session) => remove(session))
    expect([body, setCookies]).toEqual(['done', []])
    expect(site.errors).toEqual([])
  })

  test('a session reads as nothing once its lifetime is over, swept or not', async () => {
    const site = await start({ lifetime: 40, touchInterval: 0 })
    const agent = site.agent()
    const { setCookies } = await site.visit(agent, (session) => session.put('user', 'bob'))
    const [cookie] = setCookies[0].split('; ')
    const over = Date.now() + 60
    await until(() => Date.now() > over)
    expect((await site.visit(site.agent(), user, { cookie })).value).toBeUndefined()
  })

  test('a session under an id of the application\'s own is saved again after it was idle, swept or not', async () => {
    const site = await start({ lifetime: 40, touchInterval: 0 })
    const id = freshId()
    const save = (n) => site.visit(site.agent(), (session) => {
      session.setId(id)
      session.put('n', n)
    })
    await save(1)
    const over = Date.now() + 60
    await until(() => Date.now() > over)
    await save(2)
    expect(site.errors).toEqual([])
    expect((await site.visit(site.agentFor(id), (session) => session.get('n'))).value).toBe(2)
  })

  test('a session at the limit is saved, and one byte more leaves the stored one whole', async () => {
    const site = await start({ maxBytes: 2048 })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const size = (await site.visit(agent, (session) => {
      session.put('text', '')
      return Buffer.byteLength(JSON.stringify(session.all()))
    })).value
    const room = 2048 - size
    await site.visit(agent, (session) => session.put('text', 'x'.repeat(room)))
    expect(site.errors).toEqual([])
    await site.visit(agent, (session) => session.put({ text: 'y'.repeat(room + 1), user: 'eve' }))
    expect(site.errors.map((error) => error.code)).toEqual(['ERR_SESSION_TOO_LARGE'])
    expect((await site.visit(agent, (session) => [user(session), session.get('text')])).value).toEqual(['bob', 'x'.repeat(room)])
  })

  test('clients that leave at any moment cost nothing: no throw, no error, and nothing is saved without an end', async () => {
    const site = await start()
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('n', 0))
    const leaving = [
      (session, req) => req.socket.destroy(),
      (session, req, res) => res.destroy(),
      (session, req, res) => { res.write('part'); req.socket.destroy() },
      async (session, req, res) => {
        await new Promise((resolve) => { res.on('close', resolve); req.socket.destroy() })
        session.put('n', 2)
      },
    ]
    for (const leave of leaving) {
      let left = false
      await site.visit(agent, async (session, req, res) => {
        session.put('n', 1)
        res.on('close', () => { left = true })
        await leave(session, req, res)
      }, { ends: true }).catch(() => {})
      await until(() => left)
    }
    expect((await site.visit(agent, (session) => session.get('n'))).value).toBe(0)
    expect(site.errors).toEqual([])
  })

  test('an end after the client has left saves, as with a client that stays', async () => {
    const site = await start()
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('n', 0))
    let ended = false
    await site.visit(agent, async (session, req, res) => {
      await new Promise((resolve) => { res.on('close', resolve); req.socket.destroy() })
      session.put('n', 1)
      ended = res.end() === res
    }, { ends: true }).catch(() => {})
    await until(() => ended)
    await until(async () => (await site.visit(agent, (session) => session.get('n'))).value === 1)
    expect(site.errors).toEqual([])
  })

  test('everything may be called before the load and after the end, and nothing throws', async () => {
    const site = await start()
    const calls = [
      ['get', 'a'], ['get', 'a.b', 1], ['has', 'a'], ['pull', 'a'], ['all'], ['put', 'a', 1], ['put', { b: 2 }], ['set', 'c.d', 3],
      ['push', 'list', 1], ['flash', 'msg', 1], ['flashInput', {}], ['reflash'], ['keep', 'msg'], ['ageFlashData'], ['forget', 'a'],
      ['getToken'], ['regenerateToken'], ['getId'], ['getName'], ['getHandler'], ['setExists', true], ['regenerate'], ['migrate', true],
      ['setId', 'none'], ['flush'],
    ]
    const callAll = (session) => { for (const [method, ...args] of calls) session[method](...args) }
    const fresh = await new Promise((resolve) => { site.nodeSession.getSession({ headers: {} }, resolve) })
    callAll(fresh)
    const agent = site.agent()
    const { session } = await site.visit(agent, (started) => started.put('user', 'bob'))
    const kept = site.id(agent)
    callAll(session)
    expect(site.id(agent)).toBe(kept)
    expect((await site.visit(agent, (started) => [user(started), started.has('list')])).value).toEqual(['bob', false])
    await new Promise((resolve) => { session.save(resolve) })
    expect((await site.visit(agent, user)).value).toBe('bob')
  })
})

describeOurs('a request that changes nothing', () => {
  test('records its activity in the row, and leaves the payload alone', async () => {
    const site = await open(ours, { driver: 'database', touchInterval: 0 })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', { name: 'bob' }))
    const table = openTable(`${site.files}.sqlite`)
    // Spaces that our own save would not write show that the payload is not written again.
    await table.update(site.id(agent), JSON.stringify(' {"_token":"T", "user":{"name":"bob"},"flash":{"old":[],"new":[]}} '), 1)
    await table.exec(`UPDATE sessions SET lastActivity = ${Date.now() - 1000}`)
    const before = await table.row(site.id(agent))
    await site.visit(agent, (session) => [session.get('user').name, session.all()])
    const after = await table.row(site.id(agent))
    expect(after.payload).toBe(before.payload)
    expect(after.lastActivity).toBeGreaterThan(before.lastActivity)
  })

  test('does not even do that within the touch interval', async () => {
    const site = await open(ours, { driver: 'database', touchInterval: 60000 })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const table = openTable(`${site.files}.sqlite`)
    const before = await table.row(site.id(agent))
    for (let i = 0; i < 3; i += 1) await site.visit(agent, user)
    expect(await table.row(site.id(agent))).toEqual(before)
  })

  test('writes no payload through a handler, and after save() by hand the end writes only what changed since', async () => {
    const site = await open(ours, { driver: 'custom', touchInterval: 60000 })
    const handler = new MapHandler()
    useHandler(site, () => handler)
    const writes = () => handler.calls.splice(0).filter(([call]) => call === 'write').length
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    expect(writes()).toBe(1)
    await site.visit(agent, user)
    expect(writes()).toBe(0)
    await site.visit(agent, async (session) => { session.put('n', 1); await session.save() })
    expect(writes()).toBe(1)
    await site.visit(agent, async (session) => { session.put('n', 2); await session.save(); session.put('n', 3) })
    expect(writes()).toBe(2)
    expect((await site.visit(agent, (session) => session.get('n'))).value).toBe(3)
  })

  test('that flashed and saved by hand keeps what it flashed for the next request', async () => {
    const site = await open(ours, { driver: 'file' })
    const agent = site.agent()
    await site.visit(agent, async (session) => {
      session.flash('one', 1)
      await session.save()
      session.flash('two', 2)
    })
    expect((await site.visit(agent, (session) => [session.get('one'), session.get('two')])).value).toEqual([1, 2])
    expect((await site.visit(agent, (session) => [session.has('one'), session.has('two')])).value).toEqual([false, false])
  })
})

describeOurs('a row that is no session', () => {
  const nested = (levels) => `{"_token":"T","deep":${'['.repeat(levels)}${']'.repeat(levels)}}`
  test.each([
    ['1001 levels', JSON.stringify(nested(1001)), 'DEPTH'], ['500,000 levels', JSON.stringify(nested(500000)), 'DEPTH'],
    ['half a session', JSON.stringify('{"_token":'), 'CORRUPT'], ['no JSON', 'hello', 'CORRUPT'],
    ['2 MiB', JSON.stringify('x'.repeat(2 << 20)), 'TOO_LARGE'],
  ])('but %s gives a fresh id, is told, and stays as it is', async (what, payload, code) => {
    const site = await open(ours, { driver: 'database' })
    await site.visit(site.agent())
    const table = openTable(`${site.files}.sqlite`)
    const [id, now] = [freshId(), Date.now()]
    await table.insert(id, payload, now)
    const { value } = await site.visit(site.agentFor(id), (session) => {
      session.put('page', 1)
      return session.getId() === id
    })
    expect([value, site.corrupt.map((error) => error.code)]).toEqual([false, [`ERR_SESSION_${code}`]])
    expect(await table.row(id)).toEqual({ id, payload, lastActivity: now })
  })
})

describeOurs('a stored file that has a second name', () => {
  test('is replaced, and the file of the other name keeps what it holds', async () => {
    const site = await open(ours, { driver: 'file' })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const victim = `${site.dir}/victim`
    fs.linkSync(site.file(agent), victim)
    const before = fs.readFileSync(victim, 'utf8')
    await site.visit(agent, (session) => session.put('user', 'eve'))
    expect([fs.readFileSync(victim, 'utf8'), site.id(agent)]).toEqual([before, expect.stringMatching(ID)])
  })
})
