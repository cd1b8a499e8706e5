'use strict'

/**
 * Holding a response: the session's cookie goes out with its head, and its last byte leaves after the session is saved.
 *
 * Knows responses, not sessions: what has to happen at the two moments is said by the class that is made of `Hold`.
 */

const { corkUntilTurnEnds } = require('./cork')

/** On a response: its `Hold`. */
const kHold = Symbol('hold')
/** On a response that is held: what it was. `undefined` when it is held no more. */
const kHeld = Symbol('held')

/**
 * What a response was when it ended, while its methods do nothing. They are replaced by plain assignment, and are not deleted
 * afterwards: V8 would look everything else on the response up in a table from then on.
 */
class Held {
  constructor(response) {
    this.statusCode = response.statusCode
    // HTTP/2 has no status message, and warns of whoever asks for it.
    this.statusMessage = response.stream === undefined ? response.statusMessage : undefined
    this.setHeader = response.setHeader
    this.setHeaders = response.setHeaders
    this.appendHeader = response.appendHeader
    this.removeHeader = response.removeHeader
    this.addTrailers = response.addTrailers
    this.flushHeaders = response.flushHeaders
    this.writeHead = response.writeHead
    this.write = response.write
  }
}

/**
 * A response that is held: hooked once, for as long as it lives. What has to happen at its two moments is said by the class that
 * is made of this one:
 *
 * - `cookies(isEnding)` gives the `Set-Cookie` texts when the head is about to leave, with the end of the response or before it;
 * - `isSavedAtOnce()` saves, and tells whether that is done; or else
 * - `save(done)` goes on with it, and calls back: a refused response becomes a 500;
 * - `departs()` is told that it has been ended, whether or not all of it has left yet;
 * - `failed(error)` is told why a held response could not be ended as wanted.
 *
 * @private
 */
class Hold {
  /**
   * @param {import('http').ServerResponse} response
   */
  constructor(response) {
    this.response = response
    this.ownWriteHead = response.writeHead
    this.ownEnd = response.end
    this.isHeadDone = false
    this.isEnding = false
    response[kHold] = this
    response.writeHead = writeHead
    response.end = end
  }

  /** Ends the response after the save. */
  finish(given, isRefused) {
    const { response } = this
    const wasHeld = response[kHeld] !== undefined
    if (wasHeld) thaw(response)
    if (isRefused && refuse(response)) given = ['Internal Server Error', ...given.filter(isFunction)]
    corkUntilTurnEnds(response)
    try {
      this.ownEnd.apply(response, given)
      // What is written too late changes nothing; it is no fault of the visitor's request.
      response.write = ignore
    } catch (error) {
      this.isEnding = false
      // The application may end the response in another way, unless its call of `end` has returned long ago.
      if (!wasHeld) throw error
      this.failed(error)
      endAnyhow(response, this.ownEnd, error)
    }
    this.departs()
  }
}

// One function for all responses: what is made anew for each costs each.

function writeHead(...given) {
  const hold = this[kHold]
  const { response, ownWriteHead } = hold
  if (hold.isHeadDone || response.headersSent) return ownWriteHead.apply(response, given)
  hold.isHeadDone = true
  try {
    const cookies = hold.cookies(hold.isEnding)
    return ownWriteHead.apply(response, cookies === undefined ? given : withCookies(response, given, cookies))
  } finally {
    // A head that could not be written may be followed by another one.
    hold.isHeadDone = response.headersSent
  }
}

function end(...given) {
  const hold = this[kHold]
  const { response } = hold
  // A second end changes nothing, as the first one may still be waiting for its save.
  if (hold.isEnding) {
    callBackWhenFinished(response, given)
    return response
  }
  hold.isEnding = true
  if (hold.isSavedAtOnce()) {
    hold.finish(given, false)
    return response
  }
  let isSaved = false
  hold.save((isRefused) => {
    isSaved = true
    hold.finish(given, isRefused)
  })
  if (!isSaved) freeze(response)
  return response
}

/** Ends a response that cannot be ended as the application wanted it (a status that is none, a body of a wrong type). */
function endAnyhow(response, end, error) {
  try {
    if (refuse(response)) end.call(response, 'Internal Server Error')
    else response.destroy(error)
  } catch {
    response.destroy(error)
  }
}

function isFunction(argument) {
  return typeof argument === 'function'
}

function ignore() {
  return false
}

/** Compat: every callback given to `end` is called, also that of an end that comes too late. */
function callBackWhenFinished(response, given) {
  const callback = given.find(isFunction)
  if (callback === undefined) return
  if (response.writableFinished) process.nextTick(callback)
  else response.once('finish', callback)
}

/**
 * Puts the cookies behind those that the application sets: in the headers passed to `writeHead` when there are some of
 * that name, else on the response. What the application passed is not changed.
 */
function withCookies(response, given, cookies) {
  const place = given.findIndex((argument, at) => at > 0 && typeof argument === 'object' && argument !== null)
  const headers = given[place]
  const own = place === -1 ? undefined : ownCookies(headers)
  if (own === undefined) {
    const earlier = response.getHeader('set-cookie')
    response.setHeader('set-cookie', join(earlier, cookies))
    return given
  }
  const replaced = [...given]
  replaced[place] = withoutCookies(headers, join(own, cookies))
  return replaced
}

function isCookie(name) {
  return String(name).toLowerCase() === 'set-cookie'
}

/** The cookies in headers passed to `writeHead`: an object, a flat list or a list of pairs. */
function ownCookies(headers) {
  const found = pairs(headers).filter(([name]) => isCookie(name))
  return found.length === 0 ? undefined : found.flatMap(([, value]) => value)
}

function pairs(headers) {
  if (!Array.isArray(headers)) return Object.entries(headers)
  if (Array.isArray(headers[0])) return headers
  return Array.from({ length: headers.length >> 1 }, (_, at) => [headers[2 * at], headers[2 * at + 1]])
}

function withoutCookies(headers, cookies) {
  const others = pairs(headers).filter(([name]) => !isCookie(name))
  if (!Array.isArray(headers)) return { ...Object.fromEntries(others), 'set-cookie': cookies }
  // One pair for all of them: Node sets the pairs of a list one after the other, and the last of a name would win.
  const all = [...others, ['set-cookie', cookies]]
  return Array.isArray(headers[0]) ? all : all.flat(1)
}

/** Adds the cookies to earlier ones; of each name of ours, only ours stays. */
function join(earlier, cookies) {
  if (earlier === undefined) return cookies
  const names = cookies.map((cookie) => cookie.slice(0, cookie.indexOf('=') + 1))
  const isOurs = (cookie) => names.some((name) => String(cookie).startsWith(name))
  const others = [].concat(earlier).filter((cookie) => !isOurs(cookie))
  return [...others, ...cookies]
}

/** What methods of a held response do. */
function inert() {
  return this
}

/** `headersSent` of a response that is or was held. */
const HEADERS_SENT = {
  configurable: true,
  get() {
    return this[kHeld] !== undefined || Reflect.get(Object.getPrototypeOf(this), 'headersSent', this)
  },
}

/** Lets the response be what it was when it ended, whatever is done to it until it is thawed. */
function freeze(response) {
  const held = new Held(response)
  response[kHeld] = held
  response.setHeader = inert
  if (held.setHeaders !== undefined) response.setHeaders = inert
  if (held.appendHeader !== undefined) response.appendHeader = inert
  response.removeHeader = inert
  response.addTrailers = inert
  response.flushHeaders = inert
  response.writeHead = inert
  response.write = ignore
  if (!Object.hasOwn(response, 'headersSent')) Object.defineProperty(response, 'headersSent', HEADERS_SENT)
}

/** Ends that. */
function thaw(response) {
  const held = response[kHeld]
  response[kHeld] = undefined
  response.setHeader = held.setHeader
  if (held.setHeaders !== undefined) response.setHeaders = held.setHeaders
  if (held.appendHeader !== undefined) response.appendHeader = held.appendHeader
  response.removeHeader = held.removeHeader
  response.addTrailers = held.addTrailers
  response.flushHeaders = held.flushHeaders
  response.writeHead = held.writeHead
  response.write = held.write
  if (response.statusCode !== held.statusCode && !response.headersSent) response.statusCode = held.statusCode
  const { statusMessage } = held
  if (statusMessage === undefined || response.statusMessage === statusMessage || response.headersSent) return
  response.statusMessage = statusMessage
}

/** Turns a response whose head has not left into a 500; gives whether that was still possible. */
function refuse(response) {
  if (response.headersSent) return false
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.statusCode = 500
  if (response.stream === undefined) response.statusMessage = ''
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  return true
}

module.exports = { Hold }
