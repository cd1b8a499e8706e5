'use strict'

/*
 * Responses that are held while their session is saved: those that cannot be ended as the application wants, more of them than the
 * engine keeps closed sessions, two NodeSessions on one of them, and sessions that are changed when it is too late (requirements 37, 59, 61;
 * design "The held response").
 */

const fs = require('fs')
const net = require('net')

const { ours, describeOurs } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { MapHandler, useHandler } = require('./support/handlers')
const { SECRET, freshId, wire } = require('./support/cookies')

jest.setTimeout(30000)

const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
const user = (session) => session.get('user')

describeOurs('a held response', () => {
  /** A site whose saves take a turn of the event loop, so that every response is held, and a visitor of it. */
  async function openHeld() {
    const site = await open(ours, { driver: 'custom', touchInterval: 60000 })
    const handler = new MapHandler()
    useHandler(site, () => handler)
    const id = freshId()
    handler.map.set(id, GOOD)
    return [site, site.agentFor(id)]
  }

  const unendable = [
    ['a status code that is none', (res) => { res.statusCode = 99999; res.end('done') }],
    ['a status code that is a word', (res) => { res.statusCode = 'fine'; res.end('done') }],
    ['a status message with a line break', (res) => { res.statusMessage = 'a\r\nb'; res.end('done') }],
    ['an object as its body', (res) => res.end({ body: 1 })],
    ['a number as its body', (res) => res.end(5)],
    ['a body in an encoding that there is not', (res) => res.end('done', 'none')],
  ]

  test.each(unendable.slice(0, 5))('with %s is ended all the same, its session is saved, and the error is told', async (what, end) => {
    const [site, agent] = await openHeld()
    const { status } = await site.visit(agent, (session, req, res) => {
      session.put('user', 'eve')
      end(res)
    }, { ends: true })
    expect(status).toBe(500)
    expect(site.errors.map((error) => error instanceof Error || typeof error.message)).toHaveLength(1)
    expect((await site.visit(agent, user)).value).toBe('eve')
  })

  test.each(unendable.slice(3))('that has begun to be sent, with %s, is broken off rather than left open', async (what, end) => {
    const [site, agent] = await openHeld()
    const answer = await site.visit(agent, (session, req, res) => {
      session.put('user', 'eve')
      res.write('begun, ')
      end(res)
    }, { ends: true })
    expect([answer.body, answer.aborted]).toEqual(['begun, ', true])
    expect(site.errors).toHaveLength(1)
    expect((await site.visit(agent, user)).value).toBe('eve')
  })

  test('may be one of five thousand: each is saved with what is its own, and sends its cookie', async () => {
    const COUNT = 5000
    const SOCKETS = 50
    const site = await open(ours, { driver: 'custom', saveTimeout: 25000, touchInterval: 60000 })
    const handler = new MapHandler()
    const held = []
    handler.write = (id, text, callback) => held.push(() => { handler.map.set(id, text); callback() })
    useHandler(site, () => handler)
    const ids = Array.from({ length: COUNT }, freshId)
    for (const id of ids) handler.map.set(id, GOOD)
    site.serve = (req, res) => site.nodeSession.startSession(req, res, () => {
      const n = Number(req.url.slice(1))
      req.session.put('n', n)
      res.end(`[${n}]`)
    })
    const { port } = site.host.server.address()
    // Requests that are sent one behind the other are all begun before the first is answered.
    const ask = (numbers) => new Promise((resolve, reject) => {
      let got = ''
      const lines = numbers.map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\nCookie: node_session=${wire(ids[n])}\r\n`)
      const socket = net.connect(port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}Connection: close\r\n\r\n`))
      socket.setEncoding('utf8').on('data', (data) => { got += data }).on('end', () => resolve(got)).on('error', reject)
    })
    const numbers = (socket) => Array.from({ length: COUNT / SOCKETS }, (_, at) => socket + at * SOCKETS)
    const answers = Array.from({ length: SOCKETS }, (_, socket) => ask(numbers(socket)))
    while (held.length < COUNT) await new Promise(setImmediate)
    for (const go of held.splice(0)) go()
    for (const [socket, text] of (await Promise.all(answers)).entries()) {
      expect(text.match(/\[\d+\]/g)).toEqual(numbers(socket).map((n) => `[${n}]`))
      expect(text.match(/node_session=/g)).toHaveLength(COUNT / SOCKETS)
    }
    expect(site.errors).toEqual([])
    expect(ids.filter((id, n) => JSON.parse(handler.map.get(id)).n !== n)).toEqual([])
  })
})

describeOurs('once a response has ended', () => {
  test.each([
    ['regenerate', (session) => session.regenerate()], ['regenerate(true)', (session) => session.regenerate(true)],
    ['migrate(true)', (session) => session.migrate(true)], ['setId', (session) => session.setId(freshId())],
    ['flush', (session) => session.flush()],
  ])('%s changes nothing, while the session is being saved and after', async (what, change) => {
    const site = await openFiles(ours)
    const agent = site.plant(GOOD)
    const id = site.id(agent)
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { setCookies, session, value } = await site.visit(agent, (started, req, res) => {
      started.put('user', 'eve')
      res.end('done')
      change(started)
      return started.getId()
    }, { ends: true })
    expect([value, setCookies.length, site.id(agent), session.getId()]).toEqual([id, 1, id, id])
    change(session)
    warn.mockRestore()
    await new Promise((resolve) => { session.save(resolve) })
    expect([session.getId(), site.names()]).toEqual([id, [id]])
    expect((await site.visit(agent, user)).value).toBe('eve')
    expect(site.errors).toEqual([])
  })
})

describeOurs('two NodeSessions on one response', () => {
  /** A server whose requests have a session of each: `script(first, second, req, res)`. */
  async function openTwo(script, configOfSecond = {}) {
    const site = await openFiles(ours, { cookie: 'one' })
    const other = ours.create({ secret: SECRET, driver: 'file', files: `${site.files}-two`, cookie: 'two', lottery: [0, 100], ...configOfSecond })
    const errors = []
    other.on('error', (error) => errors.push(error.code))
    site.serve = (req, res) => site.nodeSession.startSession(req, res, () => {
      const first = req.session
      other.startSession(req, res, () => script(first, req.session, req, res))
    })
    return { site, errors, files: `${site.files}-two` }
  }
  const count = (first, second, req, res) => {
    first.put('n', first.get('n', 0) + 1)
    second.put('n', second.get('n', 10) + 1)
    res.end(`${first.get('n')} ${second.get('n')}`)
  }

  test('are both saved before it is out, each under its own cookie, whichever session the request has', async () => {
    const seen = []
    const { site } = await openTwo((first, second, req, res) => {
      if (seen.length === 1) req.session = first
      seen.push(first === second)
      count(first, second, req, res)
    })
    const agent = site.agent()
    const bodies = []
    for (let i = 0; i < 3; i += 1) {
      const { body, setCookies } = await agent.request('/')
      bodies.push(body)
      expect(setCookies.map((header) => header.split('=')[0]).sort()).toEqual(['one', 'two'])
    }
    expect([bodies, seen]).toEqual([['1 11', '2 12', '3 13'], [false, false, false]])
  })

  test('tell their own errors, and the one that can be saved is saved', async () => {
    const { site, errors, files } = await openTwo(count)
    const agent = site.agent()
    await agent.request('/')
    fs.renameSync(files, `${files}.away`)
    fs.writeFileSync(files, 'in the way')
    const { status, setCookies } = await agent.request('/')
    expect([status, site.errors, errors]).toEqual([200, [], ['ERR_SESSION_WRITE']])
    expect(setCookies.map((header) => header.split('=')[0])).toContain('one')
    fs.rmSync(files)
    fs.renameSync(`${files}.away`, files)
    expect((await agent.request('/')).body).toBe('3 12')
  })
})
