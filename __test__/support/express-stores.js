'use strict'

/*
 * Stores that were made for express-session, over the real servers of this machine: REDIS_URL, POSTGRES_URL and MYSQL_URL name
 * others. Each is made with a place of its own in its storage, which is removed after the file's last test.
 *
 * A description has the `store`; `expiry(id)`, when the store lets a record go, in milliseconds since 1970; `fail()`, after which
 * the store cannot reach its records; and, where a record can be seen, `text(id)`.
 */

const fs = require('fs')
const path = require('path')
const session = require('express-session')

const { later, tempDir } = require('./cleanup')
const { Proxy } = require('./spawned')

const REDIS = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const POSTGRES = process.env.POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/test'
const MYSQL = process.env.MYSQL_URL ?? 'mysql://root@127.0.0.1:3306/test'

let made = 0
/** A name that nothing else has in a shared storage. */
function freshName() {
  made += 1
  return `ns_store_${process.pid}_${made}`
}

function memory() {
  const store = new session.MemoryStore()
  return {
    store,
    expiry: (id) => Date.parse(JSON.parse(store.sessions[id]).cookie.expires),
    text: (id) => store.sessions[id],
    fail: () => { for (const id of Object.keys(store.sessions)) store.sessions[id] = '{"cookie":' },
  }
}

function memorystore() {
  const store = new (require('memorystore')(session))({ checkPeriod: 0 })
  const entry = (id) => store.store.dump().find(({ k }) => k === id)
  return {
    store,
    expiry: (id) => entry(id).e,
    text: (id) => entry(id).v,
    fail: () => { store.serializer = { parse: () => { throw new Error('no') }, stringify: () => { throw new Error('no') } } },
  }
}

function files() {
  const folder = tempDir()
  const store = new (require('session-file-store')(session))({ path: folder, retries: 0, reapInterval: -1, logFn() {} })
  const text = (id) => fs.readFileSync(path.join(folder, `${id}.json`), 'utf8')
  return {
    store,
    text,
    expiry(id) {
      const { __lastAccess, cookie } = JSON.parse(text(id))
      return __lastAccess + cookie.originalMaxAge
    },
    fail() {
      for (const name of fs.readdirSync(folder)) {
        fs.unlinkSync(path.join(folder, name))
        fs.mkdirSync(path.join(folder, name))
      }
    },
  }
}

async function redis(url = REDIS) {
  const { createClient } = require('redis')
  const { RedisStore } = require('connect-redis')
  const make = async (address, reconnectStrategy) => {
    const client = createClient({ url: address, disableOfflineQueue: true, socket: { reconnectStrategy, connectTimeout: 2000 } })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  const own = await make(REDIS, false)
  const [client, prefix] = [await make(url, url === REDIS ? false : 50), `${freshName()}:`]
  later(async () => {
    if (client.isOpen) client.destroy()
    for await (const keys of own.scanIterator({ MATCH: `${prefix}*` })) if (keys.length > 0) await own.del(keys)
    await own.close()
  })
  return {
    store: new RedisStore({ client, prefix }),
    expiry: async (id) => Date.now() + await own.pTTL(prefix + id),
    text: (id) => own.get(prefix + id),
    fail: () => client.destroy(),
  }
}

async function postgres(url = POSTGRES) {
  const { Pool } = require('pg')
  const [own, table] = [new Pool({ connectionString: POSTGRES, connectionTimeoutMillis: 2000 }), freshName()]
  const pool = new Pool({ connectionString: url, connectionTimeoutMillis: 2000 })
  // An idle connection that breaks would end the process.
  pool.on('error', () => {})
  await own.query(`CREATE TABLE ${table} (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamptz(6) NOT NULL)`)
  later(async () => {
    await own.query(`DROP TABLE ${table}`)
    await own.end()
    if (!pool.ended) await pool.end()
  })
  const column = async (what, id) => (await own.query(`SELECT ${what} AS it FROM ${table} WHERE sid = $1`, [id])).rows[0].it
  return {
    store: new (require('connect-pg-simple')(session))({ pool, tableName: table, pruneSessionInterval: false }),
    expiry: async (id) => (await column('expire', id)).getTime(),
    text: (id) => column('sess::text', id),
    fail: () => pool.end(),
  }
}

async function mysql(url = MYSQL) {
  const mysql2 = require('mysql2/promise')
  const table = freshName()
  const [pool, own] = [mysql2.createPool(url), mysql2.createPool(MYSQL)]
  const MySQLStore = require('express-mysql-session')(session)
  const store = new MySQLStore({ clearExpired: false, schema: { tableName: table } }, pool)
  await store.onReady()
  let isOpen = true
  const end = async () => {
    if (isOpen) await pool.end()
    isOpen = false
  }
  later(async () => {
    await own.query(`DROP TABLE ${table}`)
    await own.end()
    await end()
  })
  const column = async (what, id) => (await own.query(`SELECT ${what} AS it FROM ${table} WHERE session_id = ?`, [id]))[0][0].it
  return { store, expiry: async (id) => (await column('expires', id)) * 1000, text: (id) => column('data', id), fail: end }
}

function sqlite() {
  const client = new (require('better-sqlite3'))(path.join(tempDir(), 'store.sqlite'))
  const SqliteStore = require('better-sqlite3-session-store')(session)
  const store = stoppingItsTimers(() => new SqliteStore({ client }))
  const column = (what, id) => client.prepare(`SELECT ${what} FROM sessions WHERE sid = ?`).pluck().get(id)
  return { store, expiry: (id) => Date.parse(column('expire', id)), text: (id) => column('sess', id), fail: () => client.close() }
}

/** What `make` gives; the intervals that it starts, and gives nobody a handle of, end with the file's last test. */
function stoppingItsTimers(make) {
  const { setInterval: usual } = global
  global.setInterval = (...given) => {
    const timer = usual(...given)
    later(() => clearInterval(timer))
    return timer
  }
  try {
    return make()
  } finally {
    global.setInterval = usual
  }
}

/** A store behind a proxy to its server: `{store, proxy}`. */
async function throughProxy(make, address) {
  const url = new URL(address)
  const proxy = await Proxy.start(Number(url.port))
  url.port = String(proxy.port)
  const { store } = await make(url.href)
  return { store, proxy }
}

/** Whether a server's store can be made; the error is told, and in CI it counts. */
async function isThere(name, make) {
  try {
    await make()
    return true
  } catch (error) {
    if (process.env.CI) throw error
    console.warn(`skipped: ${name} cannot be reached (${error.message})`)
    return false
  }
}

module.exports = {
  session,
  isThere,
  remote: [
    ['connect-redis', () => throughProxy(redis, REDIS)],
    ['connect-pg-simple', () => throughProxy(postgres, POSTGRES)],
    ['express-mysql-session', () => throughProxy(mysql, MYSQL)],
  ],
  stores: [
    ['MemoryStore', memory],
    ['memorystore', memorystore],
    ['session-file-store', files],
    ['connect-redis', redis],
    ['connect-pg-simple', postgres],
    ['express-mysql-session', mysql],
    ['better-sqlite3-session-store', sqlite],
  ],
}
