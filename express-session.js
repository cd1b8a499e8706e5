'use strict'

/**
 * A store for express-session and @fastify/session over the drivers of this package.
 */

const Store = require('./lib/express-session/Store')

module.exports = Store
module.exports.Store = Store
