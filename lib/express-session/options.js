'use strict'

/**
 * The options of a store: those of a NodeSession that tell where and how sessions are stored.
 */

const native = require('../native')
const { Engine } = require('../engine')
const { SessionError } = require('../errors')
const { driverOf, merge } = require('../config')
const { storageOf } = require('../storage')

const KNOWN = [
  'driver', 'files', 'connection', 'table', 'durability', 'maxSessions', 'maxBytes', 'lifetime', 'touchInterval', 'lottery',
  'readTimeout', 'saveTimeout', 'encrypt', 'secret', 'onCorrupt',
]

/** What is otherwise here than for a NodeSession: a session whose cookie tells no end lasts for a day. Units: milliseconds. */
const DEFAULTS = { lifetime: 86400000, touchInterval: 0 }

function refused(message) {
  return new SessionError('ERR_SESSION_CONFIG', message)
}

/**
 * The engine for a store's options, or that of a NodeSession.
 *
 * @private
 * @throws {SessionError} `ERR_SESSION_CONFIG`
 * @returns {{engine: Engine, isOwn: boolean, onCorrupt: string | undefined}} `isOwn`: nobody else uses the engine
 */
function engineOf(options = {}) {
  if (options === null || typeof options !== 'object') throw refused('a store takes options, or a NodeSession')
  const manager = options.__manager
  if (typeof manager?.__engine === 'function') {
    const driver = manager.getDefaultDriver()
    const isOurs = !manager.__isCustom(driver) && storageOf(options.__config, driver) === undefined
    if (!isOurs) throw refused(`a store cannot be had over the handler \`${driver}\``)
    return { engine: manager.__engine(), isOwn: false, onCorrupt: options.__config.onCorrupt }
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) throw refused(`option \`${name}\` is none of a store's; there are ${KNOWN.join(', ')}`)
  }
  if (options.encrypt && !options.secret) throw refused('option `encrypt` needs option `secret`')
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  given.driver = driverOf(given, 'database')
  const engine = new Engine(merge({ secret: native.generateId(), ...DEFAULTS, ...given }))
  return { engine, isOwn: true, onCorrupt: options.onCorrupt }
}

module.exports = { engineOf }
