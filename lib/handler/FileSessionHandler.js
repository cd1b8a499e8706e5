'use strict'

/**
 * Sessions as files, one each, named by the session's id.
 *
 * Compat: `lib/handler/FileSessionHandler.js` of node-session 1.2.1.
 */

const fs = require('node:fs')
const path = require('node:path')
const { kDriver, engineOf, defineMethods } = require('./native')

/**
 * @public
 * @param {string} directory the folder of the files; made when it is missing
 */
function FileSessionHandler(directory) {
  this.__path = directory
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const engine = engineOf({ driver: 'file', files: path.resolve(directory) })
  Object.defineProperty(this, kDriver, { value: engine })
}

defineMethods(FileSessionHandler)

module.exports = FileSessionHandler
