'use strict'

/*
 * Waterline adapters for tests: applications' folders that have some installed, and an adapter over a Map whose faults the test
 * chooses.
 */

const fs = require('fs')
const path = require('path')

const { later, tempDir } = require('./cleanup')

const MODULES = path.join(__dirname, '..', '..', 'node_modules')

/**
 * An application's folder, in which the process is until the file's last test. `links` are packages of this repository's,
 * `files` are modules by their names: their text.
 */
function application({ links = ['waterline'], files = {} } = {}) {
  const folder = tempDir()
  const modules = path.join(folder, 'node_modules')
  fs.mkdirSync(modules)
  for (const name of links) fs.symlinkSync(path.join(MODULES, name), path.join(modules, name))
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.join(modules, name))
    fs.writeFileSync(path.join(modules, name, 'index.js'), text)
  }
  return { folder, modules }
}

/** Runs `work` in a folder. */
function within(folder, work) {
  const before = process.cwd()
  process.chdir(folder)
  try {
    return work()
  } finally {
    process.chdir(before)
  }
}

/** The text of an adapter that asks `control` what to do, before it does what an adapter over a Map does. */
const FAULTY = `'use strict'
const control = module.exports.control = { faults: {}, calls: [], rows: new Map(), open: new Set(), held: [] }
function step(name, args, work) {
  const callback = args[args.length - 1]
  control.calls.push(name)
  const fault = control.faults[name]
  if (fault === undefined) return setImmediate(work)
  fault({ args, callback, work })
}
const found = ({ where }) => [...control.rows.values()].filter((row) => Object.entries(where || {}).every(([key, wanted]) => (
  wanted !== null && typeof wanted === 'object' ? row[key] < (wanted['<'] ?? wanted.lessThan) : row[key] === wanted)))
Object.assign(module.exports, {
  identity: 'sails-faulty',
  registerConnection(connection, collections, callback) {
    step('registerConnection', [connection, callback], () => {
      if (control.open.has(connection.identity)) return callback(new Error('it is registered already'))
      control.open.add(connection.identity)
      control.collections = collections
      callback()
    })
  },
  teardown(name, callback) {
    step('teardown', [name, callback], () => { control.open.delete(name); callback() })
  },
  describe(connection, table, callback) { callback(null, {}) },
  define(connection, table, definition, callback) { callback() },
  find(connection, table, options, callback) {
    step('find', [options, callback], () => callback(null, found(options).map((row) => ({ ...row }))))
  },
  create(connection, table, values, callback) {
    step('create', [values, callback], () => { control.rows.set(values.id, { ...values }); callback(null, { ...values }) })
  },
  update(connection, table, options, values, callback) {
    step('update', [options, values, callback], () => {
      const rows = found(options)
      for (const row of rows) Object.assign(row, values)
      callback(null, rows.map((row) => ({ ...row })))
    })
  },
  destroy(connection, table, options, callback) {
    step('destroy', [options, callback], () => {
      const rows = found(options)
      for (const row of rows) control.rows.delete(row.id)
      callback(null, rows)
    })
  },
})
`

/** An application with that adapter, as `sails-faulty`; `control` is how a test directs it. */
function faultyApplication() {
  const { folder, modules } = application({ files: { 'sails-faulty': FAULTY } })
  const { control } = require(path.join(modules, 'sails-faulty'))
  later(() => { control.faults = {} })
  return { folder, control }
}

module.exports = { application, within, faultyApplication }
