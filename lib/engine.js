'use strict'

/**
 * The engine of one NodeSession: makes the native one, and brings its replies to whoever waits for them.
 */

const { AsyncResource } = require('node:async_hooks')
// The application may have replaced the global ones, as tests do.
const { clearTimeout, setImmediate, setInterval, setTimeout } = require('node:timers')
const { nextTick } = process
const native = require('./native')
const { toError } = require('./errors')
const { callHandler, callCodec, numberOf } = require('./handlers')

// Other runtimes have libuv's functions by name only.
if (process.versions.uv !== undefined && process.versions.bun === undefined && process.versions.deno === undefined) {
  native.watchSockets()
}

/** Longest delay a timer takes. Units: milliseconds. */
const FOREVER = 0x7fffffff

/** Numbers that a function of the addon can leave beside what it gives. */
const TRAY = 256

/** Nobody listens for the end of an operation's resource. */
const RESOURCE = { requireManualDestroy: true }

/** Keeps the process while some engine waits for a reply. */
const alive = {
  engines: 0,
  timer: undefined,

  hold() {
    this.engines += 1
    if (this.timer === undefined) this.timer = setInterval(() => {}, FOREVER)
    else if (this.engines === 1) this.timer.ref()
  },

  letGo() {
    this.engines -= 1
    if (this.engines === 0) this.timer.unref()
  },
}

/** Who waits for a reply, in the asynchronous context of where it was asked for. */
class Waiter extends AsyncResource {
  constructor(callback) {
    super('SessionOperation', RESOURCE)
    this.callback = callback
    this.reply = undefined
    /** The next whose reply came with this one's. */
    this.next = undefined
  }

  call() {
    this.runInAsyncScope(this.callback, undefined, this.reply)
  }
}

/**
 * The replies that are waited for. Held by the addon too, so it must not lead to the engine itself.
 *
 * @private
 */
class Replies {
  constructor() {
    this.number = 0
    /** Where functions of the addon leave numbers. */
    this.tray = new Uint32Array(TRAY)
    /**
     * By number. No `Map`: the tables that it leaves behind as entries come and go lead to one another, and each to what it held,
     * so that all of it would live until a full collection.
     */
    this.waiting = []
    this.count = 0
    /** The process is kept, because something is waited for. */
    this.isHolding = false
    /** The engine panicked when it was woken, and may not be heard when it wakes JavaScript the next time. */
    this.isLost = false
    /** Who waits until nothing is waited for any more. */
    this.idle = []
    /** What is asked of servers goes out when this turn of the event loop ends, together. */
    this.isSending = false
    this.send = () => {
      this.isSending = false
      try {
        native.sendRequests()
      } catch (error) {
        this.failAll(error)
      }
    }
  }

  /**
   * Calls back with a reply: at once when it is at hand.
   *
   * @param {unknown} reply as the addon gave it; a number while the operation goes on
   * @param {(report: object | string | undefined) => void} callback
   */
  wait(reply, callback) {
    if (typeof reply !== 'number') {
      callback(reply)
      return
    }
    if (this.count === 0) this.hold()
    this.count += 1
    this.waiting[reply] = new Waiter(callback)
    if (!this.isSending) {
      this.isSending = true
      setImmediate(this.send)
    }
    if (this.isLost) this.deliver(this.run())
  }

  hold() {
    if (!this.isHolding) alive.hold()
    this.isHolding = true
  }

  /** What is still waited for holds the process no longer. */
  letGo() {
    if (this.isHolding) alive.letGo()
    this.isHolding = false
  }

  /** Nothing is waited for any more. */
  rest() {
    this.letGo()
    for (const resolve of this.idle.splice(0)) nextTick(resolve)
  }

  /** Goes on with the operations that are ready; gives those that ended, for `deliver`. */
  run() {
    try {
      const ended = native.runOperations(this.number)
      this.isLost = false
      return ended
    } catch (error) {
      this.failAll(error)
      return undefined
    }
  }

  /** Goes on with them, in a turn of the event loop in which nothing else runs. */
  wakeUp() {
    const ended = this.run()
    if (ended !== undefined) callAll(this.told(ended))
  }

  /** A reply was lost on its way here, and nobody can tell whose: whoever waits is told so. */
  failAll(error) {
    const waiting = this.waiting.filter((waiter) => waiter !== undefined)
    this.waiting = []
    this.count = 0
    if (waiting.length > 0) this.rest()
    for (const waiter of waiting) {
      waiter.reply = error
      nextTick(callAll, waiter)
    }
    // Its next wake-up may not be heard either: whoever waits next asks the engine.
    this.isLost = true
  }

  /** Hands out the replies of operations that ended, when the application's code that runs has returned. */
  deliver(ended) {
    const first = ended === undefined ? undefined : this.told(ended)
    if (first !== undefined) nextTick(callAll, first)
  }

  /**
   * Brings replies to who waits for them; gives the first of these.
   *
   * @param {number | unknown[]} ended how many there are in the tray, with nothing to report; or `[number, reply, number, reply, …]`,
   *   where the number 0 stands before a warning
   */
  told(ended) {
    const isList = typeof ended !== 'number'
    const count = isList ? ended.length >> 1 : ended
    let first, last
    for (let at = 0; at < count; at += 1) {
      const number = isList ? ended[2 * at] : this.tray[at]
      const waiter = this.waiting[number]
      if (number === 0) nextTick(warn, ended[2 * at + 1])
      if (waiter === undefined) continue
      this.waiting[number] = undefined
      this.count -= 1
      waiter.reply = isList ? ended[2 * at + 1] : undefined
      if (last === undefined) first = waiter
      else last.next = waiter
      last = waiter
    }
    if (last !== undefined && this.count === 0) this.rest()
    return first
  }
}

function warn(sentence) {
  process.emitWarning(sentence, 'SessionWarning')
}

/** Calls those who wait, from the first on. */
function callAll(first) {
  let left = first
  try {
    while (left !== undefined) {
      const waiter = left
      left = waiter.next
      waiter.next = undefined
      waiter.call()
    }
  } finally {
    // A callback that throws is the application's own matter, and must not keep the next one from being called.
    if (left !== undefined) nextTick(callAll, left)
  }
}

/**
 * The engine behind a NodeSession, a session manager or a handler.
 *
 * @private
 */
class Engine {
  /**
   * @param {object} options the options of a NodeSession
   * @throws {SessionError} `ERR_SESSION_CONFIG`, naming the option and what is allowed
   */
  constructor(options) {
    const replies = new Replies()
    const hooks = {
      parse: JSON.parse,
      stringify: JSON.stringify,
      callHandler: (step, handler, method, id, data, extra) =>
        callHandler(replies, step, handler, method, id, data, extra),
      callCodec,
      numberOf,
      tray: replies.tray,
    }
    this.native = new native.NodeSession(options, process.cwd(), hooks)
    const refused = this.native.refused()
    if (refused !== undefined) throw toError(refused)
    replies.number = this.native.number
    this.native.onWakeUp(() => replies.wakeUp())
    this.number = this.native.number
    this.replies = replies
    this.tray = replies.tray
    this.driver = this.native.driver
    this.secure = this.native.secure
    this.strictSave = this.native.strictSave
    this.readTimeout = this.native.readTimeout
    /** How every session is locked: `{lease, wait}`, or `undefined`. */
    this.lock = native.lockTimes(this.number)
  }

  /**
   * Waits until no operation is under way, but not for longer than `limit` milliseconds. What is under way then keeps the
   * process no longer.
   *
   * @returns {Promise<void>}
   */
  drained(limit) {
    if (this.replies.count === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.replies.letGo()
        resolve()
      }, limit)
      this.replies.idle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /**
   * @see Replies#wait
   */
  wait(reply, callback) {
    this.replies.wait(reply, callback)
  }

  /**
   * Begins an operation and waits for its reply; one that cannot be begun is told like one that failed.
   *
   * @param {() => unknown} operation gives the addon's reply
   */
  begin(operation, callback) {
    let reply
    try {
      reply = operation()
    } catch (error) {
      reply = error
    }
    this.replies.wait(reply, callback)
  }
}

let common

/**
 * The engine of sessions that the application makes itself over its own handlers.
 *
 * @private
 * @returns {Engine}
 */
function commonEngine() {
  common ??= new Engine({ driver: 'memory', secret: native.generateId() })
  return common
}

module.exports = { Engine, commonEngine }
