'use strict'

/**
 * Sessions for Node.js web applications: the public face of the native engine.
 *
 * Compat: `index.js` of node-session 1.2.1, method for method.
 */

const { EventEmitter } = require('node:events')
const util = require('node:util')
const { merge } = require('./lib/config')
const { compileTrust } = require('./lib/util')
const { SessionError, reasonOf } = require('./lib/errors')
const { identify, lockOf, start } = require('./lib/start')
const native = require('./lib/native')
const { kNumber } = require('./lib/symbols')
const { settleStore, unusedConnection } = require('./lib/storage')
const SessionManager = require('./lib/SessionManager')
const Store = require('./lib/store/Store')
const EncryptedStore = require('./lib/store/EncryptedStore')

/** Shortest time between two warnings about errors that nobody listens for. Units: milliseconds. */
const WARNING_INTERVAL = 60000
/** Longest time that `close` waits. Units: milliseconds. */
const DRAIN_LIMIT = 5000

/**
 * The sessions of an application.
 *
 * @public
 * @param {object} config the options; `secret` is required
 * @param {{encrypt(text: string): string, decrypt(text: string): string}} [encrypter] used in the place of the engine's
 *   own encryption when the option `encrypt` is set
 * @throws {SessionError} `ERR_SESSION_CONFIG`, naming the option and what is allowed
 */
function NodeSession(config, encrypter) {
  if (!(this instanceof NodeSession)) return new NodeSession(config, encrypter)
  EventEmitter.call(this)
  checkEncrypter(encrypter)
  const options = merge(config)
  if (!options.secret) throw new SessionError('ERR_SESSION_CONFIG', 'secret option required for sessions')
  settleStore(options, config.driver)
  hide(this, '__manager', new SessionManager(options, encrypter))
  if (options.trustProxy && !options.trustProxyFn) options.trustProxyFn = compileTrust(options.trustProxy)
  hide(this, '__config', options)
  hide(this, '__warnedAt', -Infinity)
  for (const warning of [unusedConnection(options, config.driver), ...this.__manager.__engine().native.warnings]) {
    if (warning !== undefined) process.emitWarning(warning, 'SessionWarning')
  }
}

/** @throws {SessionError} `ERR_SESSION_CONFIG` for an encrypter that cannot be one */
function checkEncrypter(encrypter) {
  if (encrypter === undefined || encrypter === null) return
  if (typeof encrypter.encrypt === 'function' && typeof encrypter.decrypt === 'function') return
  const message = 'the encrypter must be an object with the methods `encrypt` and `decrypt`'
  throw new SessionError('ERR_SESSION_CONFIG', message)
}

/** Keeps a field that may lead to secrets out of listings. */
function hide(object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, configurable: true })
}

Object.setPrototypeOf(NodeSession.prototype, EventEmitter.prototype)
Object.setPrototypeOf(NodeSession, EventEmitter)

/**
 * Starts the session of a request, as `request.session`. The response ends when it has been saved.
 *
 * @public
 * @param {import('http').IncomingMessage} request
 * @param {import('http').ServerResponse} response
 * @param {{lock?: boolean, lockLease?: number, lockWait?: number}} [options] of this call, instead of those of the NodeSession
 * @param {(error?: Error) => void} [callback] called with an error when the storage cannot be read; the session can still
 *   be used, but is not saved. Without a callback a promise is returned, which gives the session
 * @throws {SessionError} `ERR_SESSION_CONFIG` for options that there are not, or that cannot be so
 */
NodeSession.prototype.startSession = function startSession(request, response, options, callback) {
  if (!(this instanceof NodeSession)) {
    throw new TypeError('startSession needs its NodeSession: use (req, res, next) => sessions.startSession(req, res, next)')
  }
  if (typeof options === 'function') {
    start(this, request, response, undefined, options)
    return undefined
  }
  const lock = lockOf(this, options)
  if (typeof callback === 'function') {
    start(this, request, response, lock, callback)
    return undefined
  }
  return new Promise((resolve, reject) => {
    start(this, request, response, lock, (error) => (error ? reject(error) : resolve(request.session)))
  })
}

NodeSession.prototype.__startSession = function __startSession(request, callback) {
  this.getSession(request, (session) => {
    request.session = session
    session.start(callback)
  })
}

/**
 * Gives the session that a request's cookie names, not started.
 *
 * @public
 * @param {import('http').IncomingMessage} request
 * @param {(session: Store) => void} callback
 */
NodeSession.prototype.getSession = function getSession(request, callback) {
  this.__manager.driver(null, (session) => {
    identify(session, request, this.__manager)
    callback(session)
  })
}

NodeSession.prototype.__addCookieToResponse = function __addCookieToResponse(request, response) {
  const { session } = request
  if (this.__config.secure && !this.__isSecure(request)) return
  const cookie = native.sessionCookie(this.__manager.__engine().number, session[kNumber])
  if (cookie !== undefined) response.appendHeader('set-cookie', cookie)
}

NodeSession.prototype.__getCookieLifetime = function __getCookieLifetime() {
  return this.__config.expireOnClose ? 0 : this.__config.lifetime
}

NodeSession.prototype.__closeSession = function __closeSession(session, callback) {
  session.save(callback)
  this.__collectGarbage(session)
}

NodeSession.prototype.__collectGarbage = function __collectGarbage(session) {
  if (!this.__configHitsLottery()) return
  const handler = session.getHandler()
  if (handler && typeof handler.gc === 'function') handler.gc(this.__config.lifetime)
}

NodeSession.prototype.__configHitsLottery = function __configHitsLottery() {
  const [hits, draws] = this.__config.lottery || [0, 1]
  return Math.floor(Math.random() * draws) < hits
}

/** Compat: sets any cookie, signed when `options.signed` is set; objects as `j:` and their JSON. */
NodeSession.prototype.__setCookie = function __setCookie(request, response, name, value, options = {}) {
  if (options.secure && !this.__isSecure(request)) return
  const plain = typeof value === 'object' ? `j:${JSON.stringify(value)}` : String(value)
  const cookie = native.serialiseCookie(this.__manager.__engine().number, name, plain, options)
  response.appendHeader('set-cookie', cookie)
}

NodeSession.prototype.__isSecure = function __isSecure(request) {
  const socket = request.socket ?? request.connection
  const { trustProxy, trustProxyFn } = this.__config
  const isTrusted = Boolean(trustProxy && trustProxyFn && trustProxyFn(socket?.remoteAddress, 0))
  const forwarded = request.headers['x-forwarded-proto']
  return native.isSecure(Boolean(socket?.encrypted), isTrusted, typeof forwarded === 'string' ? forwarded : undefined)
}

NodeSession.prototype.__getCookie = function __getCookie(request, name) {
  if (request.signedCookies) return request.signedCookies[name]
  return native.readCookie(this.__manager.__engine().number, request.headers.cookie ?? '', name)
}

NodeSession.prototype.__unsignCookie = function __unsignCookie(value) {
  return native.unsign(this.__manager.__engine().number, String(value)) ?? false
}

/**
 * Replaces the encrypter of sessions started from now on.
 *
 * @public
 * @param {{encrypt(text: string): string, decrypt(text: string): string}} encrypter
 */
NodeSession.prototype.setEncrypter = function setEncrypter(encrypter) {
  checkEncrypter(encrypter)
  this.__manager.setEncrypter(encrypter)
}

/**
 * What has happened since the NodeSession was made.
 *
 * @public
 * @returns {{created: number, destroyed: number, conflicts: number, gone: number, corrupt: number, readErrors: number,
 *   writeErrors: number, swept: number}}
 */
NodeSession.prototype.stats = function stats() {
  return this.__manager.__engine().native.stats()
}

/**
 * Asks the storage for a session that nobody has. For health checks, and for an application that would rather not listen before
 * its storage is there; nothing else waits for it.
 *
 * @public
 * @returns {Promise<void>} rejected with what a request would be told: `ERR_SESSION_READ`, `ERR_SESSION_TIMEOUT`
 */
NodeSession.prototype.ready = function ready() {
  return this.__manager.__ready()
}

/**
 * Waits until the saves that are under way have ended, but not for longer than five seconds, and closes connections to servers.
 *
 * @public
 * @returns {Promise<void>}
 */
NodeSession.prototype.close = function close() {
  return this.__manager.__drained(DRAIN_LIMIT)
}

if (Symbol.asyncDispose) NodeSession.prototype[Symbol.asyncDispose] = NodeSession.prototype.close

/** Emits an event about a request; an error that nobody listens for becomes a warning, once a minute. */
NodeSession.prototype.__report = function __report(event, error, request, response) {
  if (this.listenerCount(event) > 0) {
    try {
      this.emit(event, error, request, response)
    } catch (thrown) {
      // A listener's fault is the application's, and must not keep the response from being ended.
      process.nextTick(() => {
        throw thrown
      })
    }
  } else if (event === 'error' && Date.now() - this.__warnedAt >= WARNING_INTERVAL) {
    this.__warnedAt = Date.now()
    process.emitWarning(error.message, { type: 'SessionWarning', code: error.code, detail: reasonOf(error) })
  }
}

NodeSession.prototype[util.inspect.custom] = function inspect() {
  return `NodeSession { driver: '${this.__config.driver}', cookie: '${this.__config.cookie}' }`
}

NodeSession.Store = Store
NodeSession.EncryptedStore = EncryptedStore
NodeSession.SessionManager = SessionManager
NodeSession.SessionError = SessionError
NodeSession.FileSessionHandler = require('./lib/handler/FileSessionHandler')
NodeSession.MemorySessionHandler = require('./lib/handler/MemorySessionHandler')
NodeSession.DatabaseSessionHandler = require('./lib/handler/DatabaseSessionHandler')

module.exports = NodeSession
