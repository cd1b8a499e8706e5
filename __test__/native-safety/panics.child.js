'use strict'

/*
 * A server whose engine panics wherever it is told to, for panics.spec.js.
 *
 * NAPI_RS_NATIVE_LIBRARY_PATH=… node --expose-gc panics.child.js DRIVER FOLDER
 *
 * For every function of the addon, and every point inside, it lets the first pass panic, then all of them, while a tour through
 * the whole package is on its way; then it looks whether the next requests are as they should be. Its last line is a report.
 */

const http = require('http')
const path = require('path')
const { MemoryStore } = require('express-session')

const { Response } = require('./fake')
const { MapHandler } = require('./map-handler')
const { REDIS_URL } = require('../../torture/redis')

const [, , driver, folder] = process.argv
const ROOT = path.join(__dirname, '..', '..')
const binding = require(path.join(ROOT, 'binding'))

const SECRET = 'a secret of more than thirty-two characters'
/** Longest time a request, a promise or a callback may take. Units: milliseconds. */
const PATIENCE = 40000
const FOREVER = 0xffffffff
/** What the test itself needs to work. */
const OWN = ['allocatedBytes', 'allocations', 'panicAt', 'panicsLeft', 'pointsPassed', 'takePanic', 'traceAllocations']

const { panicAt, panicsLeft, pointsPassed } = binding
/** Where the driver's server is, if it has one. */
const CONNECTION = driver === 'redis' ? { connection: { url: REDIS_URL, prefix: process.env.PREFIX } } : {}
/** The function whose next calls panic. */
let armed
/** What was met that must not be: by what panicked, sentences. */
const faults = []
const complain = (text) => faults.push(`${armed.name} ${armed.times === 1 ? 'once' : 'always'}: ${text}`)

/** A function of the addon that panics when it is armed. */
function armable(name, call) {
  return function (...args) {
    if (armed === undefined || armed.name !== name || armed.left === 0) return call.apply(this, args)
    panicAt('entry', 1)
    try {
      return call.apply(this, args)
    } finally {
      if (panicsLeft() === 0) {
        armed.left -= 1
        armed.hits += 1
      }
      panicAt('', 0)
    }
  }
}

// Which responses are held depends on what that costs here; the face is to ask for each of them.
const { corkSocket } = binding
binding.corkSocket = (socket) => Math.max(0, corkSocket(socket))

const entries = []
for (const [name, value] of Object.entries(binding)) {
  if (typeof value !== 'function' || OWN.includes(name)) continue
  entries.push(name)
  if (!/^[A-Z]/.test(name)) {
    binding[name] = armable(name, value)
    continue
  }
  for (const [member, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(value.prototype))) {
    if (member === 'constructor') continue
    entries.push(`${name}.${member}`)
    const kind = descriptor.get ? 'get' : 'value'
    Object.defineProperty(value.prototype, member, { ...descriptor, [kind]: armable(`${name}.${member}`, descriptor[kind]) })
  }
  binding[name] = new Proxy(value, { construct: (...args) => armable(name, () => Reflect.construct(...args))() })
}

const NodeSession = require(ROOT)
const { SessionError, EncryptedStore } = NodeSession
const { compileTrust } = require('../../lib/util')
const { useRecords } = require('./records')

process.on('uncaughtException', (error) => complain(`uncaught ${error && error.stack}`))
process.on('unhandledRejection', (error) => complain(`unhandled ${error && error.stack}`))

/** Takes an error of the package: it must be one that says no more than that the package is at fault. */
function take(error, where) {
  if (error === undefined || error === null) return
  if (armed.isOver) {
    complain(`afterwards ${where} gave ${error.stack}`)
    return
  }
  const isOurs = error instanceof SessionError && error.code === 'ERR_SESSION_INTERNAL' && !/secret/.test(`${error.stack} ${error.cause}`)
  // One request of the tour changes the session's id while others use it.
  if (error instanceof SessionError && error.code === 'ERR_SESSION_GONE') return
  // Another one goes away while it waits for its turn.
  if (error instanceof SessionError && error.code === 'ERR_SESSION_LOCK_TIMEOUT' && /connection closed/.test(error.message)) return
  // Those that take turns have little time, for leases that are not released have to run out.
  if (where.startsWith('in turns') && ['ERR_SESSION_TIMEOUT', 'ERR_SESSION_LOCK_LOST'].includes(error.code)) return
  // A connection that cannot be read for a panic is a broken one.
  if (armed.name === 'socket' && ['ERR_SESSION_READ', 'ERR_SESSION_WRITE', 'ERR_SESSION_TIMEOUT'].includes(error.code)) return
  // What a detached session lost is reported too.
  const isLoss = error instanceof SessionError && error.code === 'ERR_SESSION_WRITE' && /could not be read/.test(error.message)
  if (!isOurs && !isLoss) complain(`${where} gave ${error && error.code} ${error && error.stack} ${error && error.cause}`)
}

/** Does something that may throw the package's error, and nothing else. */
function attempt(where, work) {
  try {
    return work()
  } catch (error) {
    take(error, where)
    return undefined
  }
}

/** Waits for something that must not take for ever. */
function within(where, begin) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      complain(`${where} hangs`)
      resolve()
    }, PATIENCE)
    const done = (value) => {
      clearTimeout(timer)
      resolve(value)
    }
    try {
      begin(done)
    } catch (error) {
      take(error, where)
      done()
    }
  })
}

function config(more) {
  const own = { secret: SECRET, driver, files: folder, lottery: [1, 1], lifetime: 600000, ...more }
  return own.driver === driver ? { ...own, ...CONNECTION } : own
}

/** A NodeSession over the driver, which reports nothing but its own fault. */
function make(more, where = '') {
  const nodeSession = new NodeSession(config({ touchInterval: 0, ...more }))
  for (const event of ['error', 'gone', 'corrupt']) {
    nodeSession.on(event, (error) => armed && take(error, `${where}event ${event}`))
  }
  if (driver === 'custom') {
    const handler = new MapHandler()
    const manager = nodeSession.__manager
    manager.registerHandler('custom', (options, callback) => callback(manager.__buildSession(handler)))
  }
  return nodeSession
}

const sessions = make({ readTimeout: PATIENCE / 2, saveTimeout: PATIENCE / 2 })
const locking = make({ lockLease: 1000, saveTimeout: 1000, lockWait: PATIENCE / 2 }, 'in turns, ')
/** What is done in the requests that are on their way, by their paths. */
const works = []
const server = http.createServer((req, res) => {
  const { work, options, arrived } = works[Number(req.url.slice(1))]
  const where = options.lock ? 'in turns, startSession' : 'startSession'
  try {
    const nodeSession = options.lock ? locking : sessions
    nodeSession.startSession(req, res, options, (error) => {
      take(error, where)
      work(req, res)
    })
  } catch (error) {
    take(error, where)
    res.end('failed')
  }
  arrived?.(res)
})

/**
 * One request: `work(req, res)` runs in it and ends the response. Gives its cookie and its body. A request whose end tells
 * nothing is `isCut`; `arrived` is called when its session is being started, with the response.
 */
function visit(cookie, work, { isCut = false, options = {}, arrived } = {}) {
  return within('a request', (done) => {
    const target = `/${works.push({ work, options, arrived }) - 1}`
    const headers = cookie === undefined ? {} : { cookie }
    const where = { host: '127.0.0.1', port: server.address().port, path: target, agent: false, headers }
    const request = http.get(where, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text) => { body += text })
      response.on('error', (error) => complain(`a response: ${error.message}`))
      response.on('close', () => {
        const own = response.headers['set-cookie']?.find((text) => text.startsWith('node_session='))
        done({ body, cookie: own === undefined ? cookie : own.split(';')[0] })
      })
    })
    request.on('error', (error) => {
      if (!isCut) complain(`a request: ${error.message}`)
      done({})
    })
  })
}

/** Every method of a session. */
function useAll(session) {
  const steps = {
    put: () => session.put('user.name', 'Ann'),
    putMany: () => session.put({ a: 1, b: [1, 2] }),
    push: () => session.push('list', 1),
    get: () => session.get('user.name'),
    has: () => session.has('user'),
    pull: () => session.pull('a'),
    forget: () => session.forget('b', 'c'),
    flash: () => session.flash('note', 'x'),
    flashInput: () => session.flashInput({ a: 1 }),
    reflash: () => session.reflash(),
    keep: () => session.keep('note'),
    old: () => session.__removeFromOldFlashData(['note']),
    merge: () => session.__mergeNewFlashes(['note']),
    age: () => session.ageFlashData(),
    token: () => session.regenerateToken(),
    getToken: () => session.getToken(),
    all: () => session.all(),
    adopt: () => { session.__attributes = { adopted: true } },
    flush: () => session.flush(),
    again: () => session.put('user.name', 'Ann'),
    id: () => session.getId(),
    valid: () => session.__isValidId('x'),
    generate: () => session.__generateSessionId(),
    increment: () => session.increment('n'),
    decrement: () => session.decrement('n'),
  }
  for (const [name, step] of Object.entries(steps)) attempt(name, step)
}

/** The methods of a NodeSession that a request may call. */
function useMethods(req, res) {
  const { session } = req
  attempt('addCookie', () => sessions.__addCookieToResponse(req, res))
  attempt('setCookie', () => sessions.__setCookie(req, res, 'other', 'x', { signed: true }))
  attempt('getCookie', () => sessions.__getCookie(req, 'node_session'))
  attempt('unsign', () => sessions.__unsignCookie('x.y'))
  attempt('isSecure', () => sessions.__isSecure(req))
  attempt('stats', () => sessions.stats())
  attempt('sizes', () => sessions.__manager.__engine().native.sizes())
  attempt('setId', () => session.setId(session.getId()))
}

/** A handler of this package's, called by the application. */
async function useHandler() {
  const handler = attempt('getHandler', () => sessions.__manager.__engine(driver === 'custom' ? 'memory' : driver).handler)
  if (handler === undefined) return
  const id = 'A'.repeat(40)
  const text = (answer) => (answer instanceof Error ? take(answer, 'a handler') : undefined)
  await within('write', (done) => handler.write(id, '{}', (error) => done(take(error, 'write'))))
  await within('read', (done) => handler.read(id, (answer) => done(text(answer))))
  await within('destroy', (done) => handler.destroy(id, (error) => done(take(error, 'destroy'))))
  attempt('gc', () => handler.gc(600000))
}

/** Requests of one session that take turns, one of which goes away while it waits. */
async function useLocks(cookie) {
  const options = { lock: true }
  let release
  const isReleased = new Promise((resolve) => { release = resolve })
  const holding = visit(cookie, (req, res) => isReleased.then(() => {
    attempt('put', () => req.session.put('b', 1))
    res.end('held')
  }), { options })
  const goesAway = (res) => {
    res.on('close', release)
    setImmediate(() => res.destroy())
  }
  await Promise.all([holding, visit(cookie, (req, res) => res.end(), { isCut: true, options, arrived: goesAway })])
  await visit(cookie, (req, res) => res.end('locked'), { options })
}

/** A handler whose write is given up, and comes through after all. */
async function useLate() {
  const late = attempt('new NodeSession', () => new NodeSession(config({ driver: 'late', saveTimeout: 10 })))
  if (late === undefined) return
  late.on('error', (error) => error.code === 'ERR_SESSION_TIMEOUT' || take(error, 'event error'))
  const handler = new MapHandler()
  const manager = late.__manager
  manager.registerHandler('late', (options, callback) => callback(manager.__buildSession(handler)))
  await within('a late write', (done) => {
    let underWay = 1
    const one = () => {
      underWay -= 1
      if (underWay === 0) done()
    }
    handler.write = (id, text, callback) => {
      underWay += 1
      setTimeout(() => {
        callback()
        one()
      }, 40)
    }
    const response = new Response(one)
    late.startSession({ headers: {}, socket: {} }, response, (error) => {
      take(error, 'startSession')
      response.end('x')
    })
  })
}

/** Logs out in three ways: each session is its own. */
async function logOut() {
  const ways = {
    regenerate: (session, done) => session.regenerate(done),
    invalidate: (session, done) => session.invalidate(done),
    destroy: (session, done) => session.destroy(done),
  }
  for (const [name, way] of Object.entries(ways)) {
    const there = await visit(undefined, (req, res) => {
      attempt('put', () => req.session.put('user', 'Ann'))
      res.end('logged in')
    })
    await visit(there?.cookie, async (req, res) => {
      await within(name, (done) => way(req.session, (error) => done(take(error, name))))
      res.end('logged out')
    })
  }
}

async function useSessions() {
  await within('getSession', (done) => sessions.getSession({ headers: {} }, (session) => {
    session.put('x', 1)
    session.start((error) => {
      take(error, 'start')
      session.save((failed) => done(take(failed, 'save')))
    })
  }))
  const store = attempt('new Store', () => new NodeSession.Store('name', new MapHandler(), 'B'.repeat(40)))
  if (store !== undefined) {
    await within('load and save', (done) => store.start((error) => {
      take(error, 'start')
      store.save().then(done, (failed) => done(take(failed, 'save')))
    }))
  }
  const sealed = attempt('new EncryptedStore', () => new EncryptedStore('name', new MapHandler(), null, SECRET))
  if (sealed !== undefined) attempt('recode', () => sealed.__prepareForParse(sealed.__prepareForStorage('{}')))
}

/** Its own NodeSession, with what it is made of, in a request of its own encrypter. */
async function useMakers() {
  attempt('builtInAdapters', () => require('../../lib/native').builtInAdapters())
  attempt('impliedDriver', () => require('../../lib/native').impliedDriver({ connection: 'sqlite:s.db' }))
  attempt('watchSockets', () => require('../../lib/native').watchSockets())
  attempt('errorCodes', () => require('../../lib/native').errorCodes())
  attempt('compileTrust', () => compileTrust('loopback')('127.0.0.1', 0))
  attempt('compileTrust refuses', () => {
    try {
      compileTrust('nonsense')
    } catch (error) {
      if (error.code !== 'ERR_SESSION_CONFIG') throw error
    }
  })
  const encrypter = { encrypt: (text) => `<${text}>`, decrypt: (text) => text.slice(1, -1) }
  const other = attempt('new NodeSession', () => new NodeSession(config({ driver: 'memory', encrypt: true }), encrypter))
  if (other === undefined) return
  other.on('error', (error) => take(error, 'event error'))
  attempt('warnings', () => other.stats())
  await within('an encrypter', (done) => {
    const response = new Response(done)
    other.startSession({ headers: {}, socket: {} }, response, (error) => {
      take(error, 'startSession')
      response.end('x')
    })
  })
}

/** A NodeSession over a store of express-session. */
async function useStore() {
  const store = new MemoryStore()
  const over = attempt('new NodeSession', () => new NodeSession(config({ driver: undefined, store })))
  if (over === undefined) return
  over.on('error', (error) => take(error, 'event error'))
  await within('a store', (done) => {
    const response = new Response(done)
    over.startSession({ headers: {}, socket: {} }, response, (error) => {
      take(error, 'startSession')
      response.end('x')
    })
  })
}

/** A NodeSession that has not touched its storage yet, and so cannot answer its first request on the spot. */
async function useFresh(cookie) {
  const fresh = attempt('new NodeSession', () => make({ readTimeout: PATIENCE / 2, saveTimeout: PATIENCE / 2 }))
  if (fresh === undefined) return
  // So many that some have to wait for the others.
  await Promise.all(Array.from({ length: 20 }, () => within('a first request', (done) => {
    const response = new Response(done)
    fresh.startSession({ headers: { cookie }, socket: {} }, response, (error) => {
      take(error, 'startSession')
      response.end('x')
    })
  })))
}

/** Everything the package can do, more or less. */
async function tour() {
  const first = await visit(undefined, (req, res) => {
    useAll(req.session)
    useMethods(req, res)
    res.end('first')
  })
  await visit(first?.cookie, (req, res) => res.end('only a touch, but for the flash data'))
  await visit(first?.cookie, (req, res) => res.end('only a touch'))
  // Requests of one session at a time, one of which saves by hand, sends its head early and changes its id.
  await Promise.all([
    visit(first?.cookie, (req, res) => {
      const { session } = req
      res.on('finish', () => attempt('read after end', () => session.get('user.name')))
      attempt('put', () => session.put('b', 1))
      within('save', (done) => session.save((error) => done(take(error, 'save')))).then(() => {
        res.write('second')
        setImmediate(() => res.end())
      })
    }),
    visit(first?.cookie, (req, res) => {
      attempt('put', () => req.session.put('c', 1))
      attempt('regenerate', () => req.session.regenerate(true))
      res.end('third')
    }),
    visit(undefined, (req, res) => {
      attempt('put', () => req.session.put('d', 1))
      res.flushHeaders()
      res.end('fourth')
    }),
    visit(undefined, (req, res) => res.destroy(), { isCut: true }),
  ])
  await useLocks(first?.cookie)
  await useFresh(first?.cookie)
  await useHandler()
  const own = { driver: driver === 'custom' ? 'memory' : driver, files: folder, ...CONNECTION, lottery: [1, 1], secret: SECRET }
  await useRecords(own, { attempt, within, take })
  await logOut()
  if (driver === 'custom') await useLate()
  await useSessions()
  await useMakers()
  await useStore()
  await within('close', (done) => sessions.close().then(done))
  return first?.cookie
}

/** Whether a session is kept, whole, from one request to the next, for a new visitor and for one who was there before. */
async function check(earlier) {
  for (const given of [undefined, earlier]) {
    const written = await visit(given, (req, res) => {
      req.session.put('kept', 'well')
      req.session.put('count', (req.session.get('count') ?? 0) + 1)
      res.end(String(req.session.get('count')))
    })
    const read = await visit(written?.cookie, (req, res) => {
      res.end(`${req.session.get('kept')} ${req.session.get('count')}`)
    })
    if (read?.body !== `well ${written?.body}`) complain(`afterwards a session reads \`${read?.body}\``)
  }
}

async function collect() {
  global.gc()
  await new Promise((resolve) => { setTimeout(resolve, 5) })
}

async function provoke(name, times, isEntry) {
  armed = { name, times, left: isEntry ? times : 0, hits: 0 }
  if (!isEntry) panicAt(name, times)
  const cookie = await tour()
  if (name === 'forgetSession') await collect()
  if (!isEntry) armed.hits = times - panicsLeft()
  armed.left = 0
  panicAt('', 0)
  armed.isOver = true
  await check(cookie)
  return armed.hits
}

async function main() {
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  armed = { name: 'nothing', times: 0, left: 0, hits: 0 }
  await check(await tour())
  const points = pointsPassed().filter((name) => name !== 'entry')
  const hit = []
  for (const [names, isEntry] of [[entries, true], [points, false]]) {
    for (const name of names) {
      for (const times of [1, FOREVER]) {
        if (await provoke(name, times, isEntry) > 0) hit.push(name)
      }
    }
  }
  server.close()
  console.log(JSON.stringify({ entries, points, hit: [...new Set(hit)], faults }))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
