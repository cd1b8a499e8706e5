'use strict'

/**
 * The MySQL or MariaDB server of this machine, or the one that MYSQL_URL names: whether it answers, and how what a run has left
 * there is looked at and removed.
 */

const { spawnSync } = require('node:child_process')
const path = require('node:path')

const MYSQL_URL = process.env.MYSQL_URL ?? 'mysql://root@127.0.0.1:3306/test'

/** Longest time to find out whether the server listens. Units: milliseconds. */
const PATIENCE = 5000

const PROBE = `const [host, port] = process.argv.slice(1)
require('net').connect(port, host).on('connect', () => process.exit(0)).on('error', () => process.exit(1))`

let isThere

/** Whether the server listens. On CI it has to: there, a server that is missing makes tests fail. */
function isAvailable() {
  if (process.env.CI) return true
  if (isThere === undefined) {
    const { hostname, port } = new URL(MYSQL_URL)
    isThere = spawnSync(process.execPath, ['-e', PROBE, hostname, port || '3306'], { timeout: PATIENCE }).status === 0
    if (!isThere) process.stderr.write(`skipped: no MySQL at ${hostname}:${port || 3306}\n`)
  }
  return isThere
}

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
