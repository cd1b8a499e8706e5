'use strict'

/**
 * The drivers that the workloads are pointed at, one description each. A driver joins all of them with its description here.
 *
 * - `options(folder)` gives the NodeSession options for storage of its own: inside the folder, which is empty, or elsewhere under
 *   the folder's name, which no other run has; `drop(folder)`, where there is one, removes what is elsewhere.
 * - `isShared` tells whether several processes with these options see the same sessions.
 * - `isAvailable()`, where there is one, tells whether the storage can be reached from here.
 * - `isSlow` tells that each save waits for a disk elsewhere: the suites in `__test__/` then play the `brief` size of what has one.
 * - `suite` is what the suites in `__test__/` call the driver.
 */

const path = require('node:path')
const mysql = require('./mysql')
const redis = require('./redis')
const postgres = require('./postgres')

const DRIVERS = {
  memory: {
    suite: 'memory',
    isShared: false,
    options: () => ({ driver: 'memory' }),
  },
  file: {
    suite: 'file',
    isShared: true,
    options: (folder) => ({ driver: 'file', files: path.join(folder, 'sessions') }),
  },
  sqlite: {
    suite: 'database',
    isShared: true,
    options: (folder) => ({
      driver: 'database',
      connection: { adapter: 'sqlite', filename: path.join(folder, 'sessions.sqlite') },
    }),
  },
  mysql: {
    suite: 'mysql',
    isShared: true,
    isSlow: true,
    isAvailable: mysql.isAvailable,
    options: (folder) => ({ driver: 'database', connection: mysql.MYSQL_URL, table: mysql.tableOf(folder) }),
    drop: (folder) => mysql.dropTables(mysql.tableOf(folder)),
  },
  redis: {
    suite: 'redis',
    isShared: true,
    isAvailable: redis.isAvailable,
    options: (folder) => ({ driver: 'redis', connection: { url: redis.REDIS_URL, prefix: redis.prefixOf(folder) } }),
    drop: (folder) => redis.dropKeys(redis.prefixOf(folder)),
  },
  postgres: {
    suite: 'postgres',
    isShared: true,
    isSlow: true,
    isAvailable: postgres.isAvailable,
    options: (folder) => ({ driver: 'database', connection: postgres.POSTGRES_URL, table: postgres.tableOf(folder) }),
    drop: (folder) => postgres.dropTables(postgres.tableOf(folder)),
  },
}

/** The names of the drivers that can be used here. */
const available = Object.keys(DRIVERS).filter((name) => DRIVERS[name].isAvailable?.() ?? true)

module.exports = { DRIVERS, available }
