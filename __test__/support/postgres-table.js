'use strict'

/*
 * The table that Waterline's sails-postgresql made for node-session on a PostgreSQL server, with a time as wide as it has to be: the
 * same methods as `openTable` of handlers.js has.
 */

const path = require('path')

const { query, dropTables, tableOf } = require('../../torture/postgres')
const { later, tempDir } = require('./cleanup')

/** A table of the test's own; `name` is what it is called. */
function openPostgresTable() {
  const name = tableOf(path.basename(tempDir()))
  later(() => dropTables(name))
  const run = (sql) => (...values) => query(sql.replace('TABLE_NAME', `"${name}"`), values)
  const row = run('SELECT "id", "payload", "lastActivity"::float8 FROM TABLE_NAME WHERE "id" = $1')
  const update = run('UPDATE TABLE_NAME SET "payload" = $2, "lastActivity" = $3 WHERE "id" = $1')
  return {
    name,
    make: run('CREATE TABLE TABLE_NAME ("id" TEXT UNIQUE, "payload" TEXT, "lastActivity" BIGINT)'),
    rows: run('SELECT "id", "payload", "lastActivity"::float8 FROM TABLE_NAME ORDER BY "id"'),
    row: async (id) => (await row(id))[0],
    insert: run('INSERT INTO TABLE_NAME ("id", "payload", "lastActivity") VALUES ($1, $2, $3)'),
    update,
    remove: run('DELETE FROM TABLE_NAME WHERE "id" = $1'),
    removeBefore: run('DELETE FROM TABLE_NAME WHERE "lastActivity" < $1'),
  }
}

module.exports = { openPostgresTable }
