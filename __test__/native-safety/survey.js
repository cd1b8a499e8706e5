'use strict'

/*
 * Whether all records below a folder are whole, when nobody writes them any more.
 *
 * A record is whole when it can be loaded, and its `state` is a text of the length that it says, of one letter only.
 */

const crypto = require('crypto')
const fs = require('fs')
const path = require('path')
const Database = require('better-sqlite3')

const NodeSession = require('../..')
const { SECRET } = require('./saver')

const ID = /^[A-Za-z0-9_-]{40}$/

function cookieOf(id) {
  const mac = crypto.createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '')
  return `node_session=${encodeURIComponent(`s:${id}.${mac}`)}`
}

/** Whether a stored session is whole; one that is not there any more is. */
function isWhole(nodeSession, id) {
  return new Promise((resolve) => {
    const request = { headers: { cookie: cookieOf(id) } }
    nodeSession.getSession(request, async (session) => {
      // A record that cannot be used gives a new id.
      const error = await session.start().then(() => undefined, (thrown) => thrown)
      const state = session.get('state')
      const isOdd = state !== undefined && (state.text.length !== state.length || new Set(state.text).size !== 1)
      resolve(error === undefined && !isOdd && session.getId() === id)
    })
  })
}

const listed = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => ID.test(name)) : [])

function rows(file) {
  if (!fs.existsSync(file)) return []
  const database = new Database(file)
  try {
    if (database.pragma('integrity_check', { simple: true }) !== 'ok') return ['damaged']
    return database.prepare('SELECT id FROM sessions').pluck().all()
  } finally {
    database.close()
  }
}

/**
 * Looks at `sessions/`, `sealed/` and `sessions.sqlite` below the folder.
 *
 * @returns {Promise<{records: number, torn: number, ids: Set<string>}>}
 */
async function survey(folder) {
  const [plain, sealed] = [path.join(folder, 'sessions'), path.join(folder, 'sealed')]
  // Before the engine opens the file: two SQLite libraries must not have it open in one process.
  const inTable = rows(`${plain}.sqlite`)
  const places = [
    [{ driver: 'file', files: plain }, listed(plain)],
    [{ driver: 'file', files: sealed, encrypt: true }, listed(sealed)],
    [{ driver: 'database', files: plain }, inTable],
  ]
  const found = { records: 0, torn: 0, ids: new Set() }
  for (const [config, ids] of places) {
    const nodeSession = new NodeSession({ secret: SECRET, lottery: [0, 1], lifetime: 86400000, ...config })
    for (const id of ids) {
      found.records += 1
      found.ids.add(id)
      if (!(await isWhole(nodeSession, id))) found.torn += 1
    }
    await nodeSession.close()
  }
  return found
}

module.exports = { survey }
