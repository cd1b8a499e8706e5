'use strict'

/*
 * The drivers that the fault suites in storage-faults/ run on, one description each. A driver joins them by a row here.
 *
 * A description has
 * - `name`: what the tests are called by;
 * - `options(dir)`: the options of a NodeSession that keeps its sessions under `dir`, which is the test's own;
 * - `isShared`: whether what is stored outlives the process, so that another one goes on with it;
 * - `faults`: which kinds of fault it can meet: `files` (system calls on files, disks, folders), `database` (an SQLite file),
 *   `records` (what is stored can be looked at and changed from outside), `modes` (the storage itself answers with errors);
 * - `ids(server)`, `read(server, id)`, `plant(server, id, payload)`, `remove(server, id)`: the records as somebody else sees and
 *   changes them, by promises; `read` gives `undefined` for none; `age(server, id, ms)` lets the last activity lie that far back;
 *   what a driver lacks of these is `undefined`, and the tests that need it leave the driver out;
 * - `isAvailable()`, where there is one: whether its server can be reached from here; on CI it has to be;
 * - `leftovers(names)`: of the names of the files under `dir`, those that belong to no record.
 */

const fs = require('fs')
const path = require('path')
const Database = require('better-sqlite3')

const mysqlServer = require('../../torture/mysql')
const redisServer = require('../../torture/redis')
const postgresServer = require('../../torture/postgres')
const { later } = require('./cleanup')

const ID = /^[A-Za-z0-9_-]{40}$/

const folder = (server) => server.config.files
const file = {
  faults: ['files', 'records'],
  isShared: true,
  options: (dir) => ({ driver: 'file', files: path.join(dir, 'sessions') }),
  ids: async (server) => fs.readdirSync(folder(server)).filter((name) => ID.test(name)),
  read: async (server, id) => {
    const name = path.join(folder(server), id)
    return fs.existsSync(name) ? fs.readFileSync(name, 'utf8') : undefined
  },
  plant: async (server, id, payload) => {
    fs.mkdirSync(folder(server), { recursive: true })
    fs.writeFileSync(path.join(folder(server), id), payload)
  },
  remove: async (server, id) => fs.unlinkSync(path.join(folder(server), id)),
  age: async (server, id, ms) => {
    const seconds = (Date.now() - ms) / 1000
    fs.utimesSync(path.join(folder(server), id), seconds, seconds)
  },
  leftovers: (names) => {
    const kept = new Set(names.map((name) => path.basename(name)).filter((name) => ID.test(name)))
    const isKept = (name) => kept.has(name.replace(/^\.node-session-/, ''))
    return names.filter((name) => name !== 'sessions' && !isKept(path.basename(name)))
  },
}

/** Opens the database file of a server, which runs in another process, for one piece of work. */
function withTable(server, work) {
  const database = new Database(`${server.config.files}.sqlite`)
  try {
    database.pragma('busy_timeout = 2000')
    return work(database)
  } finally {
    database.close()
  }
}
const one = (server, sql, ...values) => withTable(server, (database) => database.prepare(sql).run(...values))
const database = {
  faults: ['files', 'database', 'records'],
  isShared: true,
  options: (dir) => ({ driver: 'database', files: path.join(dir, 'sessions'), touchInterval: 0 }),
  ids: async (server) => withTable(server, (table) => table.prepare('SELECT id FROM sessions').pluck().all()),
  read: async (server, id) => withTable(server, (table) => table.prepare('SELECT payload FROM sessions WHERE id = ?').pluck().get(id)),
  plant: async (server, id, payload) => {
    const text = Buffer.isBuffer(payload) ? payload : JSON.stringify(payload)
    one(server, 'INSERT OR REPLACE INTO sessions (id, payload, lastActivity) VALUES (?, ?, ?)', id, text, Date.now())
  },
  remove: async (server, id) => one(server, 'DELETE FROM sessions WHERE id = ?', id),
  age: async (server, id, ms) => one(server, 'UPDATE sessions SET lastActivity = ? WHERE id = ?', Date.now() - ms, id),
  leftovers: (names) => names.filter((name) => !/^sessions\.sqlite(-wal|-shm)?$/.test(name)),
}

const tableOf = (server) => server.config.table
const mysql = {
  faults: ['records'],
  isShared: true,
  isAvailable: mysqlServer.isAvailable,
  options: (dir) => {
    const table = mysqlServer.tableOf(dir)
    if (dir) later(() => mysqlServer.dropTables(table))
    return { driver: 'database', connection: mysqlServer.MYSQL_URL, table, touchInterval: 0 }
  },
  ids: async (server) => (await mysqlServer.query('SELECT id FROM ??', [tableOf(server)])).map((row) => row.id),
  read: async (server, id) => {
    const rows = await mysqlServer.query('SELECT payload FROM ?? WHERE id = ?', [tableOf(server), id])
    return rows[0]?.payload
  },
  plant: async (server, id, payload) => {
    const text = Buffer.isBuffer(payload) ? payload : JSON.stringify(payload)
    const values = [tableOf(server), id, text, Date.now()]
    await mysqlServer.query('REPLACE INTO ?? (id, payload, lastActivity) VALUES (?, ?, ?)', values)
  },
  remove: (server, id) => mysqlServer.query('DELETE FROM ?? WHERE id = ?', [tableOf(server), id]),
  age: (server, id, ms) => mysqlServer.query('UPDATE ?? SET lastActivity = ? WHERE id = ?', [tableOf(server), Date.now() - ms, id]),
}

/** The key of a session of a server. */
const key = (server, id) => server.config.connection.prefix + id
const redis = {
  recordsOnLoad: true,
  faults: ['records'],
  isShared: true,
  isAvailable: redisServer.isAvailable,
  options: (dir) => {
    const prefix = redisServer.prefixOf(dir)
    if (dir) later(() => redisServer.dropKeys(prefix))
    return { driver: 'redis', connection: { url: redisServer.REDIS_URL, prefix } }
  },
  ids: async (server) => {
    const { prefix } = server.config.connection
    const keys = await redisServer.use((client) => client.keys(`${prefix}*`))
    return keys.map((name) => name.slice(prefix.length)).filter((name) => ID.test(name))
  },
  read: async (server, id) => (await redisServer.use((client) => client.hGet(key(server, id), 'payload'))) ?? undefined,
  plant: (server, id, payload) => redisServer.use((client) => client.hSet(key(server, id), { payload, lastActivity: Date.now() })),
  remove: (server, id) => redisServer.use((client) => client.del(key(server, id))),
  age: (server, id, ms) => redisServer.use((client) => client.hSet(key(server, id), { lastActivity: Date.now() - ms })),
}

/** A statement about the table of a server. */
const onPostgres = (server, sql, ...values) => postgresServer.query(sql.replace('TABLE_NAME', `"${server.config.table}"`), values)
const postgres = {
  faults: ['records'],
  isShared: true,
  isAvailable: postgresServer.isAvailable,
  options: (dir) => {
    const table = postgresServer.tableOf(dir)
    if (table !== '') later(() => postgresServer.dropTables(table))
    return { driver: 'database', connection: postgresServer.POSTGRES_URL, table, touchInterval: 0 }
  },
  ids: async (server) => (await onPostgres(server, 'SELECT "id" FROM TABLE_NAME')).map((row) => row.id),
  read: async (server, id) => (await onPostgres(server, 'SELECT "payload" FROM TABLE_NAME WHERE "id" = $1', id))[0]?.payload,
  plant: async (server, id, payload) => {
    const text = Buffer.isBuffer(payload) ? payload.toString() : JSON.stringify(payload)
    const sql = `INSERT INTO TABLE_NAME ("id", "payload", "lastActivity") VALUES ($1, $2, $3)
      ON CONFLICT ("id") DO UPDATE SET "payload" = excluded."payload", "lastActivity" = excluded."lastActivity"`
    await onPostgres(server, sql, id, text, Date.now())
  },
  remove: (server, id) => onPostgres(server, 'DELETE FROM TABLE_NAME WHERE "id" = $1', id),
  age: (server, id, ms) => onPostgres(server, 'UPDATE TABLE_NAME SET "lastActivity" = $2 WHERE "id" = $1', id, Date.now() - ms),
}

const memory = {
  faults: ['records'],
  isShared: false,
  options: () => ({ driver: 'memory' }),
  // What is in memory can only be reached through the process: by a handler.
  remove: (server, id) => server.visit(server.agent(), ['removes', id]),
}

const handler = {
  faults: ['records', 'modes'],
  isShared: false,
  options: () => ({ driver: 'custom', touchInterval: 0 }),
  read: async (server, id) => (await server.ask('stored', id)) ?? undefined,
  plant: (server, id, payload) => server.ask('plant', id, String(payload)),
  remove: (server, id) => server.ask('remove', id),
}

const sealed = (driver) => ({ ...driver, options: (dir) => ({ ...driver.options(dir), encrypt: true }), isSealed: true })
const lasting = (driver) => ({ ...driver, options: (dir) => ({ ...driver.options(dir), durability: 'disk' }) })

const ALL = [
  { name: 'memory', ...memory },
  { name: 'memory, sealed', ...sealed(memory) },
  { name: 'file', ...file },
  { name: 'file, sealed', ...sealed(file) },
  { name: 'file, to the disk', ...lasting(file), isLasting: true },
  { name: 'database', ...database },
  { name: 'database, sealed', ...sealed(database) },
  { name: 'database, to the disk', ...lasting(database), isLasting: true },
  { name: 'mysql', ...mysql },
  { name: 'mysql, sealed', ...sealed(mysql) },
  { name: 'redis', ...redis },
  { name: 'redis, sealed', ...sealed(redis) },
  { name: 'postgres', ...postgres },
  { name: 'postgres, sealed', ...sealed(postgres) },
  { name: 'handler', ...handler },
  { name: 'handler, sealed', ...sealed(handler) },
]

const DRIVERS = ALL.filter((driver) => driver.isAvailable?.() ?? true)

/** The drivers that can meet a kind of fault, as rows for `describe.each`; `only` chooses among them. */
function driversWith(fault, only = () => true) {
  return DRIVERS.filter((driver) => driver.faults.includes(fault) && only(driver)).map((driver) => [driver.name, driver])
}

module.exports = { DRIVERS, driversWith }
