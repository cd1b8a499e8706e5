'use strict'

/*
 * Options that cannot work are refused by the constructor, with a code and the option's name; whatever worked on node-session
 * 1.2.1 is taken (fault B34, requirements 13, 14, 54, 80, 125).
 */

const { execFile } = require('child_process')
const fs = require('fs')
const path = require('path')

const NodeSession = require('..')
const Store = require('../express-session')

const { ours, packages, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open } = require('./support/servers')
const { SECRET, parseSetCookie } = require('./support/cookies')

describe.each(packages)('%s', (name, pkg) => {
  test.each([[{}], [{ secret: '' }], [{ secret: null }], [{ secret: undefined }], [{ secret: 0 }]])(
    'a missing secret, as in %j, is refused in the original\'s words', (config) => {
      expect(() => pkg.create(config)).toThrow(/^secret option required for sessions$/)
    })

  test.each([
    [{}], [{ lottery: [2] }], [{ lottery: [] }], [{ lottery: [0, 1] }], [{ lottery: [1, 1] }], [{ lottery: undefined }], [{ lifetime: 0 }],
    [{ lifetime: undefined }], [{ path: null }], [{ path: '' }], [{ domain: null }], [{ domain: '' }], [{ domain: '.example.com' }],
    [{ cookie: 'sid' }], [{ cookie: '__Host-sid', secure: true }], [{ connection: false }], [{ driver: '' }], [{ driver: null }],
    [{ driver: 'File' }], [{ driver: 'native' }], [{ driver: 'not yet registered' }], [{ unknown: 'option' }], [{ expireOnClose: 1 }],
    [{ secure: 'yes' }], [{ trustProxy: false }], [{ trustProxy: 'loopback' }], [{ trustProxy: ['10.0.0.0/8', '::1'] }], [{ encrypt: 0 }],
  ])('%j is taken', (config) => {
    const given = { secret: SECRET, ...config }
    const copy = { ...given }
    expect(() => pkg.create(given)).not.toThrow()
    expect(given).toEqual(copy)
  })

  test.each(['not an address', '10.0.0.0/99', ['loopback', 'nonsense']])('trustProxy %j is refused as an invalid address', (trustProxy) => {
    expect(() => pkg.create({ secret: SECRET, trustProxy })).toThrow(/invalid|range/)
  })
})

describeOurs('an option that cannot work', () => {
  const injections = ['a; Domain=evil.example', 'a\r\nSet-Cookie: b=1', 'a\0', 'é', '\ud800']
  const BAD = [
    ['secret', [[], [''], [SECRET, ''], 5, true, {}, [5], Buffer.alloc(0), () => {}]],
    ['lifetime', ['soon', NaN, Infinity, -1, {}, [], true]],
    ['lottery', [null, 'often', 5, ['a', 100], [NaN, 100], [1, 0], {}]],
    ['cookie', ['', 5, 'a b', 'a=b', 'a,b', '"a"', ...injections]],
    ['path', [5, {}, ...injections]],
    ['domain', [5, {}, ...injections]],
    ['sameSite', ['sometimes', 5]],
    ['priority', ['urgent', 5]],
    ['files', [5, {}, []]],
    ['trustProxy', ['not an address', '10.0.0.0/99', {}]],
    ['trustProxyFn', [5, 'loopback']],
    ['maxBytes', [-1, NaN, 'much', {}]],
    ['maxDepth', [-1, NaN, 'deep', {}]],
    ['maxSessions', [-1, NaN, 'many', {}]],
    ['durability', ['maybe', 5]],
  ]
  const cases = BAD.flatMap(([option, values]) => values.map((value) => [option, value]))

  function refusal(config, encrypter) {
    try {
      ours.create({ secret: SECRET, ...config }, encrypter)
    } catch (error) {
      return error
    }
    return null
  }

  test.each(cases)('%s: %p is refused by name', (option, value) => {
    const extra = option === 'trustProxyFn' ? { trustProxy: true } : {}
    const error = refusal({ ...extra, [option]: value })
    expect(error).toBeInstanceOf(Error)
    expect(error.code).toBe('ERR_SESSION_CONFIG')
    // Compat: of addresses the original's words are kept, which do not name the option.
    if (!error.message.startsWith('invalid ')) expect(error.message).toContain(option)
    expect(error.message).not.toContain(SECRET)
  })

  test.each(['', 'a"b', 'a b', '1a', 'sessions; DROP TABLE sessions', "s'", 'a\0', 's'.repeat(64), 5, null, {}])(
    'table %p is refused by name for the database', (table) => {
      const error = refusal({ driver: 'database', table })
      expect(error).toMatchObject({ code: 'ERR_SESSION_CONFIG', message: expect.stringContaining('table') })
    })

  test.each([[{ adapter: 'sails-mongo' }], [{ adapter: 5 }], [{}], ['sqlite'], [{ adapter: 'sqlite', filename: 5 }]])(
    'connection %j is refused by name for the database, with what is supported', (connection) => {
      const error = refusal({ driver: 'database', connection })
      expect(error).toMatchObject({ code: 'ERR_SESSION_CONFIG', message: expect.stringContaining('connection') })
      expect(error.message).toMatch(/sqlite|filename/)
    })

  test.each([5, {}, { encrypt: () => '' }, { encrypt: 1, decrypt: 1 }, 'aes'])('an encrypter %p is refused by name', (encrypter) => {
    const error = refusal({ encrypt: true }, encrypter)
    expect(error).toMatchObject({ code: 'ERR_SESSION_CONFIG', message: expect.stringContaining('encrypter') })
  })

  test.each([
    [{ cookie: '__Host-sid', secure: true, domain: 'example.com' }], [{ cookie: '__Host-sid', secure: true, path: '/app' }],
    [{ cookie: '__host-sid', secure: true, path: '/app' }],
  ])('%j breaks the rules of its prefix', (config) => {
    expect(refusal(config)).toMatchObject({ code: 'ERR_SESSION_CONFIG', message: expect.stringMatching(/cookie|domain|path/) })
  })
})

describeOurs('a connection without a driver', () => {
  const made = (options) => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const sessions = ours.create({ secret: SECRET, ...options })
    const warnings = warn.mock.calls
    warn.mockRestore()
    return { sessions, warnings }
  }

  const filename = () => path.join(tempDir(), 'sessions.sqlite')

  test('keeps sessions in its database', async () => {
    const file = filename()
    for (const connection of [{ adapter: 'sqlite', filename: file }, `sqlite:${file}`]) {
      const { sessions, warnings } = made({ connection })
      expect(sessions.__config.driver).toBe('database')
      expect(warnings).toEqual([])
      await sessions.ready()
      expect(fs.existsSync(file)).toBe(true)
    }
  })

  test.each([['redis://cache', 'redis'], [{ adapter: 'valkey' }, 'redis'], ['mysql://db/shop', 'database'], [{ url: 'postgres://db' }, 'database']])(
    '%j asks for the driver %s', (connection, driver) => {
      for (const none of [{}, { driver: undefined }, { driver: null }, { driver: '' }]) {
        const { sessions, warnings } = made({ ...none, connection })
        expect(sessions.__config.driver).toBe(driver)
        expect(sessions.__manager.getDefaultDriver()).toBe(driver)
        expect(warnings).toEqual([])
      }
      expect(new NodeSession.SessionManager({ connection }).getDefaultDriver()).toBe(driver)
    })

  test('of Waterline keeps sessions in files, as in node-session, and says so once', () => {
    for (const adapter of ['sails-redis', 'sails-postgresql', 'sails-mongo']) {
      const { sessions, warnings } = made({ connection: { adapter, host: 'canary' } })
      expect(sessions.__config.driver).toBe('file')
      expect(warnings).toEqual([[expect.stringMatching(/^option `connection` is not used: .*`driver` is 'database'/), 'SessionWarning']])
      expect(made({ driver: 'file', connection: { adapter } }).warnings).toEqual([])
    }
  })

  test.each([5, true, 'mongodb://web:canary@db', {}, { host: 'db' }, { url: 5 }, { adapter: 5 }])('that cannot be one, %j, is refused by name', (connection) => {
    expect(() => made({ connection })).toThrow(expect.objectContaining({
      code: 'ERR_SESSION_CONFIG', message: expect.stringMatching(/^option `connection(?!.*canary)/),
    }))
  })

  test('beside a store is refused', () => {
    const store = new (require('express-session').MemoryStore)()
    expect(() => made({ store, connection: 'redis://cache' })).toThrow('option `connection` must be left out where option `store` says')
  })

  test('is followed by a store for express-session too, which refuses an adapter of Waterline', async () => {
    const file = filename()
    const store = new Store({ connection: `sqlite:${file}` })
    await store.set('a', { cookie: {} })
    expect(fs.existsSync(file)).toBe(true)
    await store.close()
    expect(() => new Store({ connection: { adapter: 'sails-mongo' } })).toThrow(/^option `connection\.adapter` must be/)
  })

  test('options of express-session are one warning that names ours', () => {
    const { warnings } = made({ resave: false, saveUninitialized: true, name: 'sid', maxAge: 5, unknown: 1 })
    expect(warnings).toEqual([[expect.stringMatching(/^options of express-session have no effect: `name` \(here `cookie`\), `maxAge` \(here `lifetime`\)/), 'SessionWarning']])
    expect(made({ unknown: 1, resave: undefined }).warnings).toEqual([])
    expect(() => made({ cookie: { maxAge: 5 } })).toThrow(/^option `cookie` must be a cookie's name.*`maxAge` is `lifetime`$/)
  })
})

describeOurs('a table that has to exist', () => {
  test('is not made where it is missing: that is told by its name, until it is there', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    const options = { secret: SECRET, connection: { adapter: 'sqlite', filename }, table: 'visits' }
    const strict = ours.create({ ...options, createTable: false })
    const missing = expect.objectContaining({ code: 'ERR_SESSION_CONFIG', message: 'there is no table "visits"' })
    for (let time = 0; time < 2; time += 1) await expect(strict.ready()).rejects.toEqual(missing)
    await ours.create(options).ready()
    await strict.ready()
    expect(() => ours.create({ ...options, createTable: 'no' })).toThrow(/^option `createTable` must be true or false$/)
  })
})

describeOurs('a process', () => {
  test.each(['memory', 'file', 'database'])('with an idle NodeSession on the %s driver ends by itself', async (driver) => {
    const config = JSON.stringify({ secret: SECRET, driver, files: path.join(tempDir(), 'sessions') })
    const script = `new (require(${JSON.stringify(ours.entry)}))(${config}); console.log('made');`
    const output = await new Promise((resolve) => {
      execFile(process.execPath, ['-e', script], (error, stdout) => resolve(error ? error.message : stdout))
    })
    expect(output).toBe('made\n')
  })
})

describeOurs('newer cookie attributes', () => {
  const attributes = async (config) => {
    const site = await open(ours, { secure: true, trustProxy: true, ...config })
    const { setCookies } = await site.visit(site.agent(), () => {}, { headers: { 'x-forwarded-proto': 'https' } })
    return parseSetCookie(setCookies[0]).attributes.map(([key, value]) => (value === true ? key : `${key}=${value}`))
  }

  const sites = [['lax', 'SameSite=Lax'], ['Strict', 'SameSite=Strict'], ['none', 'SameSite=None']]
  test.each(sites)('sameSite: %s', async (sameSite, expected) => {
    expect(await attributes({ sameSite })).toContain(expected)
  })

  test.each([['low', 'Priority=Low'], ['high', 'Priority=High']])('priority: %s', async (priority, expected) => {
    expect(await attributes({ priority })).toContain(expected)
  })

  test('partitioned: true', async () => {
    expect(await attributes({ partitioned: true })).toContain('Partitioned')
    expect(await attributes({})).not.toContain('Partitioned')
  })

  test('none of them by default', async () => {
    expect((await attributes({})).map((text) => text.split('=')[0])).toEqual(['Max-Age', 'Path', 'Expires', 'HttpOnly', 'Secure'])
  })
})
