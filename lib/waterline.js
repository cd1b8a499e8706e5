'use strict'

/**
 * Sessions through Waterline 0.10 and an adapter, both of the application's own: finds them, opens the connection when the
 * first session needs it, tries again when that failed, closes it.
 *
 * Knows nothing of sessions but their table. What hangs here is given up by the engine; what fails is called back, never thrown.
 *
 * Compat: `__createSessionModel` in `lib/SessionManager.js` of node-session 1.2.1.
 */

const path = require('node:path')
const { isDeepStrictEqual } = require('node:util')
const native = require('./native')
const { SessionError } = require('./errors')
const { secretsOfConnection, secretsOfRecord, told } = require('./foreign')

/** How long nobody tries to open a connection that could not be opened. Units: milliseconds. */
const PAUSE = 500
/** How long an earlier connection of the same name may take to close before the new one is opened. Units: milliseconds. */
const CLOSING = 250
/** A package's name, or a file's, as `require` took it in node-session 1.2.1. A URL is neither. */
const MODULE = /^(@[\w.~-]+\/)?[\w.~-]+$/

/**
 * Whether the options ask for a Waterline adapter. What is no module's name is left to the engine, which refuses it.
 *
 * @private
 * @param {object} options
 * @returns {boolean}
 */
function isWanted({ connection }) {
  const adapter = connection?.adapter
  if (typeof adapter !== 'string' || native.builtInAdapters().includes(adapter)) return false
  return MODULE.test(adapter) || path.isAbsolute(adapter)
}

/** The file of a module, as the application would find it; `undefined` when it has none. */
function resolve(name) {
  const main = require.main?.filename ?? process.argv[1]
  const paths = [process.cwd(), ...(main ? [path.dirname(main)] : [])]
  try {
    return require.resolve(name, { paths })
  } catch {
    return undefined
  }
}

function refused(adapter, why, cause) {
  const known = native.builtInAdapters().map((name) => `'${name}'`).join(', ')
  const message = `option \`connection.adapter\` must be one of ${known}, or a Waterline adapter of the application's: ${why}; ` +
    `run "npm install waterline@0.10 ${adapter}"`
  return new SessionError('ERR_SESSION_CONFIG', message, cause)
}

/** Loads a module of the application's. */
function load(name, adapter) {
  const file = resolve(name)
  if (file === undefined) throw refused(adapter, `\`${name}\` is not installed`)
  try {
    return require(file)
  } catch (error) {
    throw refused(adapter, `\`${name}\` cannot be loaded`, told(error, []))
  }
}

function versionOf(file) {
  try {
    return require(file).version
  } catch {
    return undefined
  }
}

/** Loads Waterline and an adapter. */
function loadBoth(name) {
  const Waterline = load('waterline', name)
  const version = versionOf(resolve('waterline/package.json'))
  if (typeof version === 'string' && !version.startsWith('0.10.')) {
    throw refused(name, `\`waterline\` is installed in version ${version}, which is not 0.10`)
  }
  const adapter = load(name, name)
  if (typeof adapter?.registerConnection !== 'function') throw refused(name, `\`${name}\` is no Waterline adapter`)
  return { Waterline, adapter }
}

/** The connections there are, which NodeSessions with the same settings share: an adapter knows one by its table alone. */
const connections = []

/**
 * The connection for a table through an adapter.
 *
 * @private
 * @param {object} options `connection` and `table`
 * @throws {SessionError} `ERR_SESSION_CONFIG`
 */
function connectionFor({ connection: settings, table }) {
  if (typeof table !== 'string' || table === '') {
    throw new SessionError('ERR_SESSION_CONFIG', 'option `table` must be the name of a table')
  }
  const { Waterline, adapter } = loadBoth(settings.adapter)
  const known = connections.find((connection) => connection.adapter === adapter && connection.table === table)
  if (known !== undefined && isDeepStrictEqual(known.settings, settings)) return known
  if (known?.holders.size > 0) {
    const message = 'option `table` must be another than that of a NodeSession with other settings of `connection`, for the same adapter'
    throw new SessionError('ERR_SESSION_CONFIG', message)
  }
  if (known !== undefined) {
    connections.splice(connections.indexOf(known), 1)
    known.isReplaced = true
  }
  const made = new Connection(Waterline, adapter, settings, table)
  connections.push(made)
  return made
}

/** The table as Waterline is told of it. `text` and `size` keep adapters that make tables from making columns too small. */
function collectionOf(Waterline, table) {
  return Waterline.Collection.extend({
    identity: table.toLowerCase(),
    tableName: table,
    connection: table,
    migrate: 'safe',
    autoCreatedAt: false,
    autoUpdatedAt: false,
    attributes: {
      id: { type: 'string', unique: true },
      payload: 'text',
      lastActivity: { type: 'integer', size: 64 },
    },
  })
}

/** One connection of an adapter, with one table. */
class Connection {
  constructor(Waterline, adapter, settings, table) {
    this.Waterline = Waterline
    this.adapter = adapter
    this.settings = settings
    this.table = table
    this.secrets = secretsOfConnection(settings)
    /** Who has not closed it. */
    this.holders = new Set()
    /** It was closed by all, and a connection with other settings has the table now. */
    this.isReplaced = false
    /** Waterline's collection, while the connection is open. */
    this.collection = undefined
    /** What stands for the attempt to open it that is under way. */
    this.attempt = undefined
    this.waiting = []
    this.error = undefined
    this.failedAt = -Infinity
  }

  /**
   * Calls back with the collection, opened if need be within `patience` milliseconds.
   *
   * @param {(error?: Error, collection?: object) => void} callback
   */
  use(holder, patience, callback) {
    if (this.isReplaced) {
      callback(new Error('the connection was closed, and its table is that of another one now'))
      return
    }
    this.holders.add(holder)
    if (this.collection !== undefined) {
      callback(undefined, this.collection)
      return
    }
    const pausedFor = Date.now() - this.failedAt
    if (this.attempt === undefined && pausedFor >= 0 && pausedFor < PAUSE) {
      callback(this.error)
      return
    }
    this.waiting.push(callback)
    if (this.attempt === undefined) this.open(patience)
  }

  open(patience) {
    const attempt = { timer: setTimeout(() => this.opened(attempt, new Error(`it did not answer within ${patience} ms`)), patience) }
    attempt.timer.unref()
    this.attempt = attempt
    // Compat: a connection of the same name is closed first. An attempt that was given up may have left one.
    this.tearDown(CLOSING, () => {
      if (this.attempt !== attempt) return
      try {
        this.initialize((error, models) => this.opened(attempt, error, models))
      } catch (error) {
        this.opened(attempt, error)
      }
    })
  }

  initialize(callback) {
    const { settings, table } = this
    const orm = new this.Waterline()
    orm.loadCollection(collectionOf(this.Waterline, table))
    const adapters = { [settings.adapter]: this.adapter }
    orm.initialize({ adapters, connections: { [table]: { ...settings } } }, callback)
  }

  opened(attempt, error, models) {
    clearTimeout(attempt.timer)
    if (this.attempt !== attempt) {
      // It was given up; where nobody has tried again since, what it opened is closed again.
      if (!error && this.attempt === undefined && this.collection === undefined) this.tearDown(CLOSING, () => {})
      return
    }
    this.attempt = undefined
    this.collection = error ? undefined : models?.collections?.[this.table.toLowerCase()]
    if (this.collection === undefined) {
      this.failedAt = Date.now()
      this.error = told(error ?? 'it gave no collection', this.secrets)
      this.error.message = `cannot open the connection of \`${this.settings.adapter}\`: ${this.error.message}`
    }
    this.tellWaiting()
  }

  tellWaiting() {
    const { collection, error } = this
    for (const callback of this.waiting.splice(0)) {
      // What a callback throws must not end in Waterline's hands.
      process.nextTick(callback, collection === undefined ? error : undefined, collection)
    }
  }

  /** Lets a holder go; the last one closes the connection. Calls back within `limit` milliseconds. */
  close(holder, limit, callback) {
    this.holders.delete(holder)
    const isUnused = this.collection === undefined && this.attempt === undefined
    if (this.holders.size > 0 || isUnused) {
      callback()
      return
    }
    this.collection = undefined
    this.attempt = undefined
    this.error = new Error('the connection was closed')
    this.failedAt = -Infinity
    this.tellWaiting()
    this.tearDown(limit, callback)
  }

  /** Has the adapter close the connection; calls back once, however the adapter takes it, within `limit` milliseconds. */
  tearDown(limit, callback) {
    let isDone = false
    const done = () => {
      if (isDone) return
      isDone = true
      clearTimeout(timer)
      callback()
    }
    const timer = setTimeout(done, limit)
    try {
      if (typeof this.adapter.teardown === 'function') this.adapter.teardown(this.table, done)
      else done()
    } catch {
      done()
    }
  }
}

/** An error about one row, without what must not be told. */
function toldOfRow(connection, error, id, row) {
  // Waterline wraps what an adapter tells.
  return told(error.originalError ?? error, [...connection.secrets, ...secretsOfRecord(id, row?.payload)])
}

/**
 * The methods of a Waterline model that sessions need, over a connection that is opened when they are called.
 *
 * @private
 * @param {object} options of the NodeSession
 * @param {{patience: number, lifetime: number}} times how long opening may take, and how long a row lives after its last
 *   activity; in milliseconds
 * @returns {{model: object, collection: Function, close: Function}}
 * @throws {SessionError} `ERR_SESSION_CONFIG`
 */
function modelFor(options, { patience, lifetime }) {
  const connection = connectionFor(options)
  const holder = {}
  connection.holders.add(holder)
  const run = (method, args, id, row, callback) => {
    connection.use(holder, patience, (unopened, collection) => {
      if (unopened) {
        callback(unopened)
        return
      }
      const done = (error, result) => {
        process.nextTick(callback, error ? toldOfRow(connection, error, id, row) : undefined, result)
      }
      try {
        collection[method](...args, done)
      } catch (error) {
        done(error)
      }
    })
  }
  return {
    model: model(run, lifetime),
    collection: (callback) => connection.use(holder, patience, (error, collection) => callback(collection, error)),
    close: (limit) => new Promise((resolve) => connection.close(holder, limit, resolve)),
  }
}

/** The model itself, over `run(method, args, id, row, callback)`. */
function model(run, lifetime) {
  const isIdle = (row) => Number(row.lastActivity) + lifetime < Date.now()
  return {
    findOne(id, callback) {
      run('findOne', [id], id, undefined, (error, row) => {
        // Some adapters compare texts without regard to case.
        if (error || !row || row.id !== id) callback(error)
        else if (!isIdle(row)) callback(undefined, row)
        else run('destroy', [{ id, lastActivity: row.lastActivity }], id, undefined, (failed) => callback(failed))
      })
    },
    create(row, callback) {
      run('create', [row], row.id, row, (error, stored) => callback(error ?? cut(row, stored)))
    },
    update(id, row, callback) {
      run('update', [id, row], id, row, (error, rows) => {
        const isGone = Array.isArray(rows) && rows.length === 0
        callback(error ?? (isGone ? new Error('the row was removed meanwhile') : cut(row, rows?.[0])))
      })
    },
    destroy(criteria, callback) {
      run('destroy', [criteria], typeof criteria === 'string' ? criteria : '', undefined, callback)
    },
  }
}

/** The error that a column too small for a payload is. */
function cut(row, stored) {
  if (typeof stored?.payload !== 'string' || stored.payload === row.payload) return undefined
  return new Error('the column `payload` did not take the whole text; make it a text of unlimited length')
}

module.exports = { isWanted, modelFor }
