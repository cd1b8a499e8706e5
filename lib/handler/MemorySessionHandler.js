'use strict'

/**
 * Sessions in an object of the application's, or in the memory driver of an engine.
 *
 * Compat: `lib/handler/MemorySessionHandler.js` of node-session 1.2.1.
 */

const { kDriver, read, change, sweep } = require('./native')

/**
 * @public
 * @param {object} sessions holds the stored texts by their ids; best an object without a prototype
 */
function MemorySessionHandler(sessions) {
  this.__sessions = sessions
}

MemorySessionHandler.prototype.read = function (sessionId, callback) {
  if (this[kDriver]) read(this[kDriver], sessionId, callback)
  else callback(Object.hasOwn(this.__sessions, sessionId) ? this.__sessions[sessionId] : '')
}

MemorySessionHandler.prototype.write = function (sessionId, data, callback) {
  if (this[kDriver]) {
    change(this[kDriver], 'write', sessionId, data, callback)
  } else {
    this.__sessions[sessionId] = data
    callback()
  }
}

MemorySessionHandler.prototype.destroy = function (sessionId, callback) {
  if (this[kDriver]) {
    change(this[kDriver], 'destroy', sessionId, undefined, callback)
  } else {
    delete this.__sessions[sessionId]
    if (callback) callback()
  }
}

MemorySessionHandler.prototype.gc = function (maxAge) {
  if (this[kDriver]) sweep(this[kDriver], maxAge)
}

module.exports = MemorySessionHandler
