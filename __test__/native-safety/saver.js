'use strict'

/*
 * Saves without end, for processes and worker threads that are ended in the middle of it.
 */

const path = require('path')

const { Response } = require('./fake')
const { MapHandler } = require('./map-handler')
const { REDIS_URL } = require('../../torture/redis')

const ROOT = path.join(__dirname, '..', '..')
const SECRET = 'a secret of more than thirty-two characters'
/** Where there is no Redis nothing is saved there. What is saved goes by itself soon. */
const REDIS = { connection: { url: REDIS_URL, prefix: 'node-session-saver:' }, lifetime: 10000 }

/** Random numbers that come again with the same seed: the next one below `limit`. */
function random(seed) {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

/** What is saved tells whether it is whole. */
function state(n) {
  const text = String.fromCharCode(97 + (n % 26)).repeat(1 + ((n * 7919) % 30000))
  return { n, text, length: text.length }
}

/** A NodeSession over a driver, below a folder; `more.handler` has methods of the handler of the driver `custom`. */
function make(driver, folder, more) {
  const NodeSession = require(ROOT)
  const config = { secret: SECRET, driver, files: path.join(folder, 'sessions'), lottery: [1, 20], lifetime: 86400000, ...more }
  const nodeSession = new NodeSession(config)
  for (const event of ['error', 'gone', 'conflict']) nodeSession.on(event, () => {})
  if (driver !== 'custom') return nodeSession
  const handler = Object.assign(new MapHandler(), more?.handler)
  const manager = nodeSession.__manager
  manager.registerHandler('custom', (options, callback) => callback(manager.__buildSession(handler)))
  return nodeSession
}

/** One request whose response ends at once. Gives its cookie. */
function visit(nodeSession, cookie, use, options = {}) {
  return new Promise((resolve) => {
    const request = { headers: { cookie }, socket: {} }
    const response = new Response((ended) => resolve(ended.headers['set-cookie']?.[0].split(';')[0]))
    nodeSession.startSession(request, response, options, () => {
      use(request.session)
      response.end()
    })
  })
}

/** Saves in every way there is, until it is stopped; what is under way then goes on. Gives what stops it. */
function save(folder, next) {
  let isStopped = false
  const never = { read: (id, callback) => callback(''), write: () => {} }
  const sessions = [
    make('memory', folder),
    make('file', folder),
    make('file', folder, { durability: 'disk', encrypt: true, files: path.join(folder, 'sealed') }),
    make('database', folder),
    make('redis', folder, REDIS),
    make('custom', folder),
    make('custom', folder, { handler: never, saveTimeout: 20 + next(50) }),
  ]
  const go = async (nodeSession) => {
    let cookie
    for (let n = next(1000); !isStopped; n += 1) {
      const use = (session) => {
        session.put('state', state(n))
        if (n % 5 === 0) session.regenerate(true)
      }
      cookie = await visit(nodeSession, cookie, use, n % 4 === 0 ? { lock: true, lockLease: 100 } : {})
      await new Promise((resolve) => { setImmediate(resolve) })
    }
  }
  for (const nodeSession of sessions) for (let one = 0; one < 3; one += 1) go(nodeSession)
  return () => { isStopped = true }
}

module.exports = { SECRET, make, random, save, state, visit }
