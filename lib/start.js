'use strict'

/**
 * Starting the session of a request: over a built-in driver, over JavaScript's, or over the application's own.
 */

const native = require('./native')
const { SessionError, toError } = require('./errors')
const { STAGE, load, loaded, loading, lose } = require('./session')
const { kHandler, kNumber, kStage, kVisits } = require('./symbols')
const { Visit, Visits } = require('./visits')
const Store = require('./store/Store')

// The application may have replaced it, as tests do.
const { nextTick } = process

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
  const operation = number > 0 ? 0 : engine.tray[0]
  if (number === 0) throw noRoom()
  const store = manager.__open(engine, Math.abs(number), live)
  begin(visit, store)
  if (number > 0 && isAtOnce && lock === undefined) {
    store[kStage] = STAGE.STARTED
    visit.started(undefined)
    return
  }
  const done = () => loaded(store, (report) => visit.started(report))
  if (operation === 0 && isAtOnce) {
    done()
    return
  }
  loading(store)
  if (operation === 0) nextTick(done)
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
      nextTick(() => loaded(store, done))
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
