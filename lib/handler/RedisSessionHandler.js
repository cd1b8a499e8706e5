'use strict'

/**
 * Sessions in the Redis driver of an engine, as JavaScript can see and call it.
 */

const { defineMethods } = require('./native')

/**
 * Made by the session manager alone.
 *
 * @private
 */
function RedisSessionHandler() {}

defineMethods(RedisSessionHandler)

module.exports = RedisSessionHandler
