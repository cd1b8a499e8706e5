'use strict'

/**
 * The options as the application can read them back: what it gave, over the defaults. The engine checks them.
 */

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
  return merged
}

module.exports = { merge }
