'use strict'

/**
 * The `cookie` of a session that express-session goes on with.
 *
 * Compat: `session/cookie.js` of express-session 1.19.
 */

/** What `data` holds beside the times, in express-session's order. */
const ATTRIBUTES = ['secure', 'httpOnly', 'domain', 'path', 'sameSite']

/**
 * @public
 */
class Cookie {
  constructor(options) {
    this.path = '/'
    this.maxAge = null
    this.httpOnly = true
    for (const [name, value] of Object.entries(options ?? {})) {
      if (name !== 'data') this[name] = value
    }
    this.originalMaxAge ??= this.maxAge
  }

  /** When the cookie ends: a `Date`, or what the application set, such as `null`. */
  get expires() {
    return this._expires
  }

  set expires(date) {
    this._expires = date
    this.originalMaxAge = this.maxAge
  }

  /** Milliseconds until then. */
  get maxAge() {
    return this.expires instanceof Date ? this.expires.valueOf() - Date.now() : this.expires
  }

  set maxAge(ms) {
    if (ms && typeof ms !== 'number' && !(ms instanceof Date)) throw new TypeError('maxAge must be a number or Date')
    this.expires = typeof ms === 'number' ? new Date(Date.now() + ms) : ms
  }

  /** What is sent, and stored. */
  get data() {
    const { originalMaxAge, partitioned, priority } = this
    const data = { originalMaxAge, partitioned, priority, expires: this._expires }
    for (const name of ATTRIBUTES) data[name] = this[name]
    return data
  }

  /** The text of a `Set-Cookie` header. */
  serialize(name, value) {
    const flags = { secure: 'Secure', httpOnly: 'HttpOnly', partitioned: 'Partitioned' }
    const parts = [`${name}=${encodeURIComponent(value)}`]
    if (this.domain) parts.push(`Domain=${this.domain}`)
    if (this.path) parts.push(`Path=${this.path}`)
    if (this.expires) parts.push(`Expires=${new Date(this.expires).toUTCString()}`)
    for (const [flag, text] of Object.entries(flags)) if (this[flag]) parts.push(text)
    if (this.priority) parts.push(`Priority=${this.priority}`)
    if (this.sameSite) parts.push(`SameSite=${this.sameSite === true ? 'Strict' : this.sameSite}`)
    return parts.join('; ')
  }

  toJSON() {
    return this.data
  }
}

module.exports = { Cookie }
