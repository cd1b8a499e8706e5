'use strict'

/**
 * The MySQL or MariaDB server of this machine, or the one that MYSQL_URL names: whether it answers, and how what a run has left
 * there is looked at and removed.
 */

const path = require('node:path')
const { isListening } = require('./listening')

const MYSQL_URL = process.env.MYSQL_URL ?? 'mysql://root@127.0.0.1:3306/test'

/** Whether the server listens. */
const isAvailable = () => isListening(MYSQL_URL, 3306)

/** A table's name for what a run has on the server, from its folder, which no other run has. */
const tableOf = (folder) => path.basename(folder).replace(/\W/g, '_').toLowerCase()

/** Runs one statement on a connection of its own; gives the rows, or what came of it. */
async function query(sql, values = [], url = MYSQL_URL) {
  const connection = await require('mysql2/promise').createConnection(url)
  try {
    return (await connection.query(sql, values))[0]
  } finally {
    connection.destroy()
  }
}

/** Removes a table of sessions and that of its leases. */
function dropTables(table) {
  return query('DROP TABLE IF EXISTS ??, ??', [table, `${table}_locks`])
}

module.exports = { MYSQL_URL, isAvailable, tableOf, query, dropTables }
