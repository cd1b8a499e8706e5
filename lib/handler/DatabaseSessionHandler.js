'use strict'

/**
 * Sessions in a model with Waterline's methods, or in the database driver of an engine.
 *
 * Shape of a row: `{id, payload, lastActivity}`; `payload` is the session's text as a JSON string, `lastActivity`
 * milliseconds since 1970.
 *
 * Compat: `lib/handler/DatabaseSessionHandler.js` of node-session 1.2.1.
 */

const { kDriver, read, change, sweep } = require('./native')

/**
 * @public
 * @param {object} model has `findOne`, `create`, `update` and `destroy`, each with a callback
 */
function DatabaseSessionHandler(model) {
  this.__model = model
  this.__exists = undefined
}

/** An error, whatever a model reports one by. */
function asError(reported) {
  return reported instanceof Error ? reported : new Error(String(reported.message ?? reported), { cause: reported })
}

/** The session's text in a row: what was stored as a JSON string, or as JSON itself. */
function textOf(row) {
  const decoded = JSON.parse(row.payload)
  return typeof decoded === 'string' ? decoded : row.payload
}

DatabaseSessionHandler.prototype.read = function (sessionId, callback) {
  if (this[kDriver]) {
    read(this[kDriver], sessionId, callback)
    return
  }
  this.__model.findOne(sessionId, (error, row) => {
    let answer = error ? asError(error) : ''
    if (!error && row && row.payload) {
      this.__exists = true
      try {
        answer = textOf(row)
      } catch {
        // What is stored is no JSON: the engine says so, and leaves it where it is.
        answer = row.payload
      }
    }
    if (callback) callback(answer)
  })
}

DatabaseSessionHandler.prototype.write = function (sessionId, data, callback) {
  if (this[kDriver]) {
    change(this[kDriver], 'write', sessionId, data, callback)
    return
  }
  const row = { payload: JSON.stringify(data), lastActivity: Date.now() }
  const written = (error) => {
    if (!error) this.__exists = true
    if (callback) callback(error)
  }
  if (this.__exists) this.__model.update(sessionId, row, written)
  else this.__model.create({ id: sessionId, ...row }, written)
}

DatabaseSessionHandler.prototype.destroy = function (sessionId, callback) {
  if (this[kDriver]) {
    change(this[kDriver], 'destroy', sessionId, undefined, callback)
    return
  }
  this.__model.destroy(sessionId, (error) => {
    if (callback) callback(error)
  })
}

DatabaseSessionHandler.prototype.gc = function (maxAge) {
  if (this[kDriver]) {
    sweep(this[kDriver], maxAge)
    return
  }
  this.__model.destroy({ lastActivity: { '<': Date.now() - maxAge } }, () => {})
}

DatabaseSessionHandler.prototype.setExists = function (value) {
  this.__exists = value
  return this
}

module.exports = DatabaseSessionHandler
