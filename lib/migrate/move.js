'use strict'

/**
 * Copies records from one storage to another: some at a time, and no more in memory than those.
 */

const { setTimeout: pause } = require('node:timers/promises')

/** Records that are on their way at the same time. */
const AT_ONCE = 32
/** Ids on a page of a listing. */
const PAGE = 1000
/** Pauses before what failed is tried again, where the storage was at fault. Units: milliseconds. */
const PAUSES = [250, 500, 1000, 2000, 4000]
/** Records in a row that a storage may fail before it is given up. */
const MOST_FAILED = 64

const FAULTS = new Set(['ERR_SESSION_READ', 'ERR_SESSION_WRITE', 'ERR_SESSION_TIMEOUT'])

/**
 * One move, with its counts.
 *
 * @private
 */
class Move {
  /**
   * @param {Records} source
   * @param {Records} [target] without one, what would be copied is counted
   * @param {{overwrite: boolean}} options
   */
  constructor(source, target, { overwrite }) {
    this.source = source
    this.target = target
    this.method = overwrite ? 'carryOver' : 'carry'
    this.isStopped = false
    this.failedInARow = 0
    this.copied = 0
    this.skipped = 0
    this.idle = 0
    this.failed = 0
    /** By code: how many failed, and what the first of them said. */
    this.reasons = new Map()
    this.begun = process.hrtime.bigint()
  }

  /** Seconds since the beginning. */
  get seconds() {
    return Number(process.hrtime.bigint() - this.begun) / 1e9
  }

  /** Records that have been dealt with. */
  get rows() {
    return this.copied + this.skipped + this.idle + this.failed
  }

  /** Ends the move after the records that are on their way. */
  stop() {
    this.isStopped = true
  }

  /** Moves everything. Rejects when a storage cannot be listed, or fails record after record. */
  async run() {
    let after
    do {
      const page = await this.tried(() => this.source.list(after, PAGE))
      const ids = page.ids
      const work = async () => {
        while (ids.length > 0 && !this.isStopped) await this.move(ids.pop())
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      after = page.next
    } while (after !== undefined && !this.isStopped)
  }

  /** Moves one record, and counts what came of it. */
  async move(id) {
    try {
      const outcome = await this.moved(id)
      this[outcome] += 1
      this.failedInARow = 0
    } catch (error) {
      this.fails(error)
    }
  }

  async moved(id) {
    const taken = await this.tried(() => this.source.keep('takeAlong', id))
    if (taken === undefined) return 'idle'
    if (this.target === undefined) return 'copied'
    const carried = await this.tried(() => this.target.keep(this.method, id, taken.text, taken.at))
    return carried === 'skipped' ? 'skipped' : 'copied'
  }

  fails(error) {
    this.failed += 1
    const code = error.code ?? 'ERR_SESSION_INTERNAL'
    const reason = this.reasons.get(code) ?? { count: 0, error }
    reason.count += 1
    this.reasons.set(code, reason)
    if (!FAULTS.has(code)) return
    this.failedInARow += 1
    if (this.failedInARow < MOST_FAILED) return
    this.stop()
    throw error
  }

  /** Asks a storage again while it is at fault, and while nobody has stopped the move. */
  async tried(ask) {
    for (const ms of PAUSES) {
      try {
        return await ask()
      } catch (error) {
        if (!FAULTS.has(error.code) || this.isStopped) throw error
      }
      await pause(ms)
    }
    return ask()
  }
}

module.exports = { Move }
