'use strict'

/**
 * The class behind `req.session`. Every method converts its arguments and calls a rule of the engine.
 *
 * Compat: `lib/store/Store.js` of node-session 1.2.1, method for method.
 */

const util = require('node:util')
const native = require('../native')
const { SessionError, toError } = require('../errors')
const { commonEngine } = require('../engine')
const { MOMENT, STAGE, Opened, init, keepUntilCollected, load, lossOf, number, saveNow, whenLoaded } = require('../session')
const { kCodec, kEngine, kHandler, kHeadSent, kLive, kName, kNumber, kStage } = require('../symbols')

/** Why a session keeps its id. */
const KEPT = 'the session keeps its id, because its response has been sent'

/** A key as the engine takes it. */
function text(key) {
  return typeof key === 'string' ? key : String(key)
}

/**
 * A session over a handler.
 *
 * @public
 * @param {string} name the cookie's name
 * @param {object} handler where the session is stored
 * @param {string} [id] kept if it is a valid id; otherwise the session gets a new one
 */
function Store(name, handler, id) {
  const engine = commonEngine()
  init(this, engine, native.newSession(engine.number, idText(id)), name, handler)
  keepUntilCollected(this)
}

Opened.prototype = Store.prototype

function idText(id) {
  return typeof id === 'string' ? id : undefined
}

Store.prototype.setId = function setId(id) {
  native.sessionSetId(this[kNumber], idText(id))
}

Store.prototype.__isValidId = function __isValidId(id) {
  return typeof id === 'string' && native.isSessionId(id)
}

Store.prototype.__generateSessionId = function __generateSessionId() {
  return native.generateId()
}

Store.prototype.getName = function getName() {
  return this[kName]
}

/**
 * Loads the session.
 *
 * @public
 * @param {(error?: Error) => void} [callback] without one, a promise is returned
 */
Store.prototype.start = function start(callback) {
  if (typeof callback !== 'function') return promised((done) => start.call(this, done))
  this.__loadSession(callback)
}

Store.prototype.has = function has(name) {
  return native.sessionHas(number(this), this[kLive], text(name))
}

Store.prototype.__loadSession = function __loadSession(callback) {
  load(this, (report) => {
    if (report === undefined || report.kind === 'corrupt') callback()
    else callback(toError(report))
  })
}

Store.prototype.__readFromHandler = function __readFromHandler(callback) {
  this.getHandler().read(this.getId(), (data) => {
    let attributes
    try {
      attributes = data ? JSON.parse(this.__prepareForParse(data)) : undefined
    } catch {
      attributes = undefined
    }
    callback(attributes || {})
  })
}

Store.prototype.__prepareForParse = function __prepareForParse(data) {
  return data
}

Store.prototype.getId = function getId() {
  return native.sessionId(number(this))
}

Store.prototype.pull = function pull(key, defaultValue = null) {
  const value = native.sessionPull(number(this), this[kLive], text(key))
  return value === undefined ? defaultValue : value
}

Store.prototype.get = function get(name, defaultValue) {
  const value = native.sessionGet(number(this), this[kLive], text(name))
  return value === undefined ? defaultValue : value
}

Store.prototype.all = function all() {
  const attributes = native.sessionAll(number(this), this[kLive])
  if (attributes !== undefined) this[kLive] = attributes
  return this[kLive]
}

Store.prototype.set = function set(name, value) {
  native.sessionSet(this[kNumber], this[kLive], text(name), value)
}

Store.prototype.regenerateToken = function regenerateToken() {
  native.sessionNewToken(this[kNumber], this[kLive])
}

Store.prototype.put = function put(key, value) {
  if (key === null || (typeof key !== 'object' && typeof key !== 'function')) {
    this.set(key, value)
    return
  }
  for (const name of Object.keys(key)) this.set(name, key[name])
}

Store.prototype.push = function push(key, value) {
  native.sessionPush(this[kNumber], this[kLive], text(key), value)
}

/**
 * Adds to the number at a path, where nothing and `null` count as 0. Requests that overlap all count.
 *
 * @public
 * @param {string} key
 * @param {number} [by=1]
 * @returns {number} the sum
 * @throws {TypeError} where there is something else, or the sum is no finite number
 */
Store.prototype.increment = function increment(key, by = 1) {
  if (typeof by !== 'number') throw new TypeError('a session value can only be incremented by a number')
  const sum = native.sessionIncrement(this[kNumber], this[kLive], text(key), by)
  if (typeof sum === 'string') throw new TypeError(sum)
  return sum
}

/**
 * Subtracts from the number at a path.
 *
 * @public
 * @see Store#increment
 */
Store.prototype.decrement = function decrement(key, by = 1) {
  return this.increment(key, typeof by === 'number' ? -by : by)
}

/**
 * Saves what has changed since the last save.
 *
 * @public
 * @param {(error?: Error) => void} [callback] without one, a promise is returned
 */
Store.prototype.save = function save(callback) {
  if (typeof callback !== 'function') return promised((done) => save.call(this, done))
  saveNow(this, MOMENT.BY_HAND, (report) => {
    if (report === undefined || report.kind === 'conflict') callback()
    else callback(toError(report))
  })
}

Store.prototype.__prepareForStorage = function __prepareForStorage(data) {
  return data
}

Store.prototype.ageFlashData = function ageFlashData() {
  native.sessionAge(this[kNumber], this[kLive])
}

/**
 * Removes values, each by its key or path.
 *
 * @public
 * @param {...(string | string[])} keys
 */
Store.prototype.forget = function forget(...keys) {
  for (const key of keys.flat()) native.sessionForget(this[kNumber], this[kLive], text(key))
}

Store.prototype.flush = function flush() {
  native.sessionFlush(this[kNumber])
  this[kLive] = {}
}

Store.prototype.regenerate = function regenerate(destroy, callback) {
  return this.migrate(destroy, callback)
}

Store.prototype.setExists = function setExists(value) {
  const handler = this.getHandler()
  if (handler && typeof handler.setExists === 'function') handler.setExists(value)
}

Store.prototype.getHandler = function getHandler() {
  return this[kHandler] ?? this[kEngine].handler
}

Store.prototype.flash = function flash(key, value) {
  this.put(key, value)
  native.sessionFlash(this[kNumber], this[kLive], text(key))
}

Store.prototype.flashInput = function flashInput(value) {
  this.flash('_old_input', [].concat(value))
}

Store.prototype.__removeFromOldFlashData = function __removeFromOldFlashData(keys) {
  native.sessionKeepOld(this[kNumber], this[kLive], keys.map(text))
}

Store.prototype.reflash = function reflash() {
  native.sessionReflash(this[kNumber], this[kLive])
}

Store.prototype.__mergeNewFlashes = function __mergeNewFlashes(keys) {
  const old = this.get('flash.old', [])
  native.sessionKeep(this[kNumber], this[kLive], keys.map(text))
  this.put('flash.old', old)
}

Store.prototype.keep = function keep(...keys) {
  native.sessionKeep(this[kNumber], this[kLive], keys.flat().map(text))
}

Store.prototype.getToken = function getToken() {
  return this.get('_token')
}

/**
 * Gives the session a new id; the attributes and the CSRF token stay.
 *
 * @public
 * @param {boolean | ((error?: Error) => void)} [destroy] whether the record under the old id goes; at a log-in it must. A
 *   callback in its place means that it does
 * @param {(error?: Error) => void} [callback] with one, the session is saved at once; without one, when the response ends
 * @returns {boolean | undefined} without a callback: `false` when the response's head has left with the old id, which then
 *   stays
 */
Store.prototype.migrate = function migrate(destroy, callback) {
  if (typeof destroy === 'function') return this.migrate(true, destroy)
  if (typeof callback !== 'function') {
    const isRenamed = rename(this, destroy)
    if (!isRenamed) process.emitWarning(KEPT, 'SessionWarning')
    return isRenamed
  }
  let isRenamed
  try {
    isRenamed = rename(this, destroy)
  } catch (error) {
    callback(error)
    return undefined
  }
  if (isRenamed) this.save(callback)
  else callback(lossOf(this) ?? new SessionError('ERR_SESSION_WRITE', KEPT))
  return undefined
}

function rename(store, destroy) {
  const isRenamed = !store[kHeadSent] && native.sessionRename(store[kNumber], Boolean(destroy))
  if (isRenamed) store.setExists(false)
  return isRenamed
}

/**
 * Logs the visitor out: all attributes go, the session goes on under a new id with a new CSRF token, the old record is
 * removed, and requests that are still using it store nothing more. Saved at once.
 *
 * @public
 * @param {(error?: Error) => void} [callback] without one, a promise is returned
 */
Store.prototype.invalidate = function invalidate(callback) {
  if (typeof callback !== 'function') return promised((done) => invalidate.call(this, done))
  whenLoaded(this, () => {
    try {
      const live = {}
      if (native.sessionInvalidate(this[kNumber], live, this[kHeadSent])) this[kLive] = live
      if (this[kHeadSent]) process.emitWarning(KEPT, 'SessionWarning')
      else this.setExists(false)
    } catch (error) {
      callback(error)
      return
    }
    this.save(callback)
  })
}

/**
 * Ends the session: its record and its cookie are removed, and what is put into it from then on is not stored.
 *
 * @public
 * @param {(error?: Error) => void} [callback] without one, a promise is returned
 */
Store.prototype.destroy = function destroy(callback) {
  if (typeof callback !== 'function') return promised((done) => destroy.call(this, done))
  whenLoaded(this, () => {
    const remove = () => {
      const loss = lossOf(this)
      if (loss !== undefined) return loss
      const reply = native.destroySession(this[kNumber], this[kHandler], this[kCodec]())
      this[kLive] = {}
      return reply
    }
    this[kEngine].begin(remove, (report) => {
      if (report === undefined) callback()
      else callback(toError(report))
    })
  })
}

/** The object whose payload hooks must be called because the application has its own. */
Store.prototype[kCodec] = function codec() {
  const own =
    this.__prepareForParse !== Store.prototype.__prepareForParse ||
    this.__prepareForStorage !== Store.prototype.__prepareForStorage
  return own ? this : undefined
}

Store.prototype[util.inspect.custom] = function inspect() {
  return `${this.constructor.name} { name: '${this[kName]}', id: '${String(this.getId()).slice(0, 6)}…' }`
}

/** Compat: fields of the original's sessions. */
Object.defineProperties(Store.prototype, {
  __id: {
    get() {
      return this.getId()
    },
    set(id) {
      this.setId(id)
    },
  },
  __handler: {
    get() {
      return this.getHandler()
    },
    set(handler) {
      this[kHandler] = handler
    },
  },
  __name: {
    get() {
      return this[kName]
    },
    set(name) {
      this[kName] = name
    },
  },
  __attributes: {
    get() {
      return this.all()
    },
    set(attributes) {
      native.sessionAdopt(this[kNumber])
      this[kLive] = attributes
    },
  },
  __started: {
    get() {
      return this[kStage] === STAGE.STARTED
    },
    set(started) {
      this[kStage] = started ? STAGE.STARTED : STAGE.SAVED
    },
  },
})

function promised(run) {
  return new Promise((resolve, reject) => {
    run((error) => (error ? reject(error) : resolve()))
  })
}

module.exports = Store
