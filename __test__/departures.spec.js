'use strict'

/*
 * Responses that end in the same turn of the event loop leave together, held back by the system until the turn ends. Nothing that a
 * process does meanwhile keeps one from its client, and no connection stays held.
 */

const http = require('http')
const https = require('https')
const path = require('path')
const { AsyncLocalStorage, AsyncResource } = require('async_hooks')
const { spawn } = require('child_process')

const { ours, describeOurs } = require('./support/packages')
const { later, tempDir } = require('./support/cleanup')
const { SECRET } = require('./support/cookies')
const { listen } = require('./support/servers')
const { traced, attach } = require('./support/strace')

const CHILD = path.join(__dirname, 'support', 'departures.child.js')

jest.setTimeout(60000)

/** Starts the server in a process of its own; `line()` gives what it says next. */
async function start() {
  const child = spawn(process.execPath, [CHILD, ours.entry], { stdio: ['pipe', 'pipe', 'ignore'] })
  later(() => child.kill('SIGKILL'))
  const lines = child.stdout.setEncoding('utf8').iterator()
  const line = async () => (await lines.next()).value.trim()
  const ended = new Promise((resolve) => { child.on('exit', resolve) })
  return { child, line, ended, port: Number(await line()) }
}

/** One request; gives the body, as far as it came. */
function get(port, name, options) {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path: `/${name}`, ...options }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (text) => { body += text })
      answer.on('error', () => {}).on('close', () => resolve(body))
    })
    request.on('error', reject)
  })
}

describeOurs('an answer reaches its client', () => {
  test.each(['kill', 'exit', 'really', 'abort', 'throw'])('of a process that ends right after it: %s', async (death) => {
    const { port, ended } = await start()
    expect(await get(port, death)).toBe('answer')
    await ended
  })

  test('whose connection is destroyed right after it', async () => {
    const { port } = await start()
    expect(await get(port, 'destroy')).toBe('answer')
  })

  test('while the handler that ended it works on', async () => {
    const { child, line } = await start()
    child.stdin.write('ask\n')
    expect(await line()).not.toBe('timed-out')
  })

  test('through a socket that has no name in the network', async () => {
    const sessions = ours.create({ secret: SECRET, driver: 'memory' })
    const server = http.createServer((req, res) => sessions.startSession(req, res, () => res.end('answer')))
    const socketPath = path.join(tempDir(), 'socket')
    await new Promise((resolve) => { server.listen(socketPath, resolve) })
    later(() => { server.close() })
    expect(await get(undefined, '', { socketPath })).toBe('answer')
  })

  test('whatever is in the place of its connection', async () => {
    const sessions = ours.create({ secret: SECRET, driver: 'memory' })
    const odd = { get: () => { throw new Error('not for you') } }
    const { server } = await listen((req, res) => sessions.startSession(req, res, () => {
      Object.defineProperty(res.socket._handle, 'fd', odd)
      res.end('answer')
    }))
    expect(await get(server.address().port, '')).toBe('answer')
  })
})

describeOurs('a response that waits for a slow client', () => {
  /** More than the system takes at once, and more sessions than stay readable by themselves. */
  const LARGE = 64 << 20
  const OTHERS = 600

  test.each(['memory', 'file'])('leaves its session readable until it has left, on the %s driver', async (driver) => {
    const sessions = ours.create({ secret: SECRET, driver, files: tempDir() })
    let finished
    const seen = new Promise((resolve) => { finished = resolve })
    const { server } = await listen((req, res) => sessions.startSession(req, res, () => {
      if (req.url === '/quick') return res.end('answer')
      req.session.put('user', 'bob')
      res.on('finish', () => finished(req.session.get('user')))
      return res.end(Buffer.alloc(LARGE))
    }))
    const { port } = server.address()
    const slow = await new Promise((resolve) => { http.get({ port, path: '/slow' }, resolve) })
    for (let left = OTHERS; left > 0; left -= 1) expect(await get(port, 'quick')).toBe('answer')
    slow.resume()
    expect(await seen).toBe('bob')
  })

  test.each(['http', 'https', 'http2', 'https2'])('and not for longer, over %s', async (kind) => {
    const sessions = ours.create({ secret: SECRET, driver: 'file', files: tempDir() })
    const { agent } = await listen((req, res) => sessions.startSession(req, res, () => {
      req.session.put('user', 'bob')
      res.end('answer')
    }), kind)
    const keepAlive = new (kind === 'https' ? https : http).Agent({ keepAlive: true })
    later(() => keepAlive.destroy())
    const client = agent({ keepAlive })
    for (let left = OTHERS; left > 0; left -= 1) await client.request()
    // Without a collection of garbage: by their number alone.
    const { sessions: held } = sessions.__manager.__engine().native.sizes()
    expect(held).toBeLessThanOrEqual(512 + 64)
  })
})

describeOurs('responses that end in the same turn', () => {
  const AT_ONCE = 6

  test('each tell of their end in their own asynchronous context', async () => {
    const sessions = ours.create({ secret: SECRET, driver: 'memory' })
    const [contexts, seen, waiting] = [new AsyncLocalStorage(), [], []]
    const { server } = await listen((req, res) => contexts.run(req.url, () => sessions.startSession(req, res, () => {
      res.on('finish', () => seen.push([req.url, contexts.getStore()]))
      waiting.push(AsyncResource.bind(() => res.end('answer')))
      if (waiting.length === AT_ONCE) for (const end of waiting) end()
    })))
    const names = Array.from({ length: AT_ONCE }, (_, at) => String(at))
    await Promise.all(names.map((name) => get(server.address().port, name)))
    expect(seen).toHaveLength(AT_ONCE)
    expect(seen.filter(([url, context]) => url !== context)).toEqual([])
  })

  traced('wait in the system, and no connection stays held', async () => {
    const { child, port } = await start()
    const agent = new http.Agent({ keepAlive: true })
    later(() => agent.destroy())
    const together = () => Promise.all(
      Array.from({ length: AT_ONCE }, () => get(port, 'together', { agent, headers: { 'x-together': AT_ONCE } }))
    )
    await together()
    const strace = await attach([child.pid], { all: true, expressions: ['trace=setsockopt'] })
    expect(await together()).toEqual(Array(AT_ONCE).fill('answer'))
    await together()
    const corks = (await strace.detach()).flatMap((line) => {
      const [, socket, value] = /setsockopt\((\d+), SOL_TCP, TCP_CORK, \[(\d)\], 4\) += 0/.exec(line) ?? []
      return socket === undefined ? [] : [[socket, value]]
    })
    const left = new Set()
    for (const [socket, value] of corks) {
      if (value === '1') left.add(socket)
      else expect(left.delete(socket)).toBe(true)
    }
    expect(corks.filter(([, value]) => value === '1')).toHaveLength(2 * AT_ONCE)
    expect([...left]).toEqual([])
  })
})
