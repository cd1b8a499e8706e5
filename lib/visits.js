'use strict'

/**
 * The sessions of one request: opened, sent as cookies with the head, saved at the end.
 */

const { debuglog } = require('node:util')
const native = require('./native')
const { attach } = require('./hold')
const { SessionError, toError } = require('./errors')
const { MOMENT, STAGE, giveUp, keepUntilCollected, load, loaded, loading, lose, saveNow, whenLoaded } = require('./session')
const { kEngine, kHandler, kHeadSent, kNumber, kStage, kVisits } = require('./symbols')
const Store = require('./store/Store')

/** `NODE_DEBUG=node-session` traces what happens to sessions. Of an id it shows the first six characters. */
const debug = debuglog('node-session')

function trace(what, session, report) {
  if (!debug.enabled) return
  const why = [report?.code, report?.reason?.message].filter(Boolean).join(': ')
  debug('%s %s… %s', what, String(session.getId()).slice(0, 6), why)
}

// What is made for every request is made by constructors, and kept in lists that are linked. Of arrays and objects written
// as literals V8 learns how long they live, here now and then wrongly; it then makes them old at birth, and with them all
// that they lead to lives until a full collection, which costs more than all the rest of a session.

/** One NodeSession's session in one request. */
class Visit {
  constructor(nodeSession, request, response, lock, callback) {
    this.nodeSession = nodeSession
    this.request = request
    this.response = response
    this.store = undefined
    /** How the session is locked: `{lease, wait}`, or `undefined`; until it is begun, as `lockOf` gives it. */
    this.lock = lock
    /** The next visit of the same response. */
    this.next = undefined
    this.isStarted = false
    this.error = undefined
    /** Who waits for the session to be started: the first, and the others. */
    this.callback = callback
    this.others = undefined
  }

  /** The session that counts when the response goes out: what the application put in its place, if that is one. */
  current() {
    const { session } = this.request
    if (session === this.store || !(session instanceof Store)) return this.store
    return this.response[kVisits].hasStore(session) ? this.store : session
  }

  /** Calls back when the session is started, with the error if it could not be. */
  whenStarted(callback) {
    if (this.isStarted) this.call(callback)
    else if (this.others === undefined) this.others = [callback]
    else this.others.push(callback)
  }

  call(callback) {
    if (this.error === undefined) callback()
    else callback(this.error)
  }

  /** Takes what opening reported. */
  started(report) {
    if (this.isStarted) return
    if (this.store !== undefined) trace('started', this.store, report)
    if (report !== undefined) {
      const error = report instanceof Error ? report : toError(report)
      if (report.kind === 'corrupt') this.nodeSession.__report('corrupt', error, this.request, this.response)
      else this.error = error
    }
    const { callback, others } = this
    this.isStarted = true
    this.callback = undefined
    this.others = undefined
    try {
      this.call(callback)
    } finally {
      // What one callback throws does not keep the others from being called, and reaches the caller.
      if (others !== undefined) this.callAll(others, 0)
    }
  }

  callAll(callbacks, from) {
    if (from === callbacks.length) return
    try {
      this.call(callbacks[from])
    } finally {
      this.callAll(callbacks, from + 1)
    }
  }

  /** The cookie for the head that leaves. An id that leaves before the end of the response is stored at once. */
  cookie(isEnding) {
    const session = this.current()
    if (session === undefined) return undefined
    const isAnnounced = !isEnding && session.save === Store.prototype.save
    if (isAnnounced && !native.isSessionStored(session[kNumber])) {
      saveNow(session, MOMENT.ANNOUNCED, (report) => report !== undefined && this.report(report))
    }
    session[kHeadSent] = true
    const engine = this.nodeSession.__manager.__engine()
    if (engine.secure && !this.nodeSession.__isSecure(this.request)) return undefined
    return native.sessionCookie(engine.number, session[kNumber])
  }

  /** Saves the session; calls back with whether the response is to be refused. */
  save(done) {
    const session = this.current()
    if (session === undefined) {
      done(false)
      return
    }
    if (!(this.request.session instanceof Store)) {
      process.emitWarning('req.session was replaced by something that is no session; it is not saved', 'SessionWarning')
    }
    const saved = (report) => {
      trace('saved', session, report)
      done(report !== undefined && this.report(report))
    }
    if (session.save === Store.prototype.save) {
      saveNow(session, MOMENT.ENDED, saved)
    } else {
      keepUntilCollected(session)
      whenLoaded(session, () => saveByApplication(session, saved))
    }
  }

  /** The same; what the application's code throws meanwhile (a trust function, a getter) is reported. */
  cookieOrReport(isEnding) {
    try {
      return this.cookie(isEnding)
    } catch (error) {
      this.nodeSession.__report('error', error, this.request, this.response)
      return undefined
    }
  }

  /** Saves the session, and calls back whatever the application's code does meanwhile. */
  saveOrReport(done) {
    let isDone = false
    const once = (refuse) => {
      if (isDone) return
      isDone = true
      if (this.lock === undefined || this.store === undefined) done(refuse)
      else this.unlock(() => done(refuse))
    }
    try {
      this.save(once)
    } catch (error) {
      if (isDone) throw error
      this.nodeSession.__report('error', error, this.request, this.response)
      once(false)
    }
  }

  /** Lets the next request have the session, whatever became of the save. */
  unlock(done) {
    const { store } = this
    store[kEngine].begin(() => native.unlockSession(store[kNumber]), (report) => {
      if (report !== undefined) this.nodeSession.__report('error', toError(report), this.request, this.response)
      done()
    })
  }

  /** Gives up waiting for the lock, as nobody is there any more who could be answered. */
  abandon() {
    const { store } = this
    if (store === undefined) return
    if (this.lock !== undefined && !this.isStarted) giveUp(native.giveUpLock, store[kNumber])
    if (store[kStage] !== STAGE.ENDED) keepUntilCollected(store)
  }

  /** Tells the application what went wrong with a save. Gives whether the response is to be refused. */
  report(report) {
    const error = report instanceof Error ? report : toError(report)
    const event = eventOf(report, error)
    this.nodeSession.__report(event, error, this.request, this.response)
    return event === 'error' && this.nodeSession.__manager.__engine().strictSave
  }
}

/** What the application is told of a save that did not store everything. */
function eventOf(report, error) {
  if (report.kind === 'conflict') return 'conflict'
  return error.code === 'ERR_SESSION_GONE' ? 'gone' : 'error'
}

/** Calls the application's own `save`, whatever it throws. */
function saveByApplication(session, done) {
  let isDone = false
  const once = (error) => {
    if (isDone) return
    isDone = true
    done(error || undefined)
  }
  try {
    const saving = session.save(once)
    if (typeof saving?.then === 'function') saving.then(() => once(), once)
  } catch (error) {
    once(error)
  }
}

/** The sessions of a response, by their NodeSessions: what `attach` asks for at the response's two moments. */
class Visits {
  constructor(response) {
    this.response = response
    this.first = undefined
    /** The visits before these on the same connection, while they have not ended. */
    this.earlier = undefined
    this.isEnded = false
    this.left = 0
    this.isRefused = false
    response[kVisits] = this
    attach(response, this)
    watch(response, this)
  }

  add(visit) {
    visit.next = this.first
    this.first = visit
  }

  find(nodeSession, request) {
    let visit = this.first
    while (visit !== undefined && (visit.nodeSession !== nodeSession || visit.request !== request)) visit = visit.next
    return visit
  }

  hasStore(store) {
    let visit = this.first
    while (visit !== undefined && visit.store !== store) visit = visit.next
    return visit !== undefined
  }

  /** The cookies for the head that leaves; `undefined` for none. */
  cookies(isEnding) {
    let cookies
    for (let visit = this.first; visit !== undefined; visit = visit.next) {
      const cookie = visit.cookieOrReport(isEnding)
      if (cookie === undefined) continue
      if (cookies === undefined) cookies = Array.of(cookie)
      else cookies.unshift(cookie)
    }
    return cookies
  }

  /** Saves all sessions; calls back with whether the response is to be refused. */
  save(done) {
    this.isRefused = false
    for (let visit = this.first; visit !== undefined; visit = visit.next) this.left += 1
    const saved = (isRefused) => {
      this.isRefused ||= isRefused
      this.left -= 1
      if (this.left > 0) return
      this.isEnded = true
      done(this.isRefused)
    }
    let { first: visit } = this
    while (visit !== undefined) {
      const current = visit
      visit = visit.next
      if (current.isStarted) current.saveOrReport(saved)
      else current.whenStarted(() => current.saveOrReport(saved))
    }
  }

  /** Tells why a held response could not be ended as the application wanted it. */
  failed(error) {
    const { nodeSession, request } = this.first
    nodeSession.__report('error', error, request, this.response)
  }

  /** The connection has closed. A response that never ends gives its sessions up when nobody holds them. */
  abandon() {
    for (let visit = this.first; visit !== undefined; visit = visit.next) visit.abandon()
    this.earlier?.abandon()
  }
}

/** Sees to it that visits are abandoned when their connection closes. A connection has one listener for all its requests. */
function watch(response, visits) {
  const { socket } = response
  if (!socket || response.stream !== undefined || typeof socket.on !== 'function') {
    if (typeof response.on === 'function') response.on('close', () => visits.abandon())
    return
  }
  const latest = socket[kVisits]
  if (latest === undefined) socket.on('close', () => socket[kVisits].abandon())
  else if (!latest.isEnded) visits.earlier = latest
  socket[kVisits] = visits
}

/** The id that a cookie parser verified, or `undefined`. Compat: it comes before the header. */
function verifiedId(request, name) {
  const { signedCookies } = request
  const id = signedCookies ? signedCookies[name] : undefined
  return typeof id === 'string' ? id : undefined
}

function cookieHeader(request) {
  const header = request.headers.cookie
  return typeof header === 'string' ? header : undefined
}

/**
 * How one call wants its session locked: `{lease, wait}` in milliseconds, `null` for not at all, `undefined` for as the
 * options of the NodeSession say.
 *
 * @private
 * @param {object} [options] what the call was given
 * @throws {SessionError} `ERR_SESSION_CONFIG`
 */
function lockOf(nodeSession, options) {
  if (options === undefined || options === null) return undefined
  if (typeof options !== 'object') {
    throw new SessionError('ERR_SESSION_CONFIG', 'the options of startSession must be an object')
  }
  const lock = native.lockTimes(nodeSession.__manager.__engine().number, options)
  if (lock?.code !== undefined) throw toError(lock)
  return lock ?? null
}

/** The callback of a call that comes later in a request: it cannot have a lock any more that the first did not want. */
function callbackOfLater(earlier, lock, callback) {
  if (lock === undefined || lock === null || earlier.lock !== undefined) return callback
  const message = 'the session of this request was started without a lock, which cannot be had later'
  return (error) => callback(error ?? new SessionError('ERR_SESSION_CONFIG', message))
}

/**
 * Starts the session of a request; once, however often it is called.
 *
 * @private
 */
function start(nodeSession, request, response, lock, callback) {
  const visits = response[kVisits] ?? new Visits(response)
  const earlier = visits.find(nodeSession, request)
  if (earlier !== undefined) {
    earlier.whenStarted(callbackOfLater(earlier, lock, callback))
    return
  }
  const visit = new Visit(nodeSession, request, response, lock, callback)
  visits.add(visit)
  const manager = nodeSession.__manager
  if (manager.__isCustom(manager.getDefaultDriver())) startCustom(visit, manager)
  else startBuiltInOrReport(visit, manager)
}

/** The same as `startBuiltIn`; what keeps it from starting goes to the callback, with a session that is never saved. */
function startBuiltInOrReport(visit, manager) {
  try {
    startBuiltIn(visit, manager)
  } catch (error) {
    // What is thrown after the session was handed over is the application's own.
    if (visit.isStarted) throw error
    startWithout(visit, manager, error)
  }
}

/** Tells why there is no session, and puts one in its place that is empty and never saved. */
function startWithout(visit, manager, error) {
  if (visit.store === undefined) begin(visit, manager.__open(manager.__engine(), 0))
  else lose(visit.store)
  visit.started(error)
}

function startBuiltIn(visit, manager) {
  const { request } = visit
  const engine = manager.__engine()
  settleLock(visit, engine)
  const live = {}
  const header = cookieHeader(request)
  const verified = verifiedId(request, manager.__config.cookie)
  if (engine.storage !== undefined || (manager.__encrypter && manager.__config.encrypt)) {
    startInJavaScript(visit, manager, native.visitSession(engine.number, header, verified))
    return
  }
  const { lock } = visit
  // Compat: the memory driver calls back at once, the others never do.
  const isAtOnce = engine.driver === 'memory'
  const number =
    lock === undefined
      ? native.openSession(engine.number, header, verified, isAtOnce ? live : undefined)
      : native.openLockedSession(engine.number, header, verified, lock.lease, lock.wait)
  if (number === 0) throw noRoom()
  const store = manager.__open(engine, Math.abs(number), live)
  begin(visit, store)
  if (number > 0 && isAtOnce && lock === undefined) {
    store[kStage] = STAGE.STARTED
    visit.started(undefined)
    return
  }
  const operation = number > 0 ? 0 : native.opening(-number)
  const done = () => loaded(store, (report) => visit.started(report))
  if (operation === 0 && isAtOnce) {
    done()
    return
  }
  loading(store)
  if (operation === 0) process.nextTick(done)
  else engine.wait(operation, done)
}

function noRoom() {
  return new SessionError('ERR_SESSION_INTERNAL', 'there is no room for another session')
}

/** Starts a session whose storage or encrypter is written in JavaScript; its number is negative when it has no record yet. */
function startInJavaScript(visit, manager, number) {
  if (number === 0) throw noRoom()
  const engine = manager.__engine()
  const store = manager.__open(engine, Math.abs(number))
  store[kHandler] = engine.storage?.handler
  begin(visit, store)
  const done = (report) => visit.started(report)
  if (number < 0 && engine.storage?.readsFirst !== true) {
    // Compat: as with the driver that it is over, the memory driver calls back at once.
    if (engine.storage === undefined && engine.driver === 'memory') {
      loaded(store, done)
    } else {
      loading(store)
      process.nextTick(() => loaded(store, done))
    }
    return
  }
  lockWhenLoaded(visit, store)
  load(store, done)
}

function startCustom(visit, manager) {
  let isCalledBack = false
  let timer = null
  const use = (store) => {
    if (isCalledBack) return
    isCalledBack = true
    clearTimeout(timer)
    if (!(store instanceof Store)) {
      const message = `the driver \`${manager.getDefaultDriver()}\` must call back with a session, as __buildSession makes one`
      visit.started(new SessionError('ERR_SESSION_CONFIG', message))
      return
    }
    try {
      identify(store, visit.request, manager)
      settleLock(visit, manager.__engine())
      begin(visit, store)
      lockWhenLoaded(visit, store)
    } catch (error) {
      startWithout(visit, manager, error)
      return
    }
    // The report tells of a record that is no session too, which is an event and no error.
    if (store.start === Store.prototype.start) load(store, (report) => visit.started(report))
    else store.start((error) => visit.started(error))
  }
  try {
    manager.driver(null, use)
  } catch (error) {
    // What is thrown after the session was handed over is the application's own.
    if (isCalledBack) throw error
    isCalledBack = true
    startWithout(visit, manager, error)
  }
  if (isCalledBack) return
  const { readTimeout } = manager.__engine()
  timer = setTimeout(() => {
    isCalledBack = true
    const message = `cannot make a session: the driver \`${manager.getDefaultDriver()}\` did not call back within ${readTimeout} ms`
    visit.started(new SessionError('ERR_SESSION_TIMEOUT', message))
  }, readTimeout)
}

/** Gives a session the id that a request's cookie names. */
function identify(store, request, manager) {
  const verified = verifiedId(request, store.getName())
  native.identifySession(store[kNumber], manager.__engine().number, cookieHeader(request), verified)
}

/** What the call left to the options of the NodeSession is as they say. */
function settleLock(visit, engine) {
  if (visit.lock === undefined) visit.lock = engine.lock
  else if (visit.lock === null) visit.lock = undefined
}

/** Has a session that is about to be loaded locked before. */
function lockWhenLoaded({ lock }, store) {
  if (lock !== undefined) native.lockSession(store[kNumber], lock.lease, lock.wait)
}

function begin(visit, store) {
  visit.store = store
  visit.request.session = store
}

module.exports = { start, lockOf, identify }
