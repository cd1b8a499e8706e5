'use strict'

/**
 * The PostgreSQL server of this machine, or the one that POSTGRES_URL names: whether it answers, and how what a run has left there
 * is looked at and removed.
 */

const path = require('node:path')
const { isListening } = require('./listening')

const POSTGRES_URL = process.env.POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/test'

/** Whether the server listens. */
const isAvailable = () => isListening(POSTGRES_URL, 5432)

/** A table's name for what a run has on the server, from its folder, which no other run has. */
const tableOf = (folder) => path.basename(folder).replace(/\W/g, '_').toLowerCase()

/** Runs one statement on a connection of its own; gives the rows. `where` is a URL, or what `pg` takes instead. */
async function query(sql, values = [], where = POSTGRES_URL) {
  const { Client } = require('pg')
  const client = new Client(where)
  // A server that goes away in between is the statement's error, not the process's.
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql, values)).rows
  } finally {
    await client.end().catch(() => {})
  }
}

/** Removes a table of sessions and that of its leases. */
function dropTables(table) {
  return query(`DROP TABLE IF EXISTS "${table}", "${table}_locks"`)
}

module.exports = { POSTGRES_URL, isAvailable, tableOf, query, dropTables }
