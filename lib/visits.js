'use strict'

/**
 * The sessions of one request: opened, sent as cookies with the head, saved at the end.
 */

const { debuglog } = require('node:util')
const native = require('./native')
const { attach } = require('./hold')
const { SessionError, toError } = require('./errors')
const { STAGE, keepUntilCollected, load, loaded, loading, saveNow, whenLoaded } = require('./session')
const { kHeadSent, kNumber, kStage, kVisits } = require('./symbols')
const Store = require('./store/Store')

/** `NODE_DEBUG=node-session` traces what happens to sessions. Of an id it shows the first six characters. */
const debug = debuglog('node-session')

function trace(what, session, report) {
  if (debug.enabled) debug('%s %s… %s', what, session.getId().slice(0, 6), report === undefined ? '' : report.code)
}

/** One NodeSession's session in one request. */
class Visit {
  constructor(nodeSession, request, response) {
    this.nodeSession = nodeSession
    this.request = request
    this.response = response
    this.store = undefined
    /** Who waits for the session to be started; `undefined` once it is. */
    this.waiting = []
    this.error = undefined
  }

  /** The session that counts when the response goes out: what the application put in its place, if that is one. */
  current() {
    const { session } = this.request
    const isAnothers = this.response[kVisits].list.some((visit) => visit !== this && visit.store === session)
    return session instanceof Store && !isAnothers ? session : this.store
  }

  /** Calls back when the session is started, with the error if it could not be. */
  whenStarted(callback) {
    if (this.waiting !== undefined) this.waiting.push(callback)
    else if (this.error === undefined) callback()
    else callback(this.error)
  }

  /** Takes what opening reported. */
  started(report) {
    if (this.waiting === undefined) return
    if (this.store !== undefined) trace('started', this.store, report)
    if (report !== undefined) {
      const error = report instanceof Error ? report : toError(report)
      if (report.kind === 'corrupt') this.nodeSession.__report('corrupt', error, this.request, this.response)
      else this.error = error
    }
    const { waiting } = this
    this.waiting = undefined
    callAll(waiting, (callback) => this.whenStarted(callback))
  }

  /** The cookie for the head that leaves. An id that leaves before the end of the response is stored at once. */
  cookie(isEnding) {
    const session = this.current()
    if (session === undefined) return undefined
    const isAnnounced = !isEnding && session.save === Store.prototype.save
    if (isAnnounced && !native.isSessionStored(session[kNumber])) {
      saveNow(session, false, (report) => report !== undefined && this.report(report))
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
      saveNow(session, true, saved)
    } else {
      keepUntilCollected(session)
      whenLoaded(session, () => saveByApplication(session, saved))
    }
  }

  /** Runs what may meet the application's code (a trust function, a getter); what that throws is reported. */
  attempt(run) {
    try {
      return run()
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
      done(refuse)
    }
    try {
      this.save(once)
    } catch (error) {
      if (isDone) throw error
      this.nodeSession.__report('error', error, this.request, this.response)
      once(false)
    }
  }

  /** Tells the application what went wrong with a save. Gives whether the response is to be refused. */
  report(report) {
    const error = report instanceof Error ? report : toError(report)
    const event = error.code === 'ERR_SESSION_GONE' ? 'gone' : 'error'
    this.nodeSession.__report(event, error, this.request, this.response)
    return event === 'error' && this.nodeSession.__manager.__engine().strictSave
  }
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

/** Calls each; one that throws does not keep the next from being called, and what it throws reaches the caller. */
function callAll(list, call) {
  for (const [at, one] of list.entries()) {
    try {
      call(one)
    } catch (error) {
      callAll(list.slice(at + 1), call)
      throw error
    }
  }
}

/** The sessions of a response, by their NodeSessions. */
class Visits {
  constructor(response) {
    this.list = []
    /** The visits before these on the same connection, while they have not ended. */
    this.earlier = undefined
    this.isEnded = false
    attach(response, {
      cookies: (isEnding) => this.cookies(isEnding),
      save: (done) => this.save(done),
      failed: (error) => this.list[0].nodeSession.__report('error', error, this.list[0].request, response),
    })
    // Assigned and not defined, and no listener on each response: with either, V8 keeps every request's objects alive until
    // a full collection, which costs more than all the rest of a session.
    response[kVisits] = this
    watch(response, this)
  }

  cookies(isEnding) {
    const cookies = this.list.map((visit) => visit.attempt(() => visit.cookie(isEnding)))
    return cookies.filter((cookie) => cookie !== undefined)
  }

  find(nodeSession, request) {
    return this.list.find((visit) => visit.nodeSession === nodeSession && visit.request === request)
  }

  save(done) {
    let left = this.list.length
    let isRefused = false
    for (const visit of this.list) {
      const saved = (refuse) => {
        isRefused ||= refuse
        left -= 1
        if (left > 0) return
        this.isEnded = true
        done(isRefused)
      }
      visit.whenStarted(() => visit.saveOrReport(saved))
    }
  }

  /** The connection has closed. A response that never ends gives its sessions up when nobody holds them. */
  abandon() {
    for (const { store } of this.list) {
      if (store !== undefined && store[kStage] !== STAGE.ENDED) keepUntilCollected(store)
    }
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
 * Starts the session of a request; once, however often it is called.
 *
 * @private
 */
function start(nodeSession, request, response, callback) {
  const visits = response[kVisits] ?? new Visits(response)
  const earlier = visits.find(nodeSession, request)
  if (earlier !== undefined) {
    earlier.whenStarted(callback)
    return
  }
  const visit = new Visit(nodeSession, request, response)
  visits.list.push(visit)
  visit.whenStarted(callback)
  const manager = nodeSession.__manager
  if (manager.__isCustom(manager.getDefaultDriver())) startCustom(visit, manager)
  else startBuiltIn(visit, manager)
}

function startBuiltIn(visit, manager) {
  const { request } = visit
  const engine = manager.__engine()
  const live = {}
  const header = cookieHeader(request)
  const verified = verifiedId(request, manager.__config.cookie)
  if (manager.__encrypter) {
    const store = manager.__open(engine, native.visitSession(engine.number, header, verified), live)
    begin(visit, store)
    load(store, (report) => visit.started(report))
    return
  }
  const number = native.openSession(engine.number, header, verified)
  if (number === 0) {
    visit.started(new SessionError('ERR_SESSION_INTERNAL', 'there is no room for another session'))
    return
  }
  const store = manager.__open(engine, Math.abs(number), live)
  begin(visit, store)
  const done = () => loaded(store, (report) => visit.started(report))
  // Compat: the memory driver calls back at once, the others never do.
  if (number > 0 && engine.driver === 'memory') {
    done()
    return
  }
  loading(store)
  if (number > 0) process.nextTick(done)
  else engine.wait(native.opening(-number), done)
}

function startCustom(visit, manager) {
  let isCalledBack = false
  const use = (store) => {
    if (isCalledBack) return
    isCalledBack = true
    if (!(store instanceof Store)) {
      const message = `the driver \`${manager.getDefaultDriver()}\` must call back with a session, as __buildSession makes one`
      visit.started(new SessionError('ERR_SESSION_CONFIG', message))
      return
    }
    identify(store, visit.request, manager)
    begin(visit, store)
    store.start((error) => visit.started(error))
  }
  try {
    manager.driver(null, use)
  } catch (error) {
    // What is thrown after the session was handed over is the application's own.
    if (isCalledBack) throw error
    isCalledBack = true
    visit.started(error)
  }
}

/** Gives a session the id that a request's cookie names. */
function identify(store, request, manager) {
  const verified = verifiedId(request, store.getName())
  native.identifySession(store[kNumber], manager.__engine().number, cookieHeader(request), verified)
}

function begin(visit, store) {
  visit.store = store
  visit.request.session = store
}

module.exports = { start, identify }
