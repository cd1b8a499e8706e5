'use strict'

/*
 * Sealed payloads in their storage: swapped, cut, replayed under another secret, found in clear, and old formats that are not to be
 * read (requirements 70–80, 113; rows 9–11 and 16 of section 2). The ciphers themselves are held by src/payload's tests.
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { openTable } = require('./support/handlers')
const { legacySeal } = require('./support/legacy')
const { SECRET, freshId } = require('./support/cookies')

const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
const OLD_SECRET = 'an old secret of thirty-two bytes'
const user = (session) => session.get('user')

/** A storage whose texts a test can see and change: `get(id)` and `set(id, text)`. */
const STORAGES = {
  file: (site) => ({
    get: (id) => fs.readFileSync(site.file(id), 'utf8'),
    set: (id, text) => fs.writeFileSync(site.file(id), text),
    all: () => site.names().map((id) => fs.readFileSync(site.file(id), 'utf8')).join('\n'),
  }),
  database: (site) => {
    const table = openTable(`${site.files}.sqlite`)
    return {
      get: async (id) => JSON.parse((await table.row(id)).payload),
      set: (id, text) => table.update(id, JSON.stringify(text), Date.now()),
      all: async () => JSON.stringify(await table.rows()),
    }
  },
}

describeOurs.each(Object.keys(STORAGES))('sealed payloads on the %s driver', (driver) => {
  let site
  let storage

  const visitor = async (name) => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', name))
    return agent
  }
  const readAt = async (at, id, secret) => (await at.visit(at.agentFor(id, secret), user)).value
  const read = (agent) => readAt(site, site.id(agent))

  beforeEach(async () => {
    site = await open(ours, { driver, encrypt: true })
    await site.visit(site.agent())
    storage = STORAGES[driver](site)
  })

  test('show nothing of the session, and never look alike', async () => {
    const agents = await Promise.all(Array.from({ length: 20 }, () => visitor('canary-user')))
    const texts = await Promise.all(agents.map((agent) => storage.get(site.id(agent))))
    for (let i = 0; i < 5; i += 1) {
      await site.visit(agents[0], (session) => session.put('i', i % 2))
      texts.push(await storage.get(site.id(agents[0])))
    }
    expect(new Set(texts).size).toBe(25)
    expect(new Set(texts.map((text) => text.slice(0, 40))).size).toBe(25)
    expect(await storage.all()).not.toMatch(/canary|_token|flash|user/)
  })

  test('of one session are refused in another\'s place, both ways, and told', async () => {
    const [one, two] = [await visitor('one'), await visitor('two')]
    const [first, second] = [await storage.get(site.id(one)), await storage.get(site.id(two))]
    await storage.set(site.id(one), second)
    await storage.set(site.id(two), first)
    expect([await read(one), await read(two)]).toEqual([undefined, undefined])
    expect(site.corrupt.map((error) => error.code)).toEqual(['ERR_SESSION_DECRYPT', 'ERR_SESSION_DECRYPT'])
    await storage.set(site.id(one), first)
    await storage.set(site.id(two), second)
    expect([await read(one), await read(two)]).toEqual(['one', 'two'])
  })

  test('are refused when cut or lengthened anywhere, in another case, or in parts', async () => {
    const agent = await visitor('bob')
    const id = site.id(agent)
    const text = await storage.get(id)
    const bad = [text.slice(1), text.slice(0, -4), `${text}A`, `${text}=`, `${text}\n`, ` ${text}`, text.toUpperCase(), text + text, text.slice(0, text.length >> 1),
      [...text].reverse().join(''), text.replace(/[a-z]/, '!'), `${text.slice(0, 20)}\0${text.slice(21)}`]
    for (const given of bad) {
      await storage.set(id, given)
      expect([given, await read(agent)]).toEqual([given, undefined])
      expect(await storage.get(id)).toBe(given)
    }
  })

  test.each([
    ['plain JSON', () => GOOD], ['JSON of a JSON text', () => JSON.stringify(GOOD)],
    ['base64 of plain JSON', () => Buffer.from(GOOD).toString('base64')],
    ['another version\'s prefix', (text) => text.replace(/^./, (letter) => String.fromCharCode(letter.charCodeAt(0) + 1))],
    ['the original\'s under another secret', () => legacySeal(GOOD, 'another secret of thirty-two bytes')],
    ['the original\'s with its mac cut', () => legacySeal(GOOD, SECRET).replace(/..="}$/, '"}')],
    ['the original\'s without a mac', () => JSON.stringify({ ct: JSON.parse(legacySeal(GOOD, SECRET)).ct })],
  ])('%s is never parsed in their place', async (what, make) => {
    const agent = await visitor('eve')
    const id = site.id(agent)
    const planted = make(await storage.get(id))
    await storage.set(id, planted)
    expect(await read(agent)).toBeUndefined()
    expect(await storage.get(id)).toBe(planted)
    expect(site.corrupt.map((error) => error.code)).toEqual(['ERR_SESSION_DECRYPT'])
  })

  test('of the original are not read with legacyPayloads: false, and stay', async () => {
    const strict = await open(ours, { driver, encrypt: true, legacyPayloads: false, files: site.files })
    const agent = await visitor('eve')
    const planted = legacySeal(GOOD, SECRET)
    await storage.set(site.id(agent), planted)
    expect(await readAt(strict, site.id(agent))).toBeUndefined()
    expect(await storage.get(site.id(agent))).toBe(planted)
    expect(await read(agent)).toBe('bob')
  })

  test('under an older secret are read, and sealed by the first one at the next save', async () => {
    const old = await open(ours, { driver, encrypt: true, secret: OLD_SECRET, files: site.files })
    const agent = old.agent()
    await old.visit(agent, (session) => session.put('user', 'bob'))
    const id = old.id(agent)
    const both = await open(ours, { driver, encrypt: true, secret: [SECRET, OLD_SECRET], files: site.files })
    expect(await readAt(both, id, OLD_SECRET)).toBe('bob')
    await both.visit(both.agentFor(id, OLD_SECRET), (session) => session.put('page', 1))
    expect(await readAt(site, id)).toBe('bob')
    expect(await readAt(old, id, OLD_SECRET)).toBeUndefined()
  })

  test('of a secret that is wrong for a while are there again when it is right', async () => {
    const agent = await visitor('bob')
    const id = site.id(agent)
    const wrong = await open(ours, { driver, encrypt: true, secret: [OLD_SECRET, 'yet another secret of 32 bytes!!'], files: site.files })
    expect((await wrong.visit(wrong.agentFor(id, OLD_SECRET),
      (session) => { session.put('user', 'eve'); return session.getId() === id })).value).toBe(false)
    expect(await read(agent)).toBe('bob')
  })

  test('belong to one cookie name', async () => {
    const agent = await visitor('bob')
    const id = site.id(agent)
    const other = await open(ours, { driver, encrypt: true, cookie: 'other', files: site.files })
    expect((await other.visit(other.agentFor(id), user)).value).toBeUndefined()
  })
})

describeOurs('a folder of plain sessions', () => {
  test('that is switched to encrypt: true trusts none of them, and loses none', async () => {
    const files = path.join(tempDir(), 'sessions')
    const plain = await openFiles(ours, { files })
    const id = plain.id(plain.plant(GOOD, freshId()))
    const sealed = await openFiles(ours, { files, encrypt: true })
    expect((await sealed.visit(sealed.agentFor(id), user)).value).toBeUndefined()
    expect((await plain.visit(plain.agentFor(id), user)).value).toBe('bob')
  })

  test('does not take a sealed one for a session when it is switched back', async () => {
    const files = path.join(tempDir(), 'sessions')
    const sealed = await openFiles(ours, { files, encrypt: true })
    const agent = sealed.agent()
    await sealed.visit(agent, (session) => session.put('user', 'bob'))
    const plain = await openFiles(ours, { files })
    const id = sealed.id(agent)
    const { value } = await plain.visit(plain.agentFor(id), (session) => [session.getId() === id, Object.keys(session.all())])
    expect(value).toEqual([false, ['_token']])
    expect((await sealed.visit(agent, user)).value).toBe('bob')
  })
})
