'use strict'

/*
 * A server over one NodeSession, in a process that a test can break things under: kill it, take its disk, trace its system calls.
 * Its requests run the steps that they bring along; over the IPC channel the test asks for everything else (storage.js).
 *
 * node storage.child.js ENTRY CONFIG
 */

const fs = require('fs')
const http = require('http')
const { spawnSync } = require('child_process')

const [, , entry, text] = process.argv
const { user, ...config } = JSON.parse(text)
const NodeSession = require(entry)
const nodeSession = new NodeSession(config)

const told = []
for (const event of ['error', 'corrupt', 'gone', 'conflict']) {
  nodeSession.on(event, (error) => told.push(error && error.code ? `${event} ${error.code}` : event))
}

/** Storage of the application's own, with faults of its own: what `modes[method]` says is done in the place of an answer. */
const handler = {
  map: new Map(),
  modes: {},
  answer(method, callback, work) {
    const mode = handler.modes[method]
    if (mode === 'throws') throw new Error('the database is down')
    if (mode === 'never') return
    if (mode === 'fails') setImmediate(callback, new Error('the database is down'))
    else if (mode === 'slow') setTimeout(() => callback(work()), 200)
    else setImmediate(() => callback(work()))
  },
  read: (id, callback) => handler.answer('read', callback, () => handler.map.get(id) || ''),
  write: (id, data, callback) => handler.answer('write', callback, () => { handler.map.set(id, data) }),
  destroy: (id, callback) => handler.answer('destroy', callback, () => { handler.map.delete(id) }),
  gc() {},
}
if (config.driver === 'custom') {
  const manager = nodeSession.__manager
  manager.registerHandler('custom', (options, callback) => callback(manager.__buildSession(handler)))
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms) })

/** What a step may be besides the name of a method of the session. */
const STEPS = {
  /** A state whose text tells of its number, so that a torn one is known: `6000 + n` times one letter. */
  state: ({ session }, n) => session.put('state', { n, text: LETTERS[n % 26].repeat(6000 + n) }),
  nested: ({ session }, levels) => {
    let value = []
    for (let i = 1; i < levels; i += 1) value = [value]
    session.put('nested', value)
  },
  fill: ({ session }, bytes) => session.put('filling', 'x'.repeat(bytes)),
  bigint: ({ session }) => session.put('bad', 1n),
  circle: ({ session }) => {
    const value = {}
    value.value = value
    session.put('bad', value)
  },
  toJSON: ({ session }) => session.put('bad', { toJSON() { throw new Error('no') } }),
  saves: ({ session }) => session.save().then(() => 'saved', (error) => error.code),
  writes: ({ res }) => { res.write(' ') },
  waits: (visit, ms) => wait(ms),
  grows: ({ session }, bytes) => session.put('ballast', 'x'.repeat(bytes)),
  stops: () => new Promise((resolve) => { stopped.push(resolve) }),
  removes: ({ session }, id) => new Promise((resolve) => { session.getHandler().destroy(id || session.getId(), resolve) }),
}

/** Requests that wait at the step `stops`, until the test says `go`. */
const stopped = []

async function run(error, req, res, steps) {
  const { session } = req
  const state = session.get('state')
  const found = { error: error && error.code, id: session.getId(), user: session.get('user'), n: session.get('n'), state, results: [] }
  for (const [name, ...args] of steps) {
    const result = STEPS[name] ? await STEPS[name]({ session, req, res }, ...args) : await session[name](...args)
    found.results.push(result === undefined || (typeof result === 'object' && result !== null) ? null : result)
  }
  res.end(`${JSON.stringify(found)}whole`)
}

const server = http.createServer((req, res) => {
  const steps = JSON.parse(decodeURIComponent(req.headers['x-steps'] || '%5B%5D'))
  nodeSession.startSession(req, res, (error) => { run(error, req, res, steps) })
})

const taken = []

/** What the test can ask for. */
const ASKED = {
  told: () => told.splice(0),
  stopped: () => stopped.length,
  go: () => { for (const resolve of stopped.splice(0)) resolve() },
  names: (dir) => fs.readdirSync(dir).sort(),
  stored: (id) => handler.map.get(id) || null,
  plant: (id, data) => { handler.map.set(id, data) },
  remove: (id) => { handler.map.delete(id) },
  modes: (modes) => { handler.modes = modes },
  mount: (...args) => spawnSync('mount', args, { encoding: 'utf8' }).stderr,
  /** Fills the disk to the last byte. */
  fill: (file) => {
    const fd = fs.openSync(file, 'a')
    try {
      for (let size = 65536; size > 0;) {
        try {
          fs.writeSync(fd, Buffer.alloc(size))
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error
          size >>= 1
        }
      }
    } finally {
      fs.closeSync(fd)
    }
  },
  unlink: (file) => fs.unlinkSync(file),
  /** Takes every file descriptor that is left. */
  starve: () => {
    try {
      for (;;) taken.push(fs.openSync('/dev/null', 'r'))
    } catch (error) {
      return error.code
    }
  },
  feed: () => { for (const fd of taken.splice(0)) fs.closeSync(fd) },
  sweep: () => new Promise((resolve) => {
    nodeSession.getSession({ headers: {} }, (session) => {
      session.getHandler().gc(config.lifetime || 300000)
      resolve()
    })
  }),
  threads: () => fs.readdirSync('/proc/self/task').map((tid) => [tid, fs.readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim()]),
  exit: (code) => process.exit(code),
}

process.on('message', async ({ call, method, args }) => {
  try {
    process.send({ call, result: await ASKED[method](...args) })
  } catch (error) {
    process.send({ call, error: `${method}: ${error.message}` })
  }
})
process.on('disconnect', () => process.exit())

/** As the README says how to stop. */
process.on('SIGTERM', async () => {
  server.close()
  server.closeIdleConnections()
  await nodeSession.close()
  process.exit(0)
})

if (user !== undefined && process.getuid() === 0) {
  process.setgid(user)
  process.setuid(user)
}
server.keepAliveTimeout = 60000
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
