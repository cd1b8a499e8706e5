'use strict'

/**
 * The database servers that sessions are kept on, for this package and for the stores it is compared with.
 *
 * Each run has keys and tables of its own, named after its folder; `drop` removes them. Addresses come from REDIS_URL,
 * POSTGRES_URL and MYSQL_URL, and are those of this machine's servers otherwise.
 */

const path = require('node:path')

const REDIS = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const POSTGRES = process.env.POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/test'
const MYSQL = process.env.MYSQL_URL ?? 'mysql://root@127.0.0.1:3306/test'

/** A name that may be a table's and begin a key. */
const nameOf = (folder) => path.basename(folder).replace(/\W/g, '_').toLowerCase()

async function withRedis(work) {
  const client = require('redis').createClient({ url: REDIS })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

async function dropKeys(folder) {
  await withRedis(async (client) => {
    for await (const keys of client.scanIterator({ MATCH: `${nameOf(folder)}*`, COUNT: 1000 })) {
      if (keys.length > 0) await client.del(keys)
    }
  })
}

async function dropPostgres(folder) {
  const { Client } = require('pg')
  const client = new Client(POSTGRES)
  await client.connect()
  await client.query(`DROP TABLE IF EXISTS "${nameOf(folder)}", "${nameOf(folder)}_locks"`)
  await client.end()
}

async function dropMysql(folder) {
  const connection = await require('mysql2/promise').createConnection(MYSQL)
  await connection.query(`DROP TABLE IF EXISTS \`${nameOf(folder)}\`, \`${nameOf(folder)}_locks\``)
  await connection.end()
}

/** What this package is set up with, by driver. */
const OPTIONS = {
  redis: (folder) => ({ driver: 'redis', connection: { url: REDIS, prefix: `${nameOf(folder)}:` } }),
  postgres: (folder) => ({ driver: 'database', connection: POSTGRES, table: nameOf(folder) }),
  mysql: (folder) => ({ driver: 'database', connection: MYSQL, table: nameOf(folder) }),
}

/** The stores for express-session, by driver: each gets its module and a folder, and gives a store with as many connections. */
const STORES = {
  redis(session, folder) {
    const { RedisStore } = require('connect-redis')
    const client = require('redis').createClient({ url: REDIS })
    client.connect()
    return new RedisStore({ client, prefix: `${nameOf(folder)}:` })
  },
  postgres(session, folder) {
    const { Pool } = require('pg')
    const Store = require('connect-pg-simple')(session)
    const pool = new Pool({ connectionString: POSTGRES, max: 10 })
    return new Store({ pool, tableName: nameOf(folder), createTableIfMissing: true, pruneSessionInterval: false })
  },
  mysql(session, folder) {
    const Store = require('express-mysql-session')(session)
    const pool = require('mysql2/promise').createPool({ uri: MYSQL, connectionLimit: 10 })
    const schema = { tableName: nameOf(folder) }
    return new Store({ createDatabaseTable: true, clearExpired: false, schema }, pool)
  },
}

/** Rows of one statement, where there are many to insert. */
const ROWS = 1000

/** Inserts `count` rows, each of id, column and last activity, into the documented table. */
const BULK = {
  async postgres(folder, count, row) {
    const { Client } = require('pg')
    const client = new Client(POSTGRES)
    await client.connect()
    for (let left = count; left > 0; left -= ROWS) {
      const rows = Array.from({ length: Math.min(left, ROWS) }, row)
      const columns = [0, 1, 2].map((column) => rows.map((values) => values[column]))
      await client.query(`INSERT INTO "${nameOf(folder)}" SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])`, columns)
    }
    await client.query(`ANALYZE "${nameOf(folder)}"`)
    await client.end()
  },
  async mysql(folder, count, row) {
    const connection = await require('mysql2/promise').createConnection(MYSQL)
    for (let left = count; left > 0; left -= ROWS) {
      const rows = Array.from({ length: Math.min(left, ROWS) }, row)
      await connection.query(`INSERT INTO \`${nameOf(folder)}\` (id, payload, lastActivity) VALUES ?`, [rows])
    }
    await connection.end()
  },
}

const DROP = { redis: dropKeys, postgres: dropPostgres, mysql: dropMysql }

module.exports = { OPTIONS, STORES, BULK, DROP }
