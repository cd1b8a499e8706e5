'use strict'

/**
 * The class behind `req.session`. Every method converts its arguments and calls a rule of the engine.
 *
 * Compat: `lib/store/Store.js` of node-session 1.2.1, method for method.
 */

const util = require('node:util')
const native = require('../native')
const { toError } = require('../errors')
const { commonEngine } = require('../engine')
const { STAGE, Opened, init, keepUntilCollected, load, number, saveNow } = require('../session')
const { kCodec, kEngine, kHandler, kHeadSent, kLive, kName, kNumber, kStage } = require('../symbols')

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
 * Saves what has changed since the last save.
 *
 * @public
 * @param {(error?: Error) => void} [callback] without one, a promise is returned
 */
Store.prototype.save = function save(callback) {
  if (typeof callback !== 'function') return promised((done) => save.call(this, done))
  saveNow(this, false, (report) => {
    if (report === undefined) callback()
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

Store.prototype.regenerate = function regenerate(destroy) {
  return this.migrate(destroy)
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
 * @param {boolean} [destroy] whether the record under the old id goes; at a log-in it must
 * @returns {boolean} `false` when the response's head has left with the old id, which then stays
 */
Store.prototype.migrate = function migrate(destroy) {
  const isRenamed = !this[kHeadSent] && native.sessionRename(this[kNumber], Boolean(destroy))
  if (isRenamed) this.setExists(false)
  else process.emitWarning('the session keeps its id, because its response has been sent', 'SessionWarning')
  return isRenamed
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
