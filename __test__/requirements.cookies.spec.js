'use strict'

/*
 * The cookie under attack and under odd options: what an option may put into the header, when a cookie goes over which
 * connection, which texts count as a signature, and what a Cookie header may cost (requirements 10–21, 79, 80, 90; rows 6, 14–16,
 * 24 and 27 of section 2).
 */

const fc = require('fast-check')

const { ours, describeOurs } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { SECRET, ID, freshId, sign, wire, idOf, parseSetCookie, attribute } = require('./support/cookies')

const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
const user = (session) => session.get('user')

function refusal(config) {
  try {
    ours.create({ secret: SECRET, driver: 'memory', ...config })
  } catch (error) {
    return error
  }
  return null
}

describeOurs('a cookie that browsers would throw away', () => {
  test.each([
    [{ sameSite: 'none' }, /sameSite|secure/], [{ partitioned: true }, /partitioned|secure/], [{ cookie: '__Secure-sid' }, /cookie|secure/],
    [{ cookie: '__Host-sid' }, /cookie|secure/], [{ cookie: '__secure-sid' }, /cookie|secure/], [{ cookie: '__hOsT-sid' }, /cookie|secure/],
    [{ cookie: '__Host-sid', secure: true, path: '' }, /cookie|path/],
    [{ cookie: '__HOST-sid', secure: true, domain: 'a.example' }, /domain/],
  ])('%j is refused by name', (config, words) => {
    expect(refusal(config)).toMatchObject({ code: 'ERR_SESSION_CONFIG', message: expect.stringMatching(words) })
  })

  test.each([
    [{ sameSite: 'none', secure: true }], [{ partitioned: true, secure: true }],
    [{ cookie: '__Secure-sid', secure: true, domain: 'a.example' }],
    [{ cookie: '__Host-sid', secure: true }], [{ cookie: '__Hostess' }], [{ cookie: 'x__Host-' }],
  ])('%j is taken', (config) => {
    expect(refusal(config)).toBeNull()
  })

  test('has at most 4096 bytes of name and value and 1024 of an attribute, and warns beyond 400 days', () => {
    expect(refusal({ cookie: 'n'.repeat(4096) })).toMatchObject({ code: 'ERR_SESSION_CONFIG' })
    expect(refusal({ path: `/${'p'.repeat(1024)}` })).toMatchObject({ code: 'ERR_SESSION_CONFIG' })
    expect(refusal({ domain: 'd'.repeat(1025) })).toMatchObject({ code: 'ERR_SESSION_CONFIG' })
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const warnings = [400, 401].map((days) => {
      warn.mockClear()
      expect(refusal({ lifetime: days * 86400000 })).toBeNull()
      return warn.mock.calls.length
    })
    warn.mockRestore()
    expect(warnings).toEqual([0, 1])
  })

  test('the longest name that is taken gives a cookie within the limit', async () => {
    let length = 4096
    while (refusal({ cookie: 'n'.repeat(length) })) length -= 1
    const site = await open(ours, { cookie: 'n'.repeat(length) })
    const { setCookies } = await site.visit(site.agent())
    const { name, value } = parseSetCookie(setCookies[0])
    expect(name.length + value.length).toBeLessThanOrEqual(4096)
  })
})

describeOurs('the options of a cookie', () => {
  test('never add an attribute, a cookie or a header, whatever they hold: they are refused or stand as they are', async () => {
    const pieces = ['; ', ';', '=', ',', '\r\n', '\n', '\0', '"', ' ', 'Domain=evil', 'Path=/x', 'Secure', 'a', '/', '.', 'é', '%3B', '\t', '\x7f', '\u2028']
    const fine = fc.constantFrom('sid', 'a.b', '/app', 'example.com', '', '!#$', "it's")
    const text = fc.oneof(fine, fc.array(fc.constantFrom(...pieces), { maxLength: 5 }).map((parts) => parts.join('')), fc.string({ unit: 'binary', maxLength: 6 }))
    const config = fc.record({ cookie: text, path: text, domain: text }, { requiredKeys: [] })
    let taken = 0
    fc.assert(fc.property(config, (given) => {
      if (refusal(given)) return
      taken += 1
      const nodeSession = ours.create({ secret: SECRET, driver: 'memory', ...given })
      const headers = []
      const response = { appendHeader: (name, value) => headers.push([name, value]) }
      const request = { headers: {}, socket: {} }
      nodeSession.getSession(request, (session) => { request.session = session })
      nodeSession.__addCookieToResponse(request, response)
      expect(headers).toHaveLength(1)
      const { name, attributes } = parseSetCookie(headers[0][1])
      const expected = ['Max-Age', given.domain && 'Domain', given.path !== '' && 'Path', 'Expires', 'HttpOnly'].filter(Boolean)
      expect([name, attributes.map(([key]) => key)]).toEqual([given.cookie ?? 'node_session', expected])
      expect(headers[0][1]).toMatch(/^[\x20-\x7e]*$/)
    }), { seed: 6, numRuns: 600 })
    expect(taken).toBeGreaterThan(50)
  })

  test('a mounted path goes into the cookie, so that a browser keeps it to that path', async () => {
    const site = await open(ours, { path: '/foo' })
    expect(attribute((await site.visit(site.agent())).setCookies[0], 'Path')).toBe('/foo')
  })

  test.each([[{}, true], [{ httpOnly: true }, true], [{ httpOnly: false }, undefined]])('HttpOnly with %j: %s',
    async (config, expected) => {
    const site = await open(ours, config)
    expect(attribute((await site.visit(site.agent())).setCookies[0], 'HttpOnly')).toBe(expected)
  })

  test('expireOnClose leaves the age out; else Max-Age is whole, not negative, and says what Expires says', async () => {
    const closing = await open(ours, { expireOnClose: true })
    const [header] = (await closing.visit(closing.agent())).setCookies
    expect([attribute(header, 'Max-Age'), attribute(header, 'Expires')]).toEqual([undefined, undefined])
    for (const lifetime of [1, 999, 1000, 1999, 300000, 86400000]) {
      const site = await open(ours, { lifetime })
      const before = Math.floor(Date.now() / 1000)
      const [text] = (await site.visit(site.agent())).setCookies
      const age = attribute(text, 'Max-Age')
      expect(age).toMatch(/^\d+$/)
      const expires = Date.parse(attribute(text, 'Expires')) / 1000
      expect(Math.abs(expires - before - Number(age))).toBeLessThanOrEqual(2)
    }
  })
})

describeOurs('a secure cookie', () => {
  const count = async (config, { kind = 'http', headers, before } = {}) => {
    const site = await open(ours, { secure: true, ...config }, { kind, before })
    return (await site.visit(site.agent(), (session) => session.put('a', 1), { headers })).setCookies.length
  }

  test('goes over https and HTTP/2 with TLS, and not over plain connections', async () => {
    expect(await count({}, { kind: 'https' })).toBe(1)
    expect(await count({}, { kind: 'https2' })).toBe(1)
    expect(await count({}, { kind: 'http' })).toBe(0)
    expect(await count({}, { kind: 'http2' })).toBe(0)
  })

  const https = { 'x-forwarded-proto': 'https' }
  test.each([
    ['nobody is trusted', {}, https, 0], ['trustProxy: false', { trustProxy: false }, https, 0],
    ['trustProxy: true', { trustProxy: true }, https, 1],
    ['0 hops', { trustProxy: 0 }, https, 0], ['1 hop', { trustProxy: 1 }, https, 1],
    ['the peer\'s network', { trustProxy: '127.0.0.0/8' }, https, 1],
    ['loopback', { trustProxy: 'loopback' }, https, 1], ['another network', { trustProxy: '10.0.0.0/8' }, https, 0],
    ['several networks', { trustProxy: ['10.0.0.0/8', '127.0.0.1'] }, https, 1],
    ['other networks in a text', { trustProxy: '10.0.0.0/8, ::1' }, https, 0],
    ['a function', { trustProxy: (address) => address.includes('127.0.0.1') }, https, 1],
    ['a refusing function', { trustProxy: () => false }, https, 0],
    ['trustProxyFn', { trustProxy: true, trustProxyFn: () => false }, https, 0],
    ['trustProxyFn alone', { trustProxyFn: () => true }, https, 0],
    ['http', { trustProxy: true }, { 'x-forwarded-proto': 'http' }, 0], ['nothing', { trustProxy: true }, {}, 0],
    ['an empty header', { trustProxy: true }, { 'x-forwarded-proto': '' }, 0],
    ['https first', { trustProxy: true }, { 'x-forwarded-proto': 'https, http' }, 1],
    ['https last', { trustProxy: true }, { 'x-forwarded-proto': 'http, https' }, 0],
    ['upper case', { trustProxy: true }, { 'x-forwarded-proto': ' HTTPS ,http' }, 1],
    ['a longer word', { trustProxy: true }, { 'x-forwarded-proto': 'httpsx' }, 0],
    ['two headers', { trustProxy: true }, { 'x-forwarded-proto': ['http', 'https'] }, 0],
    ['other headers', { trustProxy: true }, { 'x-forwarded-protocol': 'https', forwarded: 'proto=https', 'x-forwarded-ssl': 'on', 'front-end-https': 'on' }, 0],
    ['a forged peer', { trustProxy: '10.0.0.0/8' }, { ...https, 'x-forwarded-for': '10.0.0.1' }, 0],
  ])('believes X-Forwarded-Proto only of whom it trusts: %s', async (what, config, headers, expected) => {
    expect(await count(config, { headers })).toBe(expected)
  })
})

describeOurs('a signature', () => {
  let site
  let id

  beforeAll(async () => {
    site = await openFiles(ours)
    id = site.id(site.plant(GOOD))
  })

  const read = async (value) => (await site.visit(site.agent(), user, { cookie: `node_session=${value}` })).value

  test('counts in one spelling only: nothing before it, behind it, or in its place', async () => {
    const text = `s:${sign(id)}`
    const mac = sign(id).slice(41)
    expect(await read(encodeURIComponent(text))).toBe('bob')
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    const spare = [1, 2, 3].map((bits) => text.slice(0, -1) + last[last.indexOf(text.at(-1)) ^ bits])
    const other = text.replace(/[a-zA-Z]/g, (letter) => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()))
    const bad = [
      `${text}A`, `${text}=`, `${text}==`, `${text}.`, `${text} x`, `${text}\u0001`, `${text}%00`, `x${text}`, `s:x${text.slice(2)}`, ` s: ${text.slice(2)}`,
      `S${text.slice(1)}`, text.slice(2), `s:s:${text.slice(2)}`, text.slice(0, -1), `s:${id}`, `s:${id}.`, `s:.${mac}`, `s:${id}..${mac}`,
      `s:${id}.${mac}.${mac}`, `s:${id}.${mac.toLowerCase()}`, `s:${id.toLowerCase()}.${mac}`, other, `s:${id}.${mac.slice(0, 20)}`,
      `s:${id}.${Buffer.from(mac, 'base64').toString('hex')}`, `s:${id}.${Buffer.from(mac, 'base64').toString('base64')}`,
      `j:"${text}"`, `s:${sign(id, `${SECRET} `)}`, `s:${sign(id, '')}`, `s:${sign(id, SECRET.slice(0, -1))}`, `s:${sign(`${id}\0`)}`, `s:${sign(` ${id}`)}`,
      ...spare,
    ]
    const accepted = []
    for (const value of bad.filter((given) => given !== text)) {
      if ((await read(encodeURIComponent(value))) === 'bob') accepted.push(value)
    }
    expect(accepted).toEqual([])
    const url = Buffer.from(mac, 'base64').toString('base64url')
    if (url !== mac) expect(await read(encodeURIComponent(`s:${id}.${url}`))).toBeUndefined()
  })

  test('of one of several secrets counts; the first one signs, and an unknown one does not', async () => {
    const secrets = ['first secret of thirty-two bytes', 'second secret of thirty-two bytes', 'third secret of thirty-two bytes!']
    const many = await openFiles(ours, { secret: secrets, files: site.files })
    for (const secret of secrets) {
      const { value, setCookies } = await many.visit(many.agentFor(id, secret), user)
      expect([value, idOf(parseSetCookie(setCookies[0]).value, secrets[0])]).toEqual(['bob', id])
    }
    expect((await many.visit(many.agentFor(id, SECRET), user)).value).toBeUndefined()
    expect((await many.visit(many.agentFor(id, secrets.join()), user)).value).toBeUndefined()
    // The letters of a text are not a list of secrets.
    expect((await many.visit(many.agentFor(id, secrets[0][0]), user)).value).toBeUndefined()
  })

  test('by a short secret is accepted with one warning that does not show it', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const errors = ['x'.repeat(31), 'x'.repeat(32), Buffer.alloc(31, 1), ['x'.repeat(40), 'short one']].map((secret) => refusal({ secret }))
    const { calls } = warn.mock
    warn.mockRestore()
    expect(errors).toEqual([null, null, null, null])
    expect(calls).toHaveLength(3)
    for (const [text] of calls) expect(text).toMatch(/secret/)
    expect(JSON.stringify(calls)).not.toMatch(/xxxx|short one/)
  })
})

describeOurs('several cookies of our name', () => {
  test('give the first valid one, whatever is tossed before or behind it', async () => {
    const site = await openFiles(ours)
    const agent = site.plant(GOOD)
    const good = agent.cookie()
    const bad = ['x', '', '""', 's%3A', wire(freshId(), 'another'), `${good}x`, '%', encodeURIComponent(`s:${sign('../../etc/passwd')}`)]
    for (const tossed of bad) {
      for (const values of [[tossed, good], [good, tossed], [tossed, tossed, good, tossed]]) {
        const cookie = values.map((value) => `node_session=${value}`).join('; ')
        const { value, setCookies } = await site.visit(site.agent(), user, { cookie })
        expect([tossed, value, idOf(parseSetCookie(setCookies[0]).value)]).toEqual([tossed, 'bob', site.id(agent)])
      }
    }
    expect(site.names()).toEqual([site.id(agent)])
  })
})

describeOurs('a Cookie header', () => {
  /** Milliseconds that finding the session of a header takes at best. */
  function cost(nodeSession, cookie) {
    let best = Infinity
    for (let i = 0; i < 7; i += 1) {
      const begin = process.hrtime.bigint()
      nodeSession.getSession({ headers: { cookie } }, (session) => expect(session.getId()).toMatch(ID))
      best = Math.min(best, Number(process.hrtime.bigint() - begin) / 1e6)
    }
    return best
  }

  test.each([
    ['pairs', (n) => 'a=b; '.repeat(n / 5)], ['our name', (n) => 'node_session=x; '.repeat(n / 16)], ['semicolons', (n) => ';'.repeat(n)],
    ['our name with forged signatures', (n) => `node_session=${wire(freshId(), 'another')}; `.repeat(n / 110)],
    ['one value', (n) => `node_session=${'a'.repeat(n)}`], ['percent signs', (n) => `node_session=s%3A${'%'.repeat(n)}`],
    ['quotes', (n) => `node_session=${'"'.repeat(n)}`], ['spaces', (n) => `node_session=${' '.repeat(n)}x`],
    ['equals signs', (n) => '='.repeat(n)],
    ['dots', (n) => `node_session=s:${'.'.repeat(n)}`], ['backslashes', (n) => `node_session="${'\\'.repeat(n)}"`],
  ])('of a megabyte of %s costs twice what half of it does', (what, make) => {
    const nodeSession = ours.create({ secret: SECRET, driver: 'memory' })
    cost(nodeSession, make(1 << 16))
    const [half, whole] = [1 << 19, 1 << 20].map((size) => cost(nodeSession, make(size)))
    // Quadratic work would cost four times as much; a little is added for what the clock cannot tell apart.
    expect(whole).toBeLessThan(3 * half + 2)
  })
})
