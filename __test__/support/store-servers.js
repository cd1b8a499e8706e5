'use strict'

/*
 * The database servers that the suites of express-session's store run on, one row each: the options of a store that has a table
 * or keys of its own there, which are removed after the file's last test. REDIS_URL, POSTGRES_URL and MYSQL_URL name
 * other servers than this machine's. One that cannot be reached is reported as skipped; on CI its tests fail.
 */

const { spawnSync } = require('child_process')
const { randomBytes } = require('crypto')

const { later } = require('./cleanup')

const REDIS = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const POSTGRES = process.env.POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/test'
const MYSQL = process.env.MYSQL_URL ?? 'mysql://root@127.0.0.1:3306/test'

/** A name that nothing else has in a shared storage. */
const freshName = () => `ns_own_${randomBytes(8).toString('hex')}`

function postgres() {
  const table = freshName()
  later(async () => {
    const { Client } = require('pg')
    const client = new Client(POSTGRES)
    await client.connect()
    await client.query(`DROP TABLE IF EXISTS "${table}", "${table}_locks"`)
    await client.end()
  })
  return { driver: 'database', connection: POSTGRES, table }
}

function mysql() {
  const table = freshName()
  later(async () => {
    const connection = await require('mysql2/promise').createConnection(MYSQL)
    await connection.query(`DROP TABLE IF EXISTS \`${table}\`, \`${table}_locks\``)
    await connection.end()
  })
  return { driver: 'database', connection: MYSQL, table }
}

function redis() {
  const prefix = `${freshName()}:`
  later(async () => {
    const client = require('redis').createClient({ url: REDIS })
    await client.connect()
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
      if (keys.length > 0) await client.del(keys)
    }
    await client.close()
  })
  return { driver: 'redis', connection: { url: REDIS, prefix } }
}

const SERVERS = [
  ['postgres', { url: POSTGRES, options: postgres }],
  ['mysql', { url: MYSQL, options: mysql }],
  ['redis', { url: REDIS, options: redis }],
]

/** Whether something listens there. Asked in another process, since rows are needed at once. */
function isReachable(url) {
  const { hostname, port } = new URL(url)
  const ask = 'require("net").connect(process.argv[2], process.argv[1]).on("connect", () => process.exit(0)).on("error", () => process.exit(1))'
  return spawnSync(process.execPath, ['-e', ask, hostname, port], { timeout: 5000 }).status === 0
}

/** Rows for `describe.each`. */
const servers = SERVERS.filter(([name, { url }]) => {
  if (process.env.CI !== undefined || isReachable(url)) return true
  console.warn(`skipped: ${name} cannot be reached`)
  return false
})

module.exports = { servers }
