'use strict'

/*
 * Jobs whose cost requirements.bounds.spec.js judges, each in a process of its own, in a Node that makes no code from strings. Prints
 * what was measured as JSON.
 *
 * node --expose-gc --disallow-code-generation-from-strings bounds.child.js ENTRY JOB ARGUMENTS…
 */

const crypto = require('crypto')
const fs = require('fs')
const http = require('http')
const path = require('path')
const { EventEmitter } = require('events')

const [, , entry, job, ...args] = process.argv
const NodeSession = require(entry)
const SECRET = 'a secret that is long enough to be one'

const freshId = () => crypto.randomBytes(30).toString('base64url')
const cookie = (id) => {
  const mac = crypto.createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '')
  return `node_session=${encodeURIComponent(`s:${id}.${mac}`)}`
}
const request = (header) => ({ headers: header ? { cookie: header } : {}, socket: new EventEmitter(), method: 'GET', url: '/' })
const response = () => {
  const made = new http.ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 })
  made.write = () => true
  return made
}
const settle = async () => {
  for (let i = 0; i < 6; i += 1) {
    global.gc()
    await new Promise(setImmediate)
  }
  return process.memoryUsage().rss
}

/** One request without a server; gives its session's id. */
async function visit(nodeSession, header, script = () => {}) {
  const [req, res] = [request(header), response()]
  await new Promise((resolve) => { nodeSession.startSession(req, res, resolve) })
  script(req.session, req, res)
  res.end()
  return req.session.getId()
}

/** Reads one session that is much larger than the limit; gives how far the memory grew. */
async function readLarge(nodeSession, id) {
  const codes = []
  nodeSession.on('corrupt', (error) => codes.push(error.code))
  await visit(nodeSession, cookie(freshId()))
  const before = await settle()
  let peak = before
  const watch = setInterval(() => { peak = Math.max(peak, process.memoryUsage().rss) }, 1)
  await visit(nodeSession, cookie(id))
  clearInterval(watch)
  const high = fs.readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+) kB/)
  return { growth: Math.max(peak, process.memoryUsage().rss) - before, code: codes[0], high: Number(high[1]) * 1024 }
}

const JOBS = {
  async flood(maxSessions, requests) {
    const nodeSession = new NodeSession({ secret: SECRET, driver: 'memory', maxSessions: Number(maxSessions) })
    let last
    for (let i = 0; i < Number(requests); i += 1) {
      last = await visit(nodeSession, '', (session) => session.put('text', 'x'.repeat(1000)))
      if (i % 1000 === 0) await settle()
    }
    let kept
    await visit(nodeSession, cookie(last), (session) => { kept = session.has('text') })
    return { rss: await settle(), kept }
  },

  async sparse(folder) {
    const nodeSession = new NodeSession({ secret: SECRET, driver: 'file', files: folder })
    const id = freshId()
    fs.writeFileSync(path.join(folder, id), '{"_token":"T"}')
    fs.truncateSync(path.join(folder, id), 2 ** 30)
    return { ...(await readLarge(nodeSession, id)), size: fs.statSync(path.join(folder, id)).size }
  },

  async row(filename, id) {
    return readLarge(new NodeSession({ secret: SECRET, driver: 'database', connection: { adapter: 'sqlite', filename } }), id)
  },

  async held(count) {
    const nodeSession = new NodeSession({ secret: SECRET, driver: 'memory', maxSessions: 100 })
    const run = async (n) => {
      for (let i = 0; i < n; i += 1) {
        const [req, res] = [request(''), response()]
        await new Promise((resolve) => { nodeSession.startSession(req, res, resolve) })
        req.session.put('text', 'x'.repeat(1000))
        res.end()
        req.session.get('text')
      }
    }
    await run(5000)
    const before = await settle()
    await run(Number(count))
    return { growth: (await settle()) - before }
  },

  async aborted(count) {
    const nodeSession = new NodeSession({ secret: SECRET, driver: 'memory', maxSessions: 100 })
    const run = async (n) => {
      for (let i = 0; i < n; i += 1) {
        const [req, res] = [request(''), response()]
        await new Promise((resolve) => { nodeSession.startSession(req, res, resolve) })
        req.session.put('text', 'x'.repeat(1000))
        res.emit('close')
        if (i % 1000 === 0) await settle()
      }
    }
    await run(5000)
    const before = await settle()
    await run(Number(count))
    return { growth: (await settle()) - before }
  },

  async requests(folder, driver, encrypt) {
    const nodeSession = new NodeSession({ secret: SECRET, driver, encrypt: encrypt === 'true', files: path.join(folder, 'sessions') })
    const saved = (id) => new Promise((resolve) => {
      nodeSession.getSession({ headers: { cookie: cookie(id) } }, (session) => session.start(() => resolve(session)))
    })
    let seen
    const [req, res] = [request(''), response()]
    await nodeSession.startSession(req, res)
    const { session } = req
    session.put('user.name', 'bob')
    session.put({ 'a.b[0]': 1, 'my-key': 2 })
    session.push('list', 'x')
    session.flash('msg', 'hi')
    seen = [session.get('user.name'), session.get('list[0]'), session.get('my-key'), session.has('msg')]
    await session.save()
    seen = [...seen, (await saved(session.getId())).get('user.name')]
    return { seen }
  },

  async junk() {
    const native = require(path.join(path.dirname(entry), 'binding'))
    const values = [undefined, null, NaN, Infinity, -Infinity, -1, 0, 1, 1.5, 4194304, 4194305, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -1e308, '', 'x', '\0', '\ud800',
      'read', 'x'.repeat(70000), true, {}, [], [[]], [1, null], () => {}, Symbol('s'), 1n, new Proxy({}, {}), new Date(NaN), /x/, Object.create(null),
      { length: 2 ** 32 }, new Array(10), { get secret() { throw new Error('x') } }, Buffer.alloc(3), new Map()]
    const nodeSession = new NodeSession({ secret: SECRET, driver: 'memory' })
    await visit(nodeSession, '', (session) => session.put('user', 'bob'))
    let state = 135
    const pick = () => {
      state = (state * 1103515245 + 12345) % 2147483648
      return values[state % values.length]
    }
    let calls = 0
    for (const name of Object.keys(native).filter((key) => typeof native[key] === 'function' && key !== 'forgetSession')) {
      for (let i = 0; i < 150; i += 1) {
        const given = Array.from({ length: 6 }, pick)
        calls += 1
        try {
          if (/^[A-Z]/.test(name)) new native[name](...given)
          else native[name](...given)
        } catch (error) {
          if (!(error instanceof Error)) throw new Error(`${name} threw ${String(error)}`)
        }
      }
    }
    // Among the calls were honest ones, sweeps too: what lives on is the engine.
    let alive
    const id = await visit(nodeSession, '', (session) => session.put('user', 'bob'))
    await visit(nodeSession, cookie(id), (session) => { alive = session.get('user') })
    return { calls, alive }
  },
}

JOBS[job](...args).then((measured) => {
  fs.writeSync(1, JSON.stringify(measured))
  process.exit(0)
}, (error) => {
  fs.writeSync(2, `${error.stack}\n`)
  process.exit(1)
})
