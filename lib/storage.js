'use strict'

/**
 * Storage that is JavaScript's and not one of the application's handlers: which it is, by the options.
 */

const waterline = require('./waterline')
const { SessionError } = require('./errors')
const DatabaseSessionHandler = require('./handler/DatabaseSessionHandler')
const ExpressStoreHandler = require('./handler/ExpressStoreHandler')

/** What `driver` is where the option `store` says where sessions are kept. */
const STORE = 'store'

/**
 * The storage that the options name for a driver; `undefined` when the engine has it built in.
 *
 * @private
 * @param {object} options of the NodeSession
 * @param {string} driver its name, the first letter lower-case
 * @returns {((engine: Engine) => Storage) | undefined} makes the storage of an engine: `handler`; `readsFirst`, whether a
 *   visitor's first request reads too; `close(limit)` where there is something to close; and `collection(callback)` where
 *   there is one of Waterline's
 */
function storageOf(options, driver) {
  if (driver === STORE && isGiven(options.store)) {
    return (engine) => ({ handler: new ExpressStoreHandler(options.store, engine.native.recordLifetime), readsFirst: false })
  }
  if (driver === 'database' && waterline.isWanted(options)) return (engine) => overWaterline(options, engine)
  return undefined
}

function overWaterline(options, engine) {
  const lifetime = engine.native.recordLifetime
  const { model, collection, close } = waterline.modelFor(options, { patience: engine.readTimeout, lifetime })
  const handler = new DatabaseSessionHandler(model)
  // Activity is not recorded at every request, so a row may be a little older than its session.
  handler.gc = (maxAge) => DatabaseSessionHandler.prototype.gc.call(handler, Math.max(maxAge, lifetime))
  // Compat: every request reads, so a database that is down is an error of new visitors too.
  return { handler, readsFirst: true, collection, close }
}

function isGiven(store) {
  return store !== undefined && store !== null && store !== false
}

/**
 * Checks the option `store`, and lets it be the driver.
 *
 * @private
 * @param {object} options as they will be used; changed
 * @param {string} [driver] option `driver` as it was given
 * @throws {SessionError} `ERR_SESSION_CONFIG`
 */
function settleStore(options, driver) {
  const { store } = options
  if (!isGiven(store)) return
  const isStore = ['get', 'set', 'destroy'].every((method) => typeof store[method] === 'function')
  if (!isStore) {
    const allowed = 'a store of express-session: an object with the methods `get`, `set` and `destroy`'
    throw new SessionError('ERR_SESSION_CONFIG', `option \`store\` must be ${allowed}`)
  }
  if (driver && driver !== STORE) {
    throw new SessionError('ERR_SESSION_CONFIG', 'option `driver` must be left out where option `store` says where sessions are kept')
  }
  if (options.connection) {
    throw new SessionError('ERR_SESSION_CONFIG', 'option `connection` must be left out where option `store` says where sessions are kept')
  }
  options.driver = STORE
}

/**
 * What the application is told of a connection that is not used, because nothing says so.
 *
 * @private
 * @param {object} options as they are used
 * @param {string} [driver] option `driver` as it was given
 * @returns {string | undefined}
 */
function unusedConnection(options, driver) {
  if (driver || !options.connection || options.driver !== 'file') return undefined
  return 'option `connection` is not used: with an adapter of Waterline\'s, sessions are kept in files unless option `driver` is ' +
    "'database', as with node-session 1.2.1"
}

module.exports = { settleStore, storageOf, unusedConnection }
