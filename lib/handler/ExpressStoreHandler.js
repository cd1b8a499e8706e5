'use strict'

/**
 * Sessions in a store that was made for express-session.
 *
 * Shape of what such a store is given: `{cookie, nodeSession}`. `nodeSession` is the payload, and `cookie` has what stores
 * read the age of a session from; the cookie that visitors get is the engine's own matter. What express-session itself stored
 * is read as attributes: all its members but `cookie`.
 */

const { secretsOfRecord, told } = require('../foreign')

/** How long a store that said it is disconnected is left alone between two calls that try it. Units: milliseconds. */
const PAUSE = 1000
/** Shortest time between two warnings about errors that nobody listens for. Units: milliseconds. */
const WARNING_INTERVAL = 60000

/** What is stored and no session; the engine leaves it where it is. */
const NO_SESSION = 'no session'

/** The cookie of a stored session, with what stores ask of express-session's. */
class StoreCookie {
  /** @param {number} lifetime of the record from now on, in milliseconds */
  constructor(lifetime) {
    this.path = '/'
    this._expires = new Date(Date.now() + lifetime)
    this.originalMaxAge = lifetime
    this.httpOnly = true
  }

  get expires() {
    return this._expires
  }

  set expires(date) {
    this._expires = date
  }

  get maxAge() {
    return this._expires instanceof Date ? this._expires.valueOf() - Date.now() : this._expires
  }

  set maxAge(millis) {
    this._expires = new Date(Date.now() + millis)
  }

  get data() {
    const { originalMaxAge, _expires: expires, httpOnly, path } = this
    return { originalMaxAge, expires, httpOnly, path }
  }

  toJSON() {
    return this.data
  }
}

/** Whether a store is connected, as far as it tells by events. */
class Link {
  constructor(store) {
    this.isDown = false
    this.triedAt = -Infinity
    this.warnedAt = -Infinity
    if (typeof store.on !== 'function') return
    store.on('disconnect', () => { this.isDown = true })
    store.on('connect', () => { this.isDown = false })
    // Without a listener it would end the process.
    store.on('error', (error) => this.warn(store, error))
  }

  /** Whether the store may be asked now. Not every store that says it is disconnected says when it is back. */
  admits() {
    const since = Date.now() - this.triedAt
    if (this.isDown && since >= 0 && since < PAUSE) return false
    this.triedAt = Date.now()
    return true
  }

  warn(store, error) {
    const isHeard = typeof store.listenerCount === 'function' && store.listenerCount('error') > 1
    if (isHeard || Date.now() - this.warnedAt < WARNING_INTERVAL) return
    this.warnedAt = Date.now()
    const { code } = told(error, [])
    const message = 'the store in option `store` emitted an error that nobody listens for'
    process.emitWarning(code === undefined ? message : `${message}: ${code}`, 'SessionWarning')
  }
}

/** One for each store, however many NodeSessions use it. */
const links = new WeakMap()

function linkOf(store) {
  let link = links.get(store)
  if (link === undefined) {
    link = new Link(store)
    links.set(store, link)
  }
  return link
}

/** The payload in what a store gave; `''` for nothing. */
function payloadOf(session) {
  if (session === undefined || session === null || session === false) return ''
  if (typeof session.nodeSession === 'string') return session.nodeSession
  if (typeof session !== 'object' || typeof session.cookie !== 'object' || session.cookie === null) return NO_SESSION
  const attributes = { ...session }
  delete attributes.cookie
  // What stores add of their own: session-file-store, and connect-mongo, whose times are dates.
  delete attributes.__lastAccess
  if (attributes.lastModified instanceof Date) delete attributes.lastModified
  return JSON.stringify(attributes)
}

/**
 * @private
 * @param {object} store has `get`, `set`, `destroy` and perhaps `touch`, as express-session calls them
 * @param {number} lifetime of a record after its activity was recorded, in milliseconds
 */
class ExpressStoreHandler {
  constructor(store, lifetime) {
    // Not to be listed, since stores lead to connections and their passwords.
    Object.defineProperty(this, '__store', { value: store })
    this.__lifetime = lifetime
    Object.defineProperty(this, '__link', { value: linkOf(store) })
  }

  read(id, callback) {
    this.__ask('get', id, undefined, (error, session) => {
      // As express-session takes it: a store over files has no other word for a session that is not there.
      if (error) callback(error.code === 'ENOENT' ? '' : error)
      else callback(session)
    })
  }

  write(id, payload, callback) {
    this.__ask('set', id, payload, callback)
  }

  /** Stores that touch by writing what they are given are given all of it. */
  touch(id, payload, callback) {
    this.__ask(typeof this.__store.touch === 'function' ? 'touch' : 'set', id, payload, callback)
  }

  destroy(id, callback) {
    this.__ask('destroy', id, undefined, callback)
  }

  /** Calls a method of the store; calls back once, whatever that does, unless it does nothing. */
  __ask(method, id, payload, callback) {
    let isDone = false
    const done = (error, session) => {
      if (isDone) return
      isDone = true
      if (error) callback(told(error, secretsOfRecord(id, payload)))
      else this.__answered(method, session, callback)
    }
    if (!this.__link.admits()) {
      done(new Error('the store is disconnected'))
      return
    }
    try {
      const given = payload === undefined ? [] : [{ cookie: new StoreCookie(this.__lifetime), nodeSession: payload }]
      const returned = this.__store[method](id, ...given, done)
      // A promise that is rejected and that nobody listens to would end the process.
      if (typeof returned?.then === 'function') returned.then(undefined, (error) => done(error ?? 'it gave no reason'))
    } catch (error) {
      done(error ?? 'it gave no reason')
    }
  }

  __answered(method, session, callback) {
    this.__link.isDown = false
    if (method !== 'get') {
      callback()
      return
    }
    let payload
    try {
      payload = payloadOf(session)
    } catch {
      payload = NO_SESSION
    }
    callback(undefined, payload)
  }
}

module.exports = ExpressStoreHandler
