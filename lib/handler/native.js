'use strict'

/**
 * The built-in drivers as handlers that JavaScript can see and call.
 */

const native = require('../native')
const { Engine } = require('../engine')
const { toError } = require('../errors')

/** Where a handler keeps the engine whose driver it stands for. */
const kDriver = Symbol('driver')

/** Engines of handlers that the application makes itself, by their options. */
const engines = new Map()

/**
 * The engine of a driver with these options; the same one for the same options.
 *
 * @private
 */
function engineOf(options) {
  const key = JSON.stringify(options)
  let engine = engines.get(key)
  if (engine === undefined) {
    engine = new Engine({ ...options, secret: native.generateId() })
    engines.set(key, engine)
  }
  return engine
}

function use(engine, method, id, data, done) {
  engine.begin(() => native.useDriver(engine.number, method, String(id), data), done)
}

/**
 * Reads the text stored under `id`; `''` for none, an `Error` when the storage cannot be read.
 *
 * @private
 */
function read(engine, id, callback) {
  use(engine, 'read', id, undefined, (reply) => {
    if (typeof callback !== 'function') return
    if (reply === undefined || typeof reply === 'string') callback(reply ?? '')
    else callback(toError(reply))
  })
}

/**
 * Stores a text under `id`, or removes what is stored there.
 *
 * @private
 */
function change(engine, method, id, data, callback) {
  use(engine, method, id, data, (reply) => {
    if (typeof callback !== 'function') return
    if (reply === undefined) callback()
    else callback(toError(reply))
  })
}

/**
 * Removes what has been idle for longer than `maxAge` milliseconds. Nobody waits for it.
 *
 * @private
 */
function sweep(engine, maxAge) {
  engine.begin(() => native.sweepDriver(engine.number, Number(maxAge)), () => {})
}

/**
 * Makes a handler class whose instances can stand for a driver.
 *
 * @private
 */
function defineMethods(Handler) {
  Handler.prototype.read = function (sessionId, callback) {
    read(this[kDriver], sessionId, callback)
  }
  Handler.prototype.write = function (sessionId, data, callback) {
    change(this[kDriver], 'write', sessionId, data, callback)
  }
  Handler.prototype.destroy = function (sessionId, callback) {
    change(this[kDriver], 'destroy', sessionId, undefined, callback)
  }
  Handler.prototype.gc = function (maxAge) {
    sweep(this[kDriver], maxAge)
  }
}

/**
 * A handler of that class over an engine's driver.
 *
 * @private
 */
function over(Handler, engine) {
  const handler = Object.create(Handler.prototype)
  Object.defineProperty(handler, kDriver, { value: engine })
  return handler
}

module.exports = { kDriver, engineOf, defineMethods, over, read, change, sweep }
