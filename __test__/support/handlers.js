'use strict'

/*
 * Storage that tests hand to a package: a handler in plain JavaScript that keeps a diary, and a Waterline-style model over an
 * SQLite file for `DatabaseSessionHandler`.
 */

const { fork } = require('child_process')
const path = require('path')

const { later } = require('./cleanup')

/** A handler over a Map, by the original's conventions; `calls` lists what was asked of it. */
class MapHandler {
  constructor() {
    this.map = new Map()
    this.calls = []
  }

  read(id, callback) {
    this.calls.push(['read', id])
    process.nextTick(() => callback(this.map.get(id) || ''))
  }

  write(id, text, callback) {
    this.calls.push(['write', id, text])
    process.nextTick(() => {
      this.map.set(id, text)
      callback()
    })
  }

  destroy(id, callback) {
    this.calls.push(['destroy', id])
    this.map.delete(id)
    if (callback) process.nextTick(callback)
  }

  gc(maxAge) {
    this.calls.push(['gc', maxAge])
  }

  setExists(value) {
    this.calls.push(['setExists', value])
    return this
  }
}

/**
 * The documented table (id, payload, lastActivity) in an SQLite file, as a process beside this one holds it. Every method gives
 * a promise: `make` the table, `rows`, `row(id)`, `insert(id, payload, lastActivity)`, `update` alike, `remove(id)`,
 * `removeBefore(time)`, `exec(sql)`.
 */
function openTable(filename, table = 'sessions') {
  const child = fork(path.join(__dirname, 'table.child.js'), [filename, table], { execArgv: [] })
  later(() => new Promise((resolve) => {
    child.once('exit', resolve)
    child.disconnect()
  }))
  const waiting = new Map()
  child.on('message', ({ call, result, error }) => {
    const { resolve, reject } = waiting.get(call)
    waiting.delete(call)
    if (error) reject(new Error(error))
    else resolve(result)
  })
  let calls = 0
  const ask = (method) => (...args) => new Promise((resolve, reject) => {
    calls += 1
    waiting.set(calls, { resolve, reject })
    child.send({ call: calls, method, args })
  })
  const methods = ['make', 'exec', 'rows', 'row', 'insert', 'update', 'remove', 'removeBefore']
  return Object.fromEntries(methods.map((method) => [method, ask(method)]))
}

/** The few methods of a Waterline model that the original's DatabaseSessionHandler calls, over such a table. */
function modelOver(table) {
  const answer = (callback, promise) => promise.then((result) => process.nextTick(callback, null, result), callback)
  return {
    findOne: (id, callback) => answer(callback, table.row(id)),
    create: (row, callback) => answer(callback, table.insert(row.id, row.payload, row.lastActivity)),
    update: (id, row, callback) => answer(callback, table.update(id, row.payload, row.lastActivity)),
    destroy: (what, callback) => answer(callback, (
      typeof what === 'string' ? table.remove(what) : table.removeBefore(what.lastActivity['<'])
    )),
  }
}

/** Makes `nodeSession` keep its sessions with `makeHandler()`, by the original's idiom for drivers of one's own. */
function useHandler(site, makeHandler, driver = 'custom') {
  const manager = site.nodeSession.__manager
  manager.registerHandler(driver, (config, callback) => callback(manager.__buildSession(makeHandler())))
}

module.exports = { MapHandler, openTable, modelOver, useHandler }
