'use strict'

/*
 * The storages that the suites of express-session's store run on, and that sessions are moved between, one row each. Those on
 * database servers are in store-servers.js.
 *
 * A row has `options(dir)`: the options of a store, or of a NodeSession, that keeps its sessions under `dir`, which is the
 * test's own; and `isShared`: whether another store with the same options sees them.
 */

const path = require('path')

const STORES = {
  memory: { isShared: false, options: () => ({ driver: 'memory' }) },
  file: { isShared: true, options: (dir) => ({ driver: 'file', files: path.join(dir, 'sessions') }) },
  'file, sealed': {
    isShared: true,
    options: (dir) => ({ driver: 'file', files: path.join(dir, 'sealed'), encrypt: true, secret: 'a secret of the store, 32 characters' }),
  },
  sqlite: {
    isShared: true,
    options: (dir) => ({ driver: 'database', connection: { adapter: 'sqlite', filename: path.join(dir, 'sessions.sqlite') } }),
  },
}

/** Rows for `describe.each`; `only` chooses among them. */
const storesWhere = (only = () => true) => Object.entries(STORES).filter(([, row]) => only(row))

module.exports = { STORES, storesWhere }
