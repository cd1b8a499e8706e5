'use strict'

/**
 * The session libraries under comparison, each as it is set up by its own documentation.
 *
 * A contender opens a request's session; what is then done with the session is written once for each of the two ways in
 * which these libraries show one: by methods, or as a plain object.
 */

const path = require('node:path')
const { OPTIONS, STORES, DROP } = require('./servers')
const { SMALL, LARGE } = require('./workloads')

const SECRET = 'Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD'

/** As long as the cookies of the others. */
const CONSTANT_COOKIE =
  'node_session=s%3A6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEXFLiTRPTe38j%2FA4D0yZlLVkNuZeym1KAu6s; ' +
  'Max-Age=300; Path=/; Expires=Mon, 05 Jan 2026 08:30:00 GMT; HttpOnly'

/** What the routes do with a session that has methods. Each gives the response's body; `undefined` is a lost value. */
const byMethods = {
  '/fill': (req) => {
    req.session.put(SMALL)
    return 'filled'
  },
  '/fill-large': (req) => {
    req.session.put(LARGE)
    return 'filled'
  },
  '/read': (req) => req.session.get('user.address.city'),
  '/write': (req) => {
    const count = req.session.get('count')
    req.session.put('count', (count ?? 0) + 1)
    return count
  },
  '/new': (req) => {
    req.session.put('count', 1)
    return 'made'
  },
}

/** The same for a session that is an object. */
const byProperties = {
  '/fill': (req) => {
    Object.assign(req.session, SMALL)
    return 'filled'
  },
  '/fill-large': (req) => {
    Object.assign(req.session, LARGE)
    return 'filled'
  },
  '/read': (req) => req.session.user?.address.city,
  '/write': (req) => {
    const { count } = req.session
    req.session.count = (count ?? 0) + 1
    return count
  },
  '/new': (req) => {
    req.session.count = 1
    return 'made'
  },
}

/** The same for no session at all. */
const byConstants = {
  '/fill': () => 'filled',
  '/fill-large': () => 'filled',
  '/read': () => SMALL.user.address.city,
  '/write': () => 1,
  '/new': () => 'made',
}

/** What nothing that sets a cookie can go below. */
function floor() {
  return (req, res, next) => {
    const { writeHead, end } = res
    res.writeHead = (...given) => {
      res.setHeader('set-cookie', CONSTANT_COOKIE)
      return writeHead.apply(res, given)
    }
    res.end = (...given) => end.apply(res, given)
    next()
  }
}

/** This package and the original take the same options. */
function nodeSession(name, options) {
  return (folder) => {
    const NodeSession = require(name)
    const sessions = new NodeSession({ secret: SECRET, ...options(folder) })
    return (req, res, next) => sessions.startSession(req, res, next)
  }
}

function expressSession(makeStore) {
  return (folder) => {
    const session = require('express-session')
    const store = makeStore(session, folder)
    const cookie = { maxAge: 300000 }
    return session({ secret: SECRET, store, cookie, resave: false, rolling: true, saveUninitialized: true })
  }
}

function fileStore(session, folder) {
  const FileStore = require('session-file-store')(session)
  return new FileStore({ path: folder, logFn: () => {} })
}

/** With the journal and the durability that this package's own database has. */
function sqliteStore(session, folder) {
  const Database = require('better-sqlite3')
  const SqliteStore = require('better-sqlite3-session-store')(session)
  const client = new Database(path.join(folder, 'theirs.sqlite'))
  client.pragma('journal_mode = WAL')
  client.pragma('synchronous = NORMAL')
  return new SqliteStore({ client })
}

function cookieSession() {
  return require('cookie-session')({ name: 'session', keys: [SECRET], maxAge: 300000 })
}

const OURS = path.join(__dirname, '..')
const ORIGINAL = 'node-session-original'

const memory = () => ({ driver: 'memory' })
const file = (folder) => ({ driver: 'file', files: folder })
const database = (folder) => {
  const connection = { adapter: 'sqlite', filename: path.join(folder, 'ours.sqlite') }
  return { driver: 'database', connection, table: 'sessions' }
}

/** This package and a store of express-session on one database server. */
function onServer(driver, store) {
  const drop = DROP[driver]
  return {
    [`ours, ${driver}`]: { driver, make: nodeSession(OURS, OPTIONS[driver]), routes: byMethods, drop },
    [`express-session, ${store}`]: { driver, make: expressSession(STORES[driver]), routes: byProperties, drop },
  }
}

/**
 * By name. `make` gets an empty folder and gives what opens a request's session; `routes` is what is then done with it; `drop`,
 * where there is one, removes what was kept elsewhere under the folder's name.
 */
const CONTENDERS = {
  floor: { driver: undefined, make: floor, routes: byConstants },
  'ours, memory': { driver: 'memory', make: nodeSession(OURS, memory), routes: byMethods },
  'node-session 1.2.1, memory': { driver: 'memory', make: nodeSession(ORIGINAL, memory), routes: byMethods },
  'express-session, MemoryStore': {
    driver: 'memory',
    make: expressSession((session) => new session.MemoryStore()),
    routes: byProperties,
  },
  'cookie-session': { driver: 'memory', make: cookieSession, routes: byProperties, without: ['large'] },
  'ours, file': { driver: 'file', make: nodeSession(OURS, file), routes: byMethods },
  'node-session 1.2.1, file': { driver: 'file', make: nodeSession(ORIGINAL, file), routes: byMethods },
  'express-session, session-file-store': { driver: 'file', make: expressSession(fileStore), routes: byProperties },
  'ours, database': { driver: 'database', make: nodeSession(OURS, database), routes: byMethods },
  'express-session, better-sqlite3-session-store': {
    driver: 'database',
    make: expressSession(sqliteStore),
    routes: byProperties,
  },
  ...onServer('redis', 'connect-redis'),
  ...onServer('postgres', 'connect-pg-simple'),
  ...onServer('mysql', 'express-mysql-session'),
}

/** `database` is SQLite; the last three need their servers (`servers.js`). */
const DRIVERS = ['memory', 'file', 'database', 'redis', 'postgres', 'mysql']

/** What this package is set up with on a driver, given a folder. */
const SETTINGS = { memory, file, database, ...OPTIONS }

/** The contenders to run for a driver, or for all of them. */
function contendersFor(driver) {
  const isWanted = (contender) => [undefined, driver ?? contender.driver].includes(contender.driver)
  return Object.keys(CONTENDERS).filter((name) => isWanted(CONTENDERS[name]))
}

module.exports = { CONTENDERS, DRIVERS, SECRET, SETTINGS, contendersFor }
