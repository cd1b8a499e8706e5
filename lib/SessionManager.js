'use strict'

/**
 * Makes sessions: of the built-in drivers, and of drivers that the application registers.
 *
 * Compat: `lib/SessionManager.js` of node-session 1.2.1.
 */

const util = require('node:util')
const native = require('./native')
const { Engine } = require('./engine')
const { driverOf, merge } = require('./config')
const { SessionError } = require('./errors')
const { Opened, keepUntilCollected } = require('./session')
const { kEngine, kHandler } = require('./symbols')
const { storageOf } = require('./storage')
const { over } = require('./handler/native')
const { modelOver } = require('./handler/model')
const FileSessionHandler = require('./handler/FileSessionHandler')
const MemorySessionHandler = require('./handler/MemorySessionHandler')
const DatabaseSessionHandler = require('./handler/DatabaseSessionHandler')
const RedisSessionHandler = require('./handler/RedisSessionHandler')
const EncryptedStore = require('./store/EncryptedStore')

const HANDLERS = {
  file: FileSessionHandler,
  memory: MemorySessionHandler,
  database: DatabaseSessionHandler,
  redis: RedisSessionHandler,
}

/**
 * @public
 * @param {object} config the options of a NodeSession; without a secret it makes sessions, but reads no cookies
 * @param {{encrypt(text: string): string, decrypt(text: string): string}} [encrypter]
 */
function SessionManager(config, encrypter) {
  Object.defineProperty(this, '__config', { value: config, writable: true, configurable: true })
  Object.defineProperty(this, '__customCreators', { value: Object.create(null), writable: true })
  Object.defineProperty(this, '__encrypter', { value: encrypter, writable: true })
  Object.defineProperty(this, '__engines', { value: new Map() })
  /** The engine that was asked for last, and the name it was asked for by: every request asks twice. */
  Object.defineProperty(this, '__latest', { value: { name: undefined, engine: undefined } })
  if (config?.secret) this.__engine()
}

/** The engine of a built-in driver. */
SessionManager.prototype.__engine = function __engine(name = this.getDefaultDriver()) {
  const { __latest: latest } = this
  if (latest.name !== name || latest.engine === undefined) {
    latest.engine = this.__engineNamed(name)
    latest.name = name
  }
  return latest.engine
}

SessionManager.prototype.__engineNamed = function __engineNamed(name) {
  const given = String(name)
  const driver = given.charAt(0).toLowerCase() + given.slice(1)
  let engine = this.__engines.get(driver)
  if (engine === undefined) {
    engine = this.__makeEngine(name, driver)
    this.__engines.set(driver, engine)
  }
  return engine
}

SessionManager.prototype.__makeEngine = function __makeEngine(name, driver) {
  const { store, ...options } = { ...merge(this.__config), driver: name }
  options.secret ||= native.generateId()
  const makeStorage = storageOf({ ...options, store }, driver)
  // With storage of JavaScript's the driver that the engine has of its own stays empty.
  const engine = new Engine(makeStorage === undefined ? options : { ...options, driver: 'memory', connection: false })
  if (makeStorage === undefined) {
    const Handler = HANDLERS[engine.driver]
    engine.handler = Handler && over(Handler, engine)
  } else {
    engine.storage = makeStorage(engine)
    engine.handler = engine.storage.handler
  }
  return engine
}

/**
 * Waits until no engine has an operation under way, but not for longer than `limit` milliseconds, and closes connections to
 * storages; those of JavaScript's within as long again.
 */
SessionManager.prototype.__drained = async function __drained(limit) {
  const close = async (engine) => {
    await engine.drained(limit)
    try {
      engine.native.disconnect()
    } catch {
      // What stays open then ends with the process; whoever closes cannot do more about it.
    }
    await engine.storage?.close?.(limit)
  }
  await Promise.all([...this.__engines.values()].map(close))
}

/** Reads a session that nobody has: whether the storage answers. Rejects with its error, also for a driver there is not. */
SessionManager.prototype.__ready = function __ready() {
  return new Promise((resolve, reject) => {
    this.driver(null, (session) => {
      if (session[kEngine].storage !== undefined) {
        // Loading has a time limit, and makes errors of what adapters and stores call back with.
        session.start((error) => (error ? reject(error) : resolve()))
        return
      }
      session.getHandler().read(native.generateId(), (answer) => {
        if (answer instanceof Error) reject(answer)
        else resolve()
      })
    })
  })
}

/** Whether sessions of that name come from a function of the application's. */
SessionManager.prototype.__isCustom = function __isCustom(driver) {
  return driver in this.__customCreators
}

SessionManager.prototype.getDefaultDriver = function getDefaultDriver() {
  return this.__config.driver || driverOf(this.__config)
}

/**
 * Gives a session that is not started.
 *
 * @public
 * @param {string | null} driver a name, or `null` for the configured driver
 * @param {(session: Store) => void} callback
 * @throws {Error} when there is no driver of that name
 */
SessionManager.prototype.driver = function driver(name, callback) {
  this.__createDriver(name || this.getDefaultDriver(), callback)
}

SessionManager.prototype.__createDriver = function __createDriver(driver, callback) {
  if (this.__isCustom(driver)) {
    this.__callCustomCreator(driver, callback)
    return
  }
  const engine = this.__engine(driver)
  if (engine.handler === undefined) {
    throw new SessionError('ERR_SESSION_CONFIG', `Driver ${driver} not supported.`)
  }
  const session = this.__open(engine, native.newSession(engine.number))
  session[kHandler] = engine.storage?.handler
  keepUntilCollected(session)
  callback(session)
}

SessionManager.prototype.__callCustomCreator = function __callCustomCreator(driver, callback) {
  this.__customCreators[driver](this.__config, callback)
}

/**
 * Adds a driver.
 *
 * @public
 * @param {string} driver its name; takes precedence over a built-in one
 * @param {(config: object, callback: (session: Store) => void) => void} creator calls back with a session, best made by
 *   `manager.__buildSession(handler)`
 * @returns {SessionManager}
 */
SessionManager.prototype.registerHandler = function registerHandler(driver, creator) {
  this.__customCreators[driver] = creator
  return this
}

SessionManager.prototype.__createMemoryDriver = function __createMemoryDriver(callback) {
  this.__createDriver('memory', callback)
}

SessionManager.prototype.__createFileDriver = function __createFileDriver(callback) {
  this.__createDriver('file', callback)
}

SessionManager.prototype.__createNativeDriver = function __createNativeDriver(callback) {
  this.__createDriver('file', callback)
}

SessionManager.prototype.__createDatabaseDriver = function __createDatabaseDriver(callback) {
  this.__createDriver('database', callback)
}

/**
 * Compat: the model of the session table: Waterline's, or with a built-in database one that has the methods which
 * `DatabaseSessionHandler` needs. Where Waterline's cannot be opened, the second argument tells why.
 */
SessionManager.prototype.__getSessionModel = function __getSessionModel(callback) {
  this.__createSessionModel(callback)
}

SessionManager.prototype.__createSessionModel = function __createSessionModel(callback) {
  const { storage, handler } = this.__engine('database')
  if (storage?.collection === undefined) callback(modelOver(handler))
  else storage.collection(callback)
}

/**
 * A session over a handler, encrypted when the options say so.
 *
 * @public
 * @param {object} handler
 * @returns {Store}
 */
SessionManager.prototype.__buildSession = function __buildSession(handler) {
  const engine = this.__engine()
  const session = this.__open(engine, native.newSession(engine.number))
  session[kHandler] = handler
  keepUntilCollected(session)
  return session
}

/** A session that the engine knows by its number. */
SessionManager.prototype.__open = function __open(engine, number, live = {}) {
  const name = this.__config.cookie ?? 'node_session'
  if (!this.__config.encrypt) return new Opened(engine, number, name, live)
  return EncryptedStore.opened(engine, number, name, live, this.__encrypter)
}

SessionManager.prototype.setEncrypter = function setEncrypter(encrypter) {
  this.__encrypter = encrypter
}

SessionManager.prototype[util.inspect.custom] = function inspect() {
  return `SessionManager { driver: '${this.getDefaultDriver()}' }`
}

module.exports = SessionManager
