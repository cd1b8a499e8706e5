'use strict'

/*
 * The database servers that the suites of express-session's store run on, one row each: the options of a store that has a table
 * or keys of its own there, which are removed after the file's last test. REDIS_URL, POSTGRES_URL and MYSQL_URL name
 * other servers than this machine's. One that cannot be reached is reported as skipped; on CI its tests fail.
 */

const { randomBytes } = require('crypto')

const mysqlServer = require('../../torture/mysql')
const postgresServer = require('../../torture/postgres')
const redisServer = require('../../torture/redis')
const { later } = require('./cleanup')

/** A name that nothing else has in a shared storage. */
const freshName = () => `ns_own_${randomBytes(8).toString('hex')}`

/** The options of a store with a table of its own on an SQL server. */
const tableOn = (server, connection) => () => {
  const table = freshName()
  later(() => server.dropTables(table))
  return { driver: 'database', connection, table }
}

function keysOnRedis() {
  const prefix = `${freshName()}:`
  later(() => redisServer.dropKeys(prefix))
  return { driver: 'redis', connection: { url: redisServer.REDIS_URL, prefix } }
}

const SERVERS = [
  ['postgres', postgresServer, tableOn(postgresServer, postgresServer.POSTGRES_URL)],
  ['mysql', mysqlServer, tableOn(mysqlServer, mysqlServer.MYSQL_URL)],
  ['redis', redisServer, keysOnRedis],
]

/** Rows for `describe.each`. */
const servers = SERVERS.filter(([, server]) => server.isAvailable()).map(([name, , options]) => [name, { options }])

module.exports = { servers }
