'use strict'

/**
 * The native addon, and one sentence for platforms that have none.
 */

const { SessionError } = require('./errors')

try {
  module.exports = require('../binding')
} catch (cause) {
  const { platform, arch } = process
  throw new SessionError(
    'ERR_SESSION_INTERNAL',
    `node-session has no native addon for ${platform} ${arch}; build it with "npm run build" in its folder (Rust needed)`,
    cause
  )
}
