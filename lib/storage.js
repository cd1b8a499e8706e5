'use strict'

/**
 * Storage that is JavaScript's and not one of the application's handlers: which it is, by the options.
 */

const waterline = require('./waterline')
const DatabaseSessionHandler = require('./handler/DatabaseSessionHandler')

/**
 * The storage that the options name for a driver; `undefined` when the engine has it built in.
 *
 * @private
 * @param {object} options of the NodeSession
 * @param {string} driver its name, the first letter lower-case
 * @returns {((engine: Engine) => Storage) | undefined} makes the storage of an engine: `handler`; `readsFirst`, whether a
 *   visitor's first request reads too; `close(limit)`; and `collection(callback)` where there is one of Waterline's
 */
function storageOf(options, driver) {
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

module.exports = { storageOf }
