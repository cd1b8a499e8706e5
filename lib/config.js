'use strict'

/**
 * The options as the application can read them back: what it gave, over the defaults. The engine checks them.
 */

const native = require('./native')

/** Compat: the defaults in `index.js` of node-session 1.2.1. */
function defaults() {
  return {
    driver: 'file',
    lifetime: 300000,
    expireOnClose: false,
    files: `${process.cwd()}/sessions`,
    connection: false,
    table: 'sessions',
    lottery: [2, 100],
    cookie: 'node_session',
    path: '/',
    domain: null,
    secure: false,
    httpOnly: true,
    encrypt: false,
  }
}

function isPlain(value) {
  return Object.prototype.toString.call(value) === '[object Object]'
}

/**
 * The driver that options name, or that follows from their `connection` where they name none.
 *
 * @private
 * @param {{driver?: string, connection?: object | string | false}} options
 * @param {string} [otherwise] what it is where nothing follows. Compat: files, also with a connection of Waterline's
 * @returns {string}
 */
function driverOf({ driver, connection }, otherwise = 'file') {
  if (driver || !connection) return driver || 'file'
  return native.impliedDriver({ connection }) ?? otherwise
}

/**
 * Merges options over the defaults. `undefined` keeps a default; plain objects are copied, but never a store.
 *
 * @private
 * @param {object} [options]
 * @returns {object}
 */
function merge(options) {
  const merged = defaults()
  for (const [name, value] of Object.entries(options ?? {})) {
    if (value === undefined) continue
    merged[name] = isPlain(value) && name !== 'store' ? { ...value } : value
  }
  if (Array.isArray(merged.lottery)) merged.lottery = Object.assign(defaults().lottery, merged.lottery)
  // Compat: what was given in place of a driver's name can be read back, unless a connection says more.
  if (merged.connection) merged.driver = driverOf({ ...merged, driver: options.driver })
  return merged
}

module.exports = { driverOf, merge }
