'use strict'

/**
 * The secret that signs the session cookie.
 *
 * It comes from the environment, as it should in production. Without one, the demo makes a random secret at its first
 * start and keeps it in a file that only its owner can read, so that a restart leaves visitors signed in.
 */

const crypto = require('node:crypto')
const fs = require('node:fs')

function loadSecret (file) {
  if (process.env.SECRET) return process.env.SECRET

  try {
    fs.writeFileSync(file, crypto.randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' })
    console.log(`No SECRET in the environment: made one for this demo, in ${file}`)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  return fs.readFileSync(file, 'utf8')
}

module.exports = loadSecret
