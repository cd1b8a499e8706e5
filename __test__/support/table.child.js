'use strict'

/*
 * Holds one SQLite file open on behalf of a test, in a process of its own: two copies of SQLite in one process do not see each
 * other's locks. Answers `{call, method, args}` with `{call, result}` or `{call, error}`.
 */

const Database = require('better-sqlite3')

const [, , filename, table] = process.argv
const db = new Database(filename)
db.pragma('busy_timeout = 2000')

const sql = {
  make: `CREATE TABLE IF NOT EXISTS "${table}" (id TEXT PRIMARY KEY, payload TEXT, lastActivity INTEGER)`,
  rows: `SELECT id, payload, lastActivity FROM "${table}" ORDER BY id`,
  row: `SELECT id, payload, lastActivity FROM "${table}" WHERE id = ?`,
  insert: `INSERT INTO "${table}" (id, payload, lastActivity) VALUES (?, ?, ?)`,
  update: `UPDATE "${table}" SET payload = ?, lastActivity = ? WHERE id = ?`,
  remove: `DELETE FROM "${table}" WHERE id = ?`,
  removeBefore: `DELETE FROM "${table}" WHERE lastActivity < ?`,
}

const methods = {
  make: () => { db.exec(sql.make) },
  exec: (text) => { db.exec(text) },
  rows: () => db.prepare(sql.rows).all(),
  row: (id) => db.prepare(sql.row).get(id),
  insert: (...args) => db.prepare(sql.insert).run(...args),
  update: (id, payload, lastActivity) => db.prepare(sql.update).run(payload, lastActivity, id),
  remove: (id) => db.prepare(sql.remove).run(id),
  removeBefore: (age) => db.prepare(sql.removeBefore).run(age),
}

process.on('message', ({ call, method, args }) => {
  try {
    process.send({ call, result: methods[method](...args) })
  } catch (error) {
    process.send({ call, error: error.message })
  }
})
process.on('disconnect', () => process.exit())
