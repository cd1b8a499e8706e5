'use strict'

/**
 * Calls handlers and encrypters that are written in JavaScript, for the engine.
 *
 * Compat: a handler is called through its visible methods `read(id, cb)`, `write(id, data, cb)`, `destroy(id, cb)`, `gc(ms)`
 * `setExists(bool)` and, of our own making, `touch(id, data, cb)`, so whatever an application overrides there is honoured.
 */

const native = require('./native')

/**
 * Calls one method of a handler and tells the engine what it called back with.
 *
 * `read` calls back the stored text, or an `Error` when the storage cannot be read.
 *
 * @private
 */
function callHandler(replies, step, handler, method, id, data, extra) {
  let replied = false
  const reply = (error, text) => {
    if (replied) return
    replied = true
    let ended
    try {
      ended = native.handlerReplied(replies.number, step, method, error ?? undefined, text)
    } catch (panicked) {
      replies.failAll(panicked)
      return
    }
    if (ended !== null) replies.deliver(ended)
    else if ((method === 'write' || method === 'touch') && !error) cameLate(replies, handler, id)
  }
  try {
    METHODS[method](handler, id, data, extra, reply)
  } catch (error) {
    if (step === 0) throw error
    reply(error ?? new Error('the handler threw nothing'))
  }
}

/** A write that was given up has come through after all. Where its session was destroyed meanwhile, it must not come back. */
function cameLate(replies, handler, id) {
  try {
    if (native.hasSessionEnded(replies.number, id)) METHODS.destroy(handler, id, undefined, undefined, () => {})
  } catch {
    // Nobody waits for it, and a handler that fails in this too cannot be helped.
  }
}

const METHODS = {
  read(handler, id, data, extra, reply) {
    handler.read(id, (answer) => {
      const text = textOf(answer)
      if (text === undefined) reply(answer)
      else reply(undefined, text)
    })
  },

  write(handler, id, data, exists, reply) {
    if (typeof handler.setExists === 'function') handler.setExists(exists)
    handler.write(id, data, (error) => reply(error || undefined))
  },

  touch(handler, id, data, exists, reply) {
    // One of fewer parameters is something else that the application's class has.
    if (typeof handler.touch === 'function' && handler.touch.length > 2) {
      handler.touch(id, data, (error) => reply(error || undefined))
    } else {
      METHODS.write(handler, id, data, exists, reply)
    }
  },

  destroy(handler, id, data, extra, reply) {
    // A handler that takes no callback is not waited for.
    if (handler.destroy.length < 2) {
      handler.destroy(id)
      reply()
    } else {
      handler.destroy(id, (error) => reply(isMissing(error) ? undefined : error || undefined))
    }
  },

  gc(handler, id, data, maxAge) {
    if (typeof handler.gc === 'function') handler.gc(maxAge)
  },
}

/** The text that a handler read, `''` for none; `undefined` for anything else, which is an error whatever it looks like. */
function textOf(answer) {
  if (typeof answer === 'string') return answer
  if (answer === undefined || answer === null || answer === false) return ''
  if (Buffer.isBuffer(answer) || answer instanceof String) return String(answer)
  return undefined
}

/** Destroying what is not there is a success, whatever a handler over files says. */
function isMissing(error) {
  try {
    return error?.code === 'ENOENT'
  } catch {
    return false
  }
}

/**
 * Calls a payload hook of a session: `__prepareForStorage` or `__prepareForParse`.
 *
 * @private
 * @returns {string}
 */
function callCodec(store, method, text) {
  const result = store[method](text)
  return Buffer.isBuffer(result) ? String(result) : result
}

/** The numbers of handlers. */
const numbers = new WeakMap()
let latest = 0

/**
 * The number of a handler object, by which the engine knows one that hangs: 1 or more.
 *
 * @private
 */
function numberOf(handler) {
  let number = numbers.get(handler)
  if (number === undefined) {
    latest = (latest % 0xffffffff) + 1
    number = latest
    numbers.set(handler, number)
  }
  return number
}

module.exports = { callHandler, callCodec, numberOf }
