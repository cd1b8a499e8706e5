'use strict'

/**
 * Errors as the application sees them, made here so that they are `instanceof Error` in its own realm.
 */

/**
 * A failed operation of the session engine.
 *
 * @public
 */
class SessionError extends Error {
  /**
   * @param {string} code one of the `ERR_SESSION_…` codes
   * @param {string} message names the operation and its object; never an id, a secret or a payload
   * @param {unknown} [cause] what went wrong further down
   */
  constructor(code, message, cause) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }

  get name() {
    return 'SessionError'
  }
}

/** Causes that the engine told: a storage's own words, without ids, payloads and passwords. */
const reasons = new WeakSet()

/**
 * What the storage said, where that may be shown: what an application's own handler said may hold anything.
 *
 * @private
 * @param {SessionError} error
 * @returns {string | undefined}
 */
function reasonOf(error) {
  return reasons.has(error.cause) ? error.cause.message : undefined
}

/**
 * The error that a report of the addon stands for.
 *
 * @private
 * @param {{code: string, message: string, cause?: unknown, reason?: {message: string, code?: string}}} report
 * @returns {SessionError}
 */
function toError(report) {
  const { reason } = report
  let { cause } = report
  if (reason !== undefined) {
    cause = new Error(reason.message)
    if (reason.code !== undefined) cause.code = reason.code
    reasons.add(cause)
  }
  return new SessionError(report.code, report.message, cause)
}

module.exports = { SessionError, toError, reasonOf }
