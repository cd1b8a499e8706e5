'use strict'

/**
 * A stored session that express-session goes on with: `req.session`.
 *
 * Compat: `session/session.js` of express-session 1.19.
 */

/**
 * @public
 */
class Session {
  constructor(request, stored) {
    Object.defineProperty(this, 'req', { value: request })
    Object.defineProperty(this, 'id', { value: request.sessionID })
    // What is named like a method of a session is not taken over.
    for (const name of Object.keys(stored ?? {})) {
      if (!(name in this)) this[name] = stored[name]
    }
  }
}

const METHODS = {
  /** Lets the cookie last as long again as it did at first. */
  touch() {
    return this.resetMaxAge()
  },

  resetMaxAge() {
    this.cookie.maxAge = this.cookie.originalMaxAge
    return this
  },

  save(callback) {
    this.req.sessionStore.set(this.id, this, callback ?? (() => {}))
    return this
  },

  reload(callback) {
    const { req } = this
    req.sessionStore.get(this.id, (error, stored) => {
      if (error) {
        callback(error)
        return
      }
      if (!stored) {
        callback(new Error('failed to load session'))
        return
      }
      req.sessionStore.createSession(req, stored)
      callback()
    })
    return this
  },

  destroy(callback) {
    delete this.req.session
    this.req.sessionStore.destroy(this.id, callback ?? (() => {}))
    return this
  },

  regenerate(callback) {
    this.req.sessionStore.regenerate(this.req, callback ?? (() => {}))
    return this
  },
}

// express-session counts what can be enumerated as part of what is stored, and replaces some of these.
for (const [name, value] of Object.entries(METHODS)) {
  Object.defineProperty(Session.prototype, name, { value, configurable: true, writable: true })
}

module.exports = { Session }
