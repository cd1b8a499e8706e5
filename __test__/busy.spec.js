'use strict'

/*
 * JavaScript that does something else for longer than storage may take: what was asked of a server before is answered all the same,
 * nothing is lost, and what was asked has gone out meanwhile. And JavaScript that begins requests while others are being answered.
 */

const { once } = require('events')
const net = require('net')
const { Worker } = require('worker_threads')

const { Response } = require('./native-safety/fake')
const { SECRET, NAME, freshId, wire } = require('./support/cookies')
const { later } = require('./support/cleanup')
const { ours, describeOurs } = require('./support/packages')
const { servers } = require('./support/store-servers')

jest.setTimeout(60000)

/** Longest time that storage may take, and for how long JavaScript does something else. Units: milliseconds. */
const LIMIT = 300
const BUSY = 3 * LIMIT
const REQUESTS = 50

/** A server in a thread of its own, which has no records and counts what it is asked for. */
const SERVER = `
  const { parentPort, workerData: heard } = require('worker_threads')
  const answers = { HMGET: '*2\\r\\n$-1\\r\\n$-1\\r\\n', EVALSHA: ':0\\r\\n', INFO: '$0\\r\\n\\r\\n', HELLO: '%0\\r\\n' }
  const server = require('net').createServer((socket) => socket.on('error', () => {}).on('data', (data) => {
    for (const [name] of String(data).matchAll(/HMGET|EVALSHA|INFO|HELLO/g)) {
      if (name === 'HMGET') Atomics.add(heard, 0, 1)
      socket.write(answers[name])
    }
    Atomics.notify(heard, 0)
  }))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

/** JavaScript has other things to do. */
function block(time) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, time)
}

/** Begins a request; `use(session)` runs in it, before its response ends. Gives its cookie. */
function visit(sessions, cookie, use) {
  return new Promise((resolve) => {
    const request = { headers: { cookie }, socket: {} }
    const response = new Response((ended) => resolve(ended.headers['set-cookie']?.[0].split(';')[0]))
    sessions.startSession(request, response, () => {
      use(request.session)
      response.end()
    })
  })
}

/** Requests that all begin in this turn. */
const together = (sessions, cookies, use) => Promise.all(cookies.map((cookie, at) => visit(sessions, cookie, (session) => use(session, at))))

test('the servers are known', () => {
  expect(Array.isArray(servers)).toBe(true)
})

describeOurs.each(servers)('while JavaScript is busy, over %s', (name, row) => {
  test('no load and no save is given up, and nothing is lost', async () => {
    const sessions = ours.create({ secret: SECRET, lottery: false, readTimeout: LIMIT, saveTimeout: LIMIT, ...row.options() })
    later(() => sessions.close())
    const errors = []
    sessions.on('error', (error) => errors.push(error))
    let left = REQUESTS
    const whenLast = (work) => {
      left -= 1
      if (left === 0) work()
    }
    const none = Array.from({ length: REQUESTS })
    // The saves of all of them have begun when the last one blocks, in the turn that began some of them.
    const cookies = await together(sessions, none, (session, at) => {
      session.put('at', at)
      whenLast(() => setImmediate(() => block(BUSY)))
    })
    const loads = together(sessions, cookies, (session, at) => {
      expect(session.get('at')).toBe(at)
      session.put('again', at)
    })
    block(BUSY)
    await loads
    const found = []
    await together(sessions, cookies, (session, at) => { found[at] = [session.get('at'), session.get('again')] })
    expect(found).toEqual(none.map((_, at) => [at, at]))
    expect(errors).toEqual([])
  })

  test('with an encrypter that begins a request of its own, each request is given its own session', async () => {
    let nested
    let opened = 0
    const encrypter = {
      encrypt: (text) => text,
      decrypt: (text) => {
        opened += 1
        if (opened === REQUESTS + 2) nested = read(cookies[0])
        return text
      },
    }
    const sessions = ours.create({ secret: SECRET, lottery: false, encrypt: true, ...row.options() }, encrypter)
    later(() => sessions.close())
    const read = (cookie) => new Promise((resolve) => { visit(sessions, cookie, (session) => resolve(session.get('at'))) })
    const cookies = await together(sessions, Array.from({ length: REQUESTS }), (session, at) => session.put('at', at))
    expect(await Promise.all(cookies.map(read))).toEqual(cookies.map((_, at) => at))
    // While the second of these is being opened, and the first has been.
    expect(await Promise.all(cookies.map(read))).toEqual(cookies.map((_, at) => at))
    expect(await nested).toBe(0)
  })
})

describeOurs('what a server of Redis is asked', () => {
  test('goes out although JavaScript is busy in the turn that asks it', async () => {
    const heard = new Int32Array(new SharedArrayBuffer(4))
    const server = new Worker(SERVER, { eval: true, workerData: heard })
    later(() => server.terminate())
    const [port] = await once(server, 'message')
    const connection = { host: '127.0.0.1', port }
    const sessions = ours.create({ secret: SECRET, driver: 'redis', connection, lottery: false })
    later(() => sessions.close())
    const cookie = `${NAME}=${wire(freshId())}`
    // Its connection is there from now on.
    await visit(sessions, cookie, () => {})
    const before = Atomics.load(heard, 0)
    expect(before).toBeGreaterThan(0)
    const second = visit(sessions, cookie, () => {})
    expect(Atomics.wait(heard, 0, before, 10000)).toBe('ok')
    await second
  })
})

describeOurs('a server that is no server of Redis', () => {
  const FOREIGN = {
    'speaks HTTP': 'HTTP/1.1 400 Bad Request\r\n\r\n',
    'answers more than it is asked': '+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n',
    'promises more than there can be': '$99999999999999\r\n',
    'nests its answer without end': '*1\r\n'.repeat(100000),
    'answers with bytes of no meaning': Buffer.from([255, 0, 13, 10, 255, 13]),
    'ends in the middle of an answer': '$100\r\nabc',
  }

  test.each(Object.entries(FOREIGN))('which %s, is told as an error in time, and is asked anew', async (what, answer) => {
    let connections = 0
    const server = net.createServer((socket) => {
      connections += 1
      socket.on('error', () => {}).once('data', () => socket.end(answer))
    })
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
    later(() => new Promise((resolve) => { server.close(resolve) }))
    const { port } = server.address()
    const sessions = ours.create({ secret: SECRET, driver: 'redis', connection: { host: '127.0.0.1', port }, lottery: false })
    later(() => sessions.close())
    const errors = []
    sessions.on('error', ({ code }) => errors.push(code))
    await visit(sessions, undefined, (session) => session.put('a', 1))
    const first = connections
    await visit(sessions, undefined, (session) => session.put('a', 1))
    expect(errors).toEqual(['ERR_SESSION_WRITE', 'ERR_SESSION_WRITE'])
    expect(connections).toBeGreaterThan(first)
  })
})
