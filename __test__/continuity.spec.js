'use strict'

/*
 * A session begun on one package goes on on the other, in both directions: files, tables of SQLite, MySQL and PostgreSQL, an encrypter
 * of the application's own; and from node-session's `encrypt: true` to this package, which reads its texts and seals them anew.
 *
 * The way back from AES-256-GCM to node-session does not exist, and is not tested.
 */

const crypto = require('crypto')
const fs = require('fs')
const path = require('path')

const { original, ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { openTable, modelOver, useHandler } = require('./support/handlers')
const { openMysqlTable } = require('./support/mysql-table')
const { openPostgresTable } = require('./support/postgres-table')
const { legacySeal } = require('./support/legacy')
const { SECRET, ID, freshId } = require('./support/cookies')
const { until } = require('./support/waiting')
const mysql = require('../torture/mysql')
const postgres = require('../torture/postgres')

const reversing = {
  encrypt: (text) => `~${[...text].reverse().join('')}`,
  decrypt: (text) => {
    if (!text.startsWith('~')) throw new Error('not mine')
    return [...text.slice(1)].reverse().join('')
  },
}

/** A site of the original that keeps its sessions in a table by its own handler. */
async function openOriginal(table) {
  const site = await open(original, { driver: 'custom' })
  useHandler(site, () => new (original.deep('lib/handler/DatabaseSessionHandler'))(modelOver(table)))
  return site
}

/** Each way of keeping sessions: opens a site of each package over the same storage. */
const STORAGES = {
  'session files': async (dir) => {
    const files = path.join(dir, 'files')
    return [await openFiles(original, { files }), await openFiles(ours, { files })]
  },
  'an SQLite table': async (dir) => {
    const filename = path.join(dir, 'sessions.sqlite')
    const table = openTable(filename)
    await table.make()
    return [await openOriginal(table), await open(ours, { driver: 'database', connection: { adapter: 'sqlite', filename } })]
  },
  'a MySQL table': async () => {
    const table = openMysqlTable()
    await table.make()
    return [await openOriginal(table), await open(ours, { driver: 'database', connection: mysql.MYSQL_URL, table: table.name })]
  },
  'a PostgreSQL table': async () => {
    const table = openPostgresTable()
    await table.make()
    return [await openOriginal(table), await open(ours, { driver: 'database', connection: postgres.POSTGRES_URL, table: table.name })]
  },
  'files of an own encrypter': async (dir) => {
    const config = { files: path.join(dir, 'sealed'), encrypt: true }
    return [await openFiles(original, config, { encrypter: reversing }), await openFiles(ours, config, { encrypter: reversing })]
  },
}

/** Makes one visit of a visitor to a site, wherever the visitor was before. */
function visit(site, agent, script) {
  agent.origin = site.host.origin
  return site.visit(agent, script).then((response) => response.value)
}

function snapshot(session) {
  const { id, flash, ...rest } = JSON.parse(JSON.stringify(session.all()))
  return { id: session.getId(), ...rest }
}

/** Storages on servers, and whether those can be reached. */
const SERVERS = { 'a MySQL table': mysql, 'a PostgreSQL table': postgres }
const isThere = (storage) => SERVERS[storage]?.isAvailable() ?? true

describeOurs.each(Object.keys(STORAGES).filter(isThere))('a session in %s', (storage) => {
  describe.each([
    ['begun on node-session 1.2.1 goes on on this package, and back', false],
    ['begun on this package goes on on node-session 1.2.1, and back', true],
  ])('%s', (direction, reversed) => {
    let first
    let second
    let agent

    beforeEach(async () => {
      const sites = await STORAGES[storage](tempDir());
      [first, second] = reversed ? sites.reverse() : sites
      agent = first.agent()
    })

    test('with its id, its token and every value', async () => {
      const begun = await visit(first, agent, (session) => {
        session.put('user', { name: 'bob "q" é日😀', tags: ['a', { deep: [null, 0.5, false, ''] }] })
        session.push('cart.items', { sku: 1 })
        session.put('lone', '\ud800')
        return snapshot(session)
      })
      expect(await visit(second, agent, snapshot)).toEqual(begun)
      const changed = await visit(second, agent, (session) => {
        session.put('user.name', 'eve')
        session.get('cart').items.push({ sku: 2 })
        session.forget('lone')
        return snapshot(session)
      })
      expect(await visit(first, agent, snapshot)).toEqual(changed)
      expect(changed).toMatchObject({ id: begun.id, _token: begun._token, user: { name: 'eve' } })
      expect(changed.cart.items).toEqual([{ sku: 1 }, { sku: 2 }])
    })

    test('with flash data that lives for one request, whoever answers it', async () => {
      await visit(first, agent, (session) => session.flash('msg', 'there'))
      expect(await visit(second, agent, (session) => {
        session.flash('reply', 'back')
        return session.get('msg')
      })).toBe('there')
      expect(await visit(first, agent, (session) => [session.has('msg'), session.get('reply')])).toEqual([false, 'back'])
      expect(await visit(second, agent, (session) => session.has('reply'))).toBe(false)
    })

    test('under a new id after regenerate(true)', async () => {
      await visit(first, agent, (session) => session.put('user', 'bob'))
      const before = agent.twin()
      await visit(second, agent, (session) => session.regenerate(true))
      expect(agent.cookie()).not.toBe(before.cookie())
      expect(await visit(first, agent, (session) => session.get('user'))).toBe('bob')
      // node-session answers before the old record has gone.
      await until(async () => (await visit(first, before.twin(), (session) => session.get('user'))) === undefined)
    })
  })
})

describeOurs('the SQLite table', () => {
  test('is made by this package when missing, and node-session\'s handler goes on in it', async () => {
    const filename = path.join(tempDir(), 'new.sqlite')
    const mine = await open(ours, { driver: 'database', connection: { adapter: 'sqlite', filename } })
    const agent = mine.agent()
    const start = Date.now()
    await visit(mine, agent, (session) => session.put('user', 'bob'))
    const table = openTable(filename)
    const [row] = await table.rows()
    expect(row.id).toBe(mine.id(agent))
    expect(JSON.parse(JSON.parse(row.payload)).user).toBe('bob')
    expect(row.lastActivity).toBeGreaterThanOrEqual(start)
    const theirs = await openOriginal(table)
    expect(await visit(theirs, agent, (session) => session.get('user'))).toBe('bob')
  })

  test('lies beside the session files when no connection is given, under the name of the option', async () => {
    const site = await open(ours, { driver: 'database', table: 'my_sessions' })
    const agent = site.agent()
    await visit(site, agent, (session) => session.put('user', 'bob'))
    const rows = await openTable(`${site.files}.sqlite`, 'my_sessions').rows()
    expect(rows.map(({ id }) => id)).toEqual([site.id(agent)])
  })

  test('holds a row that is no session\'s text: a fresh id, and the row stays', async () => {
    const filename = path.join(tempDir(), 'bad.sqlite')
    const table = openTable(filename)
    await table.make()
    const id = freshId()
    await table.insert(id, '{not json', Date.now())
    const site = await open(ours, { driver: 'database', connection: { adapter: 'sqlite', filename } })
    const { value } = await site.visit(site.agentFor(id), (session) => session.getId())
    expect(value).not.toBe(id)
    expect((await table.row(id)).payload).toBe('{not json')
    expect(site.corrupt.map(({ code }) => code)).toEqual(['ERR_SESSION_CORRUPT'])
  })
})

describeOurs('node-session\'s encrypted texts', () => {
  const PLAIN = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
  const DISK = '{"ct":"zoQaOF6S/e294FJLWSBEiUI95KgfVqPJxbfnuNSt7a2FHSDzk8F+VSO8xeA7D69FH6QCqU0Wiw==",'
    + '"mac":"YKgWaSN1E96udRVZsqpgJ83gLfc="}'

  test('are what the tests\' own code makes', () => {
    expect(legacySeal(PLAIN, SECRET)).toBe(DISK)
    expect(legacySeal('x', SECRET)).toBe('{"ct":"zQ==","mac":"Xjw75FsE3QN6DEhd1NJxoP1aRoI="}')
    expect(legacySeal('', SECRET)).toBe('{"ct":"","mac":"fYjKBjwGPXaOgijSKrzYYpu2mSg="}')
    expect(legacySeal('é日本😀', SECRET)).toBe('{"ct":"dg+j25QfBC9vReif","mac":"agnDLIHm7tQY7qOGSq4zuEQ0s68="}')
    expect(JSON.parse(legacySeal('hi', 'clé-日本')).ct).toBe('uJA=')
  })

  test('are read, and sealed anew at the next save', async () => {
    const site = await openFiles(ours, { encrypt: true })
    const agent = site.plant(DISK)
    const id = site.id(agent)
    const { value } = await site.visit(agent, (session) => [session.getId(), session.get('user'), session.getToken()])
    expect(value).toEqual([id, 'bob', 'T'])
    await site.visit(agent, (session) => session.put('page', 'home'))
    expect(site.stored(id)).not.toMatch(/"ct"|bob|home/)
    expect((await site.visit(agent, (session) => [session.get('user'), session.get('page')])).value).toEqual(['bob', 'home'])
  })

  test('are read with members beside ct and mac, and under an older secret', async () => {
    const site = await openFiles(ours, { encrypt: true, secret: [SECRET, 'clé-日本 and enough of it for a secret'] })
    const extended = JSON.stringify({ ...JSON.parse(DISK), note: 'x' })
    expect((await site.visit(site.plant(extended), (session) => session.get('user'))).value).toBe('bob')
    const older = legacySeal(PLAIN, 'clé-日本 and enough of it for a secret')
    expect((await site.visit(site.plant(older), (session) => session.get('user'))).value).toBe('bob')
  })

  test.each([
    ['with another mac', DISK.replace('YKgW', 'YKgX'), {}],
    ['with one changed character of the text', DISK.replace('zoQa', 'zoQb'), {}],
    ['cut short', DISK.slice(0, -3), {}],
    ['of another secret', legacySeal(PLAIN, 'another'), {}],
    ['with legacyPayloads: false', DISK, { legacyPayloads: false }],
  ])('%s give a fresh id, and stay as they are', async (what, text, config) => {
    const site = await openFiles(ours, { encrypt: true, ...config })
    const agent = site.plant(text)
    const id = site.id(agent)
    const { value } = await site.visit(agent, (session) => [session.getId(), session.get('user')])
    expect(value).toEqual([expect.stringMatching(ID), undefined])
    expect(value[0]).not.toBe(id)
    expect(site.stored(id)).toBe(text)
    expect(site.corrupt.map(({ code }) => code)).toEqual(['ERR_SESSION_DECRYPT'])
  })

  const withCipher = typeof crypto.createCipher === 'function' ? test : test.skip
  withCipher('as node-session itself writes them on this Node are read', async () => {
    const files = path.join(tempDir(), 'sealed')
    const before = await openFiles(original, { files, encrypt: true })
    const after = await openFiles(ours, { files, encrypt: true })
    const agent = before.agent()
    await visit(before, agent, (session) => session.put('user', 'é日本😀'))
    expect(JSON.parse(fs.readFileSync(before.file(agent), 'utf8'))).toHaveProperty('ct')
    expect(await visit(after, agent, (session) => session.get('user'))).toBe('é日本😀')
  })

  test('this package\'s own never repeat, and belong to one session', async () => {
    const site = await openFiles(ours, { encrypt: true })
    const [one, two] = [site.agent(), site.agent()]
    for (const agent of [one, two]) await site.visit(agent, (session) => session.put('user', 'bob'))
    expect(site.stored(one)).not.toBe(site.stored(two))
    fs.writeFileSync(site.file(two), site.stored(one))
    const { value } = await site.visit(two, (session) => session.get('user'))
    expect(value).toBeUndefined()
    expect(site.corrupt.map(({ code }) => code)).toEqual(['ERR_SESSION_DECRYPT'])
  })
})
