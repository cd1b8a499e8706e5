'use strict'

/**
 * The records of an engine's driver, by promises.
 */

const native = require('../native')
const { toError } = require('../errors')

/** Longest time that `drained` waits. Units: milliseconds. */
const DRAIN_LIMIT = 5000

/**
 * @private
 */
class Records {
  #engine

  constructor(engine) {
    this.#engine = engine
  }

  /**
   * Does something with one record.
   *
   * @param {string} method see `keepRecord` in `src/binding/keeping.rs`
   * @param {string} id of the record
   * @param {string} [text] to store
   * @param {number} [at] an instant, in milliseconds since 1970
   * @returns {Promise<undefined | string | {text: string, at: number}>}
   */
  keep(method, id, text, at) {
    return this.#ask(() => native.keepRecord(this.#engine.number, method, id, text, at))
  }

  /**
   * A page of ids.
   *
   * @param {string} [after] the `next` of the page before
   * @returns {Promise<{ids: string[], next?: string}>}
   */
  list(after, limit) {
    return this.#ask(() => native.listRecords(this.#engine.number, after, limit))
  }

  /** Waits for what is under way. */
  drained() {
    return this.#engine.drained(DRAIN_LIMIT)
  }

  /** Closes connections to servers; what is asked later makes new ones. */
  disconnect() {
    try {
      this.#engine.native.disconnect()
    } catch {
      // What stays open then ends with the process; whoever closes cannot do more about it.
    }
  }

  #ask(operation) {
    return new Promise((resolve, reject) => {
      this.#engine.begin(operation, (reply) => {
        if (reply?.code === undefined) resolve(reply)
        else reject(toError(reply))
      })
    })
  }
}

module.exports = { Records }
