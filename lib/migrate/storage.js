'use strict'

/**
 * The storages that sessions are moved from and to: from what the command line says to an engine's records.
 */

const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const native = require('../native')
const { Engine } = require('../engine')
const { driverOf, merge } = require('../config')
const { Records } = require('../express-session/records')

/** The drivers whose sessions others can reach. */
const MOVABLE = ['file', 'database', 'redis']
const MODULES = ['.js', '.cjs', '.mjs']

/** A command line that cannot be followed. */
class Refused extends Error {}

/** What a JSON text holds. What is wrong with it is not quoted: it may hold secrets. */
function parse(text, what) {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refused(`${what} is no JSON`)
  }
}

/** What a module exports. */
async function imported(file, what) {
  let exported
  try {
    exported = await import(pathToFileURL(file).href)
  } catch (error) {
    throw new Refused(`${what} cannot be loaded: ${error.message}`)
  }
  return 'default' in exported ? exported.default : exported
}

/** The options that a config stands for. */
async function read(config, flag) {
  if (config.trimStart().startsWith('{')) return parse(config, `${flag}: the text`)
  const file = path.resolve(config)
  const what = `${flag}: \`${config}\``
  if (!fs.existsSync(file)) throw new Refused(`${what} does not exist`)
  const extension = path.extname(file)
  if (MODULES.includes(extension)) return imported(file, what)
  if (extension !== '.json') throw new Refused(`${what} must be a .json, .js, .cjs or .mjs file, or JSON itself`)
  try {
    return parse(fs.readFileSync(file, 'utf8'), what)
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(`${what} cannot be read: ${error.message}`)
  }
}

/** The file or folder in which such options keep sessions; `undefined` where a server has them. */
function placeOf({ driver, files, connection }) {
  if (/^([Ff]ile|[Nn]ative)$/.test(driver)) return files
  if (!/^[Dd]atabase$/.test(driver)) return undefined
  const filename = typeof connection === 'string' ? /^sqlite:(?:\/\/)?(.*)/.exec(connection)?.[1] : connection?.filename
  if (filename !== undefined) return decodeURIComponent(filename)
  return connection ? undefined : `${files}.sqlite`
}

/**
 * A storage that sessions are moved from has to be there: opening it would make it.
 *
 * @private
 * @throws {Refused}
 */
function mustExist(flag, options) {
  const place = placeOf(options)
  if (place !== undefined && !fs.existsSync(place)) throw new Refused(`${flag}: there is no \`${place}\``)
}

/** The same for a table. A storage that does not answer now is asked again later. */
async function mustHaveTable(flag, records) {
  try {
    await records.list(undefined, 1)
  } catch (error) {
    if (error.code === 'ERR_SESSION_CONFIG') throw new Refused(`${flag}: ${error.message}`)
  }
}

/**
 * The records of the storage that a config describes.
 *
 * @private
 * @param {string} flag the option that gave it, for messages
 * @param {string} config a file's path, or JSON
 * @throws {Refused}
 * @returns {Promise<Records>}
 */
async function openStorage(flag, config) {
  const options = await read(config, flag)
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new Refused(`${flag}: the options of a NodeSession are an object`)
  }
  if (options.store) throw new Refused(`${flag}: what a store of express-session keeps cannot be moved (option \`store\`)`)
  if (options.encrypt && !options.secret) throw new Refused(`${flag}: option \`encrypt\` needs option \`secret\``)
  let engine
  const isSource = flag === '--from'
  const given = { ...options, driver: driverOf(options, 'database'), secret: options.secret || native.generateId() }
  // Where sessions are moved from nothing is made.
  const merged = merge({ ...given, createTable: !isSource })
  try {
    engine = new Engine(merged)
  } catch (error) {
    throw new Refused(`${flag}: ${error.message}`)
  }
  if (engine.driver === 'memory') {
    throw new Refused(`${flag}: the sessions of the driver \`memory\` are in one process only, and end with it`)
  }
  if (!MOVABLE.includes(engine.driver)) {
    throw new Refused(`${flag}: there is no driver \`${engine.driver}\` here, only ${MOVABLE.join(', ')}`)
  }
  if (isSource) mustExist(flag, merged)
  const records = new Records(engine)
  if (isSource) await mustHaveTable(flag, records)
  return records
}

module.exports = { Refused, openStorage }
