'use strict'

/**
 * Who is put to the test: this package with each of its drivers, node-session 1.2.1 and express-session with its MemoryStore.
 *
 * A subject is plain data, so that a server in another process can be given it. `open` makes its middleware there, and
 * `operationsOf` gives what can be done with its sessions.
 */

const path = require('node:path')
const { DRIVERS } = require('./drivers')
const { byMethods, byProperties } = require('./operations')

const SECRET = 'x2Qe0hS9o8wRj4kVbTnYc7mLpZdUfGaK'

/** Longer than any run, so that nothing becomes idle under way. Units: milliseconds. */
const LIFETIME = 6 * 3600000

/** This package with a driver. `options` are NodeSession's. */
function ours(driver, options = {}) {
  return { kind: 'ours', driver, options, isShared: DRIVERS[driver].isShared }
}

const ORIGINAL = { kind: 'node-session', driver: 'file', options: {}, isShared: true }
const EXPRESS = { kind: 'express-session', driver: 'memory', options: {}, isShared: false }

const KINDS = {
  ours: { open: (subject, folder, note) => openNodeSession(path.join(__dirname, '..'), subject, folder, note), operations: byMethods },
  'node-session': {
    open: (subject, folder, note) => openNodeSession('node-session-original', subject, folder, note),
    operations: without(byMethods, ['increment', 'decrement', 'destroy', 'invalidate', 'regenerateNow']),
  },
  'express-session': { open: openExpressSession, operations: byProperties },
}

function without(operations, names) {
  return Object.fromEntries(Object.entries(operations).filter(([name]) => !names.includes(name)))
}

/** This package and the original take the same options. `note(event, req)` is told of what happens besides. */
function openNodeSession(entry, subject, folder, note) {
  const NodeSession = require(entry)
  const storage = DRIVERS[subject.driver].options(folder)
  const sessions = new NodeSession({ secret: SECRET, lifetime: LIFETIME, ...storage, ...subject.options })
  if (typeof sessions.on === 'function') {
    for (const event of ['error', 'gone', 'conflict', 'corrupt']) {
      sessions.on(event, (error, req) => note(event, req, error))
    }
  }
  return (req, res, options, next) => {
    if (options === undefined) sessions.startSession(req, res, next)
    else sessions.startSession(req, res, options, next)
  }
}

function openExpressSession(subject, folder, note) {
  const session = require('express-session')
  const store = new session.MemoryStore()
  const settings = { secret: SECRET, store, cookie: { maxAge: LIFETIME }, resave: false, saveUninitialized: true }
  const middleware = session(settings)
  return (req, res, options, next) => {
    let isStarted = false
    middleware(req, res, (error) => {
      // What its save reports comes the same way, after the response has been ended.
      if (isStarted) note('error', req, error)
      else next(error)
      isStarted = true
    })
  }
}

/** The operations that the sessions of a subject have, by name. */
function operationsOf(subject) {
  return KINDS[subject.kind].operations
}

function open(subject, folder, note) {
  return KINDS[subject.kind].open(subject, folder, note)
}

/** A subject's name in a sentence. */
function nameOf(subject) {
  const { kind, driver, options } = subject
  if (kind === 'express-session') return 'express-session, MemoryStore'
  if (kind === 'node-session') return `node-session 1.2.1, ${driver}`
  return options.encrypt ? `${driver}, encrypted` : driver
}

module.exports = { ours, ORIGINAL, EXPRESS, open, operationsOf, nameOf }
