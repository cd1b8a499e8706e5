'use strict'

/**
 * Runs when the package is installed: builds the addon where no prebuilt one fits and cargo is there. Never fails an
 * install; without an addon, `require('node-session')` says what to do.
 */

const addon = require('./addon')

function hasPrebuilt() {
  try {
    require('../binding')
    return true
  } catch {
    return false
  }
}

if (!process.env.NODE_SESSION_SKIP_BUILD && !hasPrebuilt() && addon.hasCargo()) {
  console.log('node-session: building the native addon…')
  if (!addon.build()) console.log('node-session: the build failed; run "npm run build" in its folder to see why')
}
