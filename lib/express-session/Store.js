'use strict'

/**
 * The sessions of express-session and @fastify/session, kept by a driver of this package.
 *
 * A session's record is named by a hash of the session's id, which may be anything; the id itself is stored with the session.
 */

const { EventEmitter } = require('node:events')
const native = require('../native')
const { SessionError } = require('../errors')
const { Records } = require('./records')
const { engineOf } = require('./options')
const { Cookie } = require('./cookie')
const { Session } = require('./session')

/** Sessions that are read at the same time when all are asked for. */
const AT_ONCE = 16
/** Ids on a page of a listing. */
const PAGE = 500
/** Time between two looks whether the storage is back. Units: milliseconds. */
const LOOK_AGAIN = 500

/** What says that the storage is at fault, and not the session. */
const FAULTS = new Set(['ERR_SESSION_READ', 'ERR_SESSION_WRITE', 'ERR_SESSION_TIMEOUT'])
/** What says that a stored session cannot be used. */
const UNUSABLE = new Set(['ERR_SESSION_CORRUPT', 'ERR_SESSION_DECRYPT', 'ERR_SESSION_TOO_LARGE', 'ERR_SESSION_DEPTH'])

/** Calls back with what a promise gives, never at once; without a callback the promise itself is the answer. */
function answer(promise, callback) {
  if (typeof callback !== 'function') return promise
  promise.then(
    (value) => process.nextTick(callback, null, value),
    (error) => process.nextTick(callback, error)
  )
  return undefined
}

/** When a session ends, in milliseconds since 1970; `undefined` when its cookie does not say. */
function endOf({ cookie }) {
  if (cookie?.expires) {
    const end = new Date(cookie.expires).getTime()
    return Number.isNaN(end) ? undefined : end
  }
  return Number.isFinite(cookie?.maxAge) ? Date.now() + cookie.maxAge : undefined
}

/**
 * The text of a session as it is now.
 *
 * @throws {SessionError} `ERR_SESSION_SERIALIZE`
 */
function textOf(id, session) {
  try {
    return JSON.stringify({ id, session })
  } catch (cause) {
    throw new SessionError('ERR_SESSION_SERIALIZE', 'the session cannot be serialised', cause)
  }
}

/** The id and the session in a stored text. A touch may have moved its end without writing the text. */
function parse({ text, at }) {
  let stored
  try {
    stored = JSON.parse(text)
  } catch {
    // What JSON.parse says quotes the text.
    throw new SessionError('ERR_SESSION_CORRUPT', 'a stored session is not the text of a session')
  }
  const { session } = stored
  if (session?.cookie?.expires) session.cookie.expires = new Date(at).toISOString()
  return stored
}

/**
 * @public
 */
class Store extends EventEmitter {
  #records
  /** Whether the connections are the store's own, and not a NodeSession's. */
  #isOwner
  #isCorruptAnError
  #isConnected
  #isWatching = false
  #timer

  /**
   * @param {object} [options] those of a NodeSession that tell where and how sessions are stored; or a NodeSession, whose storage
   *   is then used
   * @throws {SessionError} `ERR_SESSION_CONFIG`, naming the option and what is allowed
   */
  constructor(options) {
    super()
    const { engine, isOwn, onCorrupt } = engineOf(options)
    this.#records = new Records(engine)
    this.#isOwner = isOwn
    this.#isCorruptAnError = onCorrupt === 'error'
    this.#watch()
  }

  /** The session of an id, or `undefined`: also for one that has expired. */
  get(id, callback) {
    return answer(this.#get(id), callback)
  }

  /** Stores a session as it is now, in the place of what is stored. */
  set(id, session, callback) {
    return answer(this.#set(id, session), callback)
  }

  /** Lets a session live on; what is stored of it is not written again. */
  touch(id, session, callback) {
    return answer(this.#use('touch', id, undefined, endOf(session ?? {})), callback)
  }

  /** Removes a session. One that is not there is removed already. */
  destroy(id, callback) {
    return answer(this.#use('remove', id), callback)
  }

  /** All sessions that have not expired, as an array; each has its `id`. */
  all(callback) {
    return answer(this.#all(({ id, session }) => Object.assign(session, { id })), callback)
  }

  /** The ids of all sessions that have not expired. */
  ids(callback) {
    return answer(this.#all(({ id }) => id), callback)
  }

  /** How many sessions there are that have not expired. Reads them all. */
  length(callback) {
    return answer(this.#all(() => undefined).then((sessions) => sessions.length), callback)
  }

  /** Removes all sessions of this store; what a NodeSession has in the same storage stays. */
  clear(callback) {
    const removed = this.#each(async (record) => {
      const stored = await this.#told(this.#records.keep('read', record))
      if (stored !== undefined) await this.#told(this.#records.keep('remove', record))
    })
    return answer(removed, callback)
  }

  /** Ends a request's session and begins another one. `generate` is express-session's. */
  regenerate(request, callback) {
    const regenerated = this.destroy(request.sessionID).then(
      () => this.generate(request),
      (error) => {
        this.generate(request)
        throw error
      }
    )
    return answer(regenerated.then(() => undefined), callback)
  }

  /** The session of an id as an object with its methods, or `undefined`. */
  load(id, callback) {
    const loaded = this.#get(id).then((stored) => {
      return stored === undefined ? undefined : this.createSession({ sessionID: id, sessionStore: this }, stored)
    })
    return answer(loaded, callback)
  }

  /** Makes a request's session of what was stored. */
  createSession(request, stored) {
    const { expires, originalMaxAge } = stored.cookie ?? {}
    const cookie = new Cookie(stored.cookie)
    if (typeof expires === 'string') cookie.expires = new Date(expires)
    cookie.originalMaxAge = originalMaxAge
    stored.cookie = cookie
    request.session = new Session(request, stored)
    return request.session
  }

  /**
   * Waits for what is under way, but not for longer than five seconds, looks after the storage no more, and closes the store's own
   * connections to a server.
   */
  async close() {
    clearTimeout(this.#timer)
    this.#isWatching = true
    await this.#records.drained()
    if (this.#isOwner) this.#records.disconnect()
  }

  async #get(id) {
    const stored = await this.#read(native.standingFor(String(id)))
    return stored?.session
  }

  /** What is stored in a record; `undefined` when that cannot be used, unless the application wants to know. */
  async #read(record) {
    try {
      const reply = await this.#told(this.#records.keep('read', record))
      return reply === undefined ? undefined : parse(reply)
    } catch (error) {
      if (this.#isCorruptAnError || !UNUSABLE.has(error.code)) throw error
      this.emit('corrupt', error)
      return undefined
    }
  }

  async #set(id, session) {
    if (session === null || typeof session !== 'object') throw new TypeError('a session is an object')
    await this.#use('write', id, textOf(String(id), session), endOf(session))
  }

  async #use(method, id, text, at) {
    await this.#told(this.#records.keep(method, native.standingFor(String(id)), text, at))
  }

  /** What `pick` takes of each session. */
  async #all(pick) {
    const found = []
    await this.#each(async (record) => {
      const stored = await this.#read(record)
      if (stored !== undefined) found.push(pick(stored))
    })
    return found
  }

  /** Calls `visit` with the name of every record, some at a time, and with none twice. */
  async #each(visit) {
    const seen = new Set()
    let next
    do {
      const page = await this.#told(this.#records.list(next, PAGE))
      const records = page.ids.filter((record) => !seen.has(record) && seen.add(record))
      const work = async () => {
        while (records.length > 0) await visit(records.pop())
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      next = page.next
    } while (next !== undefined)
  }

  /** Looks after the storage when it is at fault. */
  async #told(operation) {
    try {
      return await operation
    } catch (error) {
      if (FAULTS.has(error.code)) this.#watch()
      throw error
    }
  }

  /** Looks whether the storage answers, again and again until it does; tells when that changes. */
  #watch() {
    if (this.#isWatching) return
    this.#isWatching = true
    const ask = async () => this.#records.keep('read', native.generateId())
    const look = () => ask().then(
      () => {
        this.#isWatching = false
        this.#turn(true)
      },
      (error) => {
        // No driver will be there that is not there now.
        if (error.code === 'ERR_SESSION_CONFIG') return
        this.#turn(false)
        this.#timer = setTimeout(look, LOOK_AGAIN)
        this.#timer.unref()
      }
    )
    look()
  }

  #turn(isConnected) {
    if (this.#isConnected === isConnected) return
    this.#isConnected = isConnected
    process.nextTick(() => this.emit(isConnected ? 'connect' : 'disconnect'))
  }
}

module.exports = Store
