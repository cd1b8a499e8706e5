'use strict'

/**
 * Records of sessions that nobody is using: their ids, what they hold, and how many of them get into a storage quickly.
 *
 * They are numbered, so that any process knows the id of each.
 */

const crypto = require('node:crypto')
const native = require('../../lib/native')
const { BULK } = require('../servers')

/** What a session holds. Units: bytes. */
const RECORD_BYTES = 300
/** Records that are on their way into a storage at the same time. */
const AT_ONCE = 64

/** The id of the session of a number. */
function idOf(number) {
  return crypto.createHash('sha256').update(`session ${number}`).digest('base64url').slice(0, 40)
}

/** The text of a session as this package stores it, with what the benchmark's routes look for. */
function textOf() {
  const session = {
    _token: 'x'.repeat(40),
    flash: { old: [], new: [] },
    user: { id: 48151623, name: 'Marguerite Yourcenar', address: { city: 'Saint-Jans-Cappel', country: 'FR' } },
    count: 0,
    note: '',
  }
  session.note = 'x'.repeat(RECORD_BYTES - JSON.stringify(session).length)
  return JSON.stringify(session)
}

/** Stores one record through the driver, as `node-session migrate` does. */
function carry(engine, id, text, activity) {
  return new Promise((resolve, reject) => {
    const begun = () => native.keepRecord(engine.number, 'carry', id, text, activity)
    engine.begin(begun, (reply) => {
      if (reply?.code === undefined) resolve()
      else reject(Object.assign(new Error(reply.message), { code: reply.code }))
    })
  })
}

/**
 * Stores the sessions of numbers from `from` on.
 *
 * @param {object} engine of the NodeSession whose driver gets them
 * @param {string} driver as the benchmark calls it
 * @param {string} folder
 * @param {{from: number, count: number, age: number}} which `age` is the time since their last activity, in milliseconds
 */
async function store(engine, driver, folder, { from, count, age }) {
  const activity = Date.now() - age
  const text = textOf()
  let next = from
  // The first alone: it makes the folder, or the table.
  await carry(engine, idOf(next++), text, activity)
  if (BULK[driver] !== undefined) {
    await BULK[driver](folder, from + count - next, () => [idOf(next++), JSON.stringify(text), activity])
    return
  }
  const work = async () => {
    while (next < from + count) await carry(engine, idOf(next++), text, activity)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

module.exports = { RECORD_BYTES, idOf, store, textOf }
