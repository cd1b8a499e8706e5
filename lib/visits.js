'use strict'

/**
 * The sessions of one response: sent as cookies with the head, saved at the end.
 */

const { AsyncResource } = require('node:async_hooks')
const { debuglog } = require('node:util')
const native = require('./native')
const { Hold } = require('./hold')
const { toError } = require('./errors')
const {
  MOMENT, STAGE, beginSave, giveUp, isSaved, keepUntilCollected, linger, retire, saveNow, whenLoaded, whenSaved,
} = require('./session')
const { kEngine, kHeadSent, kNumber, kStage, kVisits, kWaiting } = require('./symbols')
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
    /** The reply of a save that has been begun. */
    this.saving = undefined
    /** The cookie that the save at the end of the response gave. */
    this.lastCookie = undefined
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

  /** Calls back when the session is started, with the error if it could not be, in the asynchronous context of who asks for that. */
  whenStarted(callback) {
    if (this.isStarted) {
      this.call(callback)
      return
    }
    const inContext = AsyncResource.bind(callback)
    if (this.others === undefined) this.others = [inContext]
    else this.others.push(inContext)
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
    if (this.lastCookie !== undefined && session === this.store) return this.lastCookie
    const engine = this.nodeSession.__manager.__engine()
    if (engine.secure && !this.nodeSession.__isSecure(this.request)) return undefined
    // Its response ends with the cookie, as a rule: then the session is retired in the same call.
    const isLast = isEnding && session[kStage] === STAGE.ENDED
    if (isLast) session[kStage] = STAGE.RETIRED
    return native.sessionCookie(engine.number, session[kNumber], isLast)
  }

  /** Saves the session where nobody has to be waited for, nor told of anything; gives whether it has. */
  isSavedAtOnce(isHeadDone) {
    const { store } = this
    if (!this.isStarted || this.lock !== undefined || this.request.session !== store) return false
    if (store.save !== Store.prototype.save || store[kWaiting] !== undefined || store[kNumber] === 0) return false
    const engine = this.nodeSession.__manager.__engine()
    const hasCookie = !isHeadDone && !engine.secure
    const reply = beginSave(store, MOMENT.LAST, hasCookie ? engine.number : undefined)
    const isOver = isSaved(reply)
    this.lastCookie = isOver ? reply : undefined
    this.saving = isOver ? undefined : reply
    if (isOver) trace('saved', store)
    return isOver
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
    if (this.saving !== undefined) {
      const { saving } = this
      this.saving = undefined
      whenSaved(session, saving, saved)
    } else if (session.save === Store.prototype.save) {
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
    if (store[kStage] < STAGE.ENDED) keepUntilCollected(store)
    else retire(store)
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

/** The sessions of a response, by their NodeSessions. */
class Visits extends Hold {
  constructor(response) {
    super(response)
    this.first = undefined
    /** The visits before these on the same connection, while they have not ended. */
    this.earlier = undefined
    this.isEnded = false
    this.left = 0
    this.isRefused = false
    response[kVisits] = this
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

  /** Saves the only session there is, if nobody has to be waited for. */
  isSavedAtOnce() {
    const { first } = this
    if (first === undefined || first.next !== undefined) return false
    try {
      this.isEnded = first.isSavedAtOnce(this.isHeadDone)
    } catch {
      // What the application's code threw is told by `save`, which finds it again.
    }
    return this.isEnded
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

  /** The response has been ended. While not all of it has left, its `finish` is still to come, whose listeners may want the sessions. */
  departs() {
    const { response } = this
    const lingers = response.writableLength > 0 && typeof response.once === 'function'
    this.each(lingers ? linger : retire)
    if (lingers) response.once('close', () => this.each(retire))
  }

  each(change) {
    for (let visit = this.first; visit !== undefined; visit = visit.next) {
      if (visit.store !== undefined) change(visit.store)
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

module.exports = { Visit, Visits }
