'use strict'

/*
 * `rolling: false`: the cookie goes out only where it says something new: with a new session, a changed or renamed one, a new
 * signature, or recorded activity. By default every response carries it (requirement 23).
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { SECRET, idOf, parseSetCookie } = require('./support/cookies')

const OLD_SECRET = 'an old secret of thirty-two bytes'

describeOurs.each(['memory', 'file', 'database'])('rolling: false on the %s driver', (driver) => {
  const start = (config) => open(ours, { driver, rolling: false, ...config })
  const begin = async (site) => {
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', { name: 'bob' }))
    return agent
  }
  const sent = async (site, agent, script) => (await site.visit(agent, script)).setCookies.length

  test('a new session brings its cookie, and a request that only reads brings none', async () => {
    const site = await start()
    const agent = site.agent()
    expect(await sent(site, agent)).toBe(1)
    expect(await sent(site, agent)).toBe(0)
    expect(await sent(site, agent, (session) => [session.get('user'), session.all(), session.has('x')])).toBe(0)
  })

  test.each([
    ['put', (session) => session.put('n', 1)], ['changed in place', (session) => { session.get('user').name = 'eve' }],
    ['forgotten', (session) => session.forget('user')], ['flashed', (session) => session.flash('msg', 1)],
    ['regenerated', (session) => session.regenerate()], ['regenerated for good', (session) => session.regenerate(true)],
    ['given a new token', (session) => session.regenerateToken()], ['flushed', (session) => session.flush()],
  ])('what is %s brings the cookie', async (what, script) => {
    const site = await start()
    const agent = await begin(site)
    expect(await sent(site, agent, script)).toBe(1)
    const id = site.id(agent)
    expect((await site.visit(agent, (session) => session.getId())).value).toBe(id)
  })

  test('a value put again as it is brings none', async () => {
    const site = await start()
    const agent = await begin(site)
    expect(await sent(site, agent, (session) => session.put('user', { name: 'bob' }))).toBe(0)
  })

  test('a cookie signed by an older secret is signed anew, once', async () => {
    const old = await open(ours, { driver, secret: OLD_SECRET })
    const agent = await begin(old)
    const site = await start({ secret: [SECRET, OLD_SECRET], files: old.files })
    // The memory driver forgets with its NodeSession: the visitor is then new, and gets a cookie all the same.
    const visitor = site.agent()
    visitor.jar.set('node_session', agent.cookie())
    const { setCookies } = await site.visit(visitor)
    expect(setCookies).toHaveLength(1)
    expect(idOf(parseSetCookie(setCookies[0]).value, SECRET)).not.toBeNull()
    expect(await sent(site, visitor)).toBe(0)
  })

  test('recorded activity brings the cookie, so that browser and storage count from the same request', async () => {
    const site = await start({ touchInterval: 0 })
    const agent = await begin(site)
    expect(await sent(site, agent)).toBe(1)
  })

  test('a cookie that is sent counts the whole lifetime from then on', async () => {
    const site = await start({ touchInterval: 0, lifetime: 60000 })
    const agent = await begin(site)
    const { setCookies: [header] } = await site.visit(agent)
    const attributes = new Map(parseSetCookie(header).attributes)
    expect(attributes.get('Max-Age')).toBe('60')
    expect(Math.abs(Date.parse(attributes.get('Expires')) - Date.now() - 60000)).toBeLessThan(5000)
  })
})

describeOurs('rolling: false', () => {
  /** Lets the last activity of a stored file lie `ms` back. */
  const age = (site, agent, ms) => {
    const seconds = (Date.now() - ms) / 1000
    fs.utimesSync(site.file(agent), seconds, seconds)
  }

  test.each([
    ['a tenth of the lifetime', 300000, 29000, 31000], ['at most a minute', 3600000, 59000, 61000], ['of a day too', 0, 59000, 61000],
  ])('records activity after %s', async (what, lifetime, early, late) => {
    const site = await open(ours, { driver: 'file', rolling: false, lifetime })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    age(site, agent, early)
    expect((await site.visit(agent)).setCookies).toHaveLength(0)
    age(site, agent, late)
    expect((await site.visit(agent)).setCookies).toHaveLength(1)
    expect((await site.visit(agent)).setCookies).toHaveLength(0)
  })

  test('is not the default: every response carries the cookie', async () => {
    const site = await open(ours, { driver: 'file' })
    const agent = site.agent()
    for (let i = 0; i < 3; i += 1) expect((await site.visit(agent)).setCookies).toHaveLength(1)
  })

  test('is a switch', () => {
    for (const rolling of ['no', 0, 1, null, {}]) {
      let error
      try {
        ours.create({ secret: SECRET, driver: 'memory', rolling })
      } catch (thrown) {
        error = thrown
      }
      if (rolling !== null || error) expect(error).toMatchObject({ code: 'ERR_SESSION_CONFIG', message: expect.stringContaining('rolling') })
    }
  })
})

describeOurs('every option that the engine reads', () => {
  test('is described in index.d.ts and in the README', () => {
    const root = path.dirname(ours.entry)
    const sources = fs.readdirSync(path.join(root, 'src/config')).filter((file) => file.endsWith('.rs'))
    const text = sources.map((file) => fs.readFileSync(path.join(root, 'src/config', file), 'utf8')).join('\n')
    const read = [...text.matchAll(/options\s*\.(?:get|truth|switch|count)\(\s*"(\w+)"/g)].map(([, option]) => option)
    const types = fs.readFileSync(path.join(root, 'index.d.ts'), 'utf8')
    const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8')
    const missing = [...new Set(read)].filter((option) => !new RegExp(`^\\s+${option}\\??:`, 'm').test(types))
    const untold = [...new Set(read)].filter((option) => !readme.includes(`\`${option}\``))
    expect(read.length).toBeGreaterThan(20)
    expect({ missing, untold }).toEqual({ missing: [], untold: [] })
  })

  test('and every event that is emitted is typed', () => {
    const root = path.dirname(ours.entry)
    const files = [path.join(root, 'index.js'), ...fs.readdirSync(path.join(root, 'lib')).map((file) => path.join(root, 'lib', file))]
    const text = files.filter((file) => file.endsWith('.js')).map((file) => fs.readFileSync(file, 'utf8')).join('\n')
    const emitted = new Set([...text.matchAll(/(?:emit|__report)\('(\w+)'/g)].map(([, event]) => event))
    if (text.includes("'gone'")) emitted.add('gone')
    const [, types] = fs.readFileSync(path.join(root, 'index.d.ts'), 'utf8').match(/interface Events \{([\s\S]*?)\n {2}\}/)
    expect([...emitted].filter((event) => !new RegExp(`^\\s+${event}:`, 'm').test(types))).toEqual([])
  })
})
