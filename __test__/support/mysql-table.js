'use strict'

/*
 * The table that Waterline's sails-mysql made for node-session on a MySQL server, with columns as wide as they have to be: the same
 * methods as `openTable` of handlers.js has.
 */

const path = require('path')

const { query, dropTables, tableOf } = require('../../torture/mysql')
const { later, tempDir } = require('./cleanup')

const MAKE = `CREATE TABLE ?? (id VARCHAR(255) UNIQUE, payload LONGTEXT, lastActivity BIGINT, createdAt DATETIME, updatedAt DATETIME)
  CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci`

/** A table of the test's own; `name` is what it is called. */
function openMysqlTable() {
  const name = tableOf(path.basename(tempDir()))
  later(() => dropTables(name))
  const run = (sql) => (...values) => query(sql, [name, ...values])
  const rows = run('SELECT id, payload, lastActivity FROM ?? ORDER BY id')
  const row = run('SELECT id, payload, lastActivity FROM ?? WHERE id = ?')
  const update = run('UPDATE ?? SET payload = ?, lastActivity = ? WHERE id = ?')
  return {
    name,
    make: run(MAKE),
    rows,
    row: async (id) => (await row(id))[0],
    insert: run('INSERT INTO ?? (id, payload, lastActivity) VALUES (?, ?, ?)'),
    update: (id, payload, lastActivity) => update(payload, lastActivity, id),
    remove: run('DELETE FROM ?? WHERE id = ?'),
    removeBefore: run('DELETE FROM ?? WHERE lastActivity < ?'),
  }
}

module.exports = { openMysqlTable }
