'use strict'

/**
 * This package on one driver behind a plain http server, with as many stored sessions as it is told to have.
 *
 * Started as `node --expose-gc holder.js DRIVER FOLDER` with an IPC channel. Says `{port}` when it listens, answers each message
 * (see `ANSWERS`) with an object, and ends on `stop` or when its parent goes.
 */

const fs = require('node:fs')
const http = require('node:http')
const { monitorEventLoopDelay } = require('node:perf_hooks')
const NodeSession = require('../..')
const native = require('../../lib/native')
const { CONTENDERS, SECRET, SETTINGS } = require('../contenders')
const { idOf, store } = require('./records')

/** Sessions that are stored stay for longer than any run. Units: milliseconds. */
const LIFETIME = 24 * 3600 * 1000
/** Full collections of which the median counts. */
const COLLECTIONS = 5

const [, , driver, folder, lottery] = process.argv
const { routes, drop } = CONTENDERS[`ours, ${driver}`]
const sessions = new NodeSession({
  secret: SECRET,
  lifetime: LIFETIME,
  maxSessions: 1e9,
  ...(lottery === 'no lottery' ? { lottery: false } : {}),
  ...SETTINGS[driver](folder),
})
const engine = sessions.__manager.__engine()

let requests = 0
let lost = 0
let failed = 0

function answer(req, res, error) {
  const body = error ? undefined : routes[req.url](req)
  requests += 1
  if (error) failed += 1
  else if (body === undefined) lost += 1
  res.end(String(body))
}

const milliseconds = () => Number(process.hrtime.bigint()) / 1e6

/** What is resident beside files' pages, where the system tells that. Units: bytes. */
function anonymous(rss) {
  try {
    return 1024 * /^Anonymous:\s+(\d+)/m.exec(fs.readFileSync('/proc/self/smaps_rollup', 'utf8'))[1]
  } catch {
    return rss
  }
}

/** The time of a full collection, and what is left then: all, V8's live objects, and what is not V8's. */
function memory() {
  const times = Array.from({ length: COLLECTIONS }, () => {
    const began = milliseconds()
    global.gc()
    return milliseconds() - began
  })
  const { rss, heapUsed, heapTotal } = process.memoryUsage()
  return { rss, heap: heapUsed, native: anonymous(rss) - heapTotal, gc: times.sort((a, b) => a - b)[COLLECTIONS >> 1] }
}

function usage() {
  const { user, system } = process.cpuUsage()
  const time = Number(process.hrtime.bigint() / 1000n)
  return { cpu: user + system, time, requests, lost, failed }
}

/** The `Cookie` headers of some visitors. */
function cookies({ numbers }) {
  const cookie = (number) => native.serialiseCookie(engine.number, 'node_session', idOf(number), { signed: true }).split(';', 1)[0]
  return { cookies: numbers.map(cookie) }
}

/** Delays of the event loop, by the name of what happened meanwhile. */
const delays = {}

function watch({ name }) {
  delays[name] ??= monitorEventLoopDelay({ resolution: 1 })
  delays[name].enable()
  return {}
}

function unwatch({ name }) {
  const delay = delays[name]
  delay.disable()
  const at = (share) => delay.percentile(share) / 1e6
  return { samples: delay.count, p50: at(50), p99: at(99), p999: at(99.9), max: delay.max / 1e6 }
}

/** Waits for an operation of the addon. */
function done(operation) {
  return new Promise((resolve, reject) => {
    engine.begin(operation, (reply) => (reply?.code === undefined ? resolve() : reject(new Error(reply.message))))
  })
}

async function fill(which) {
  const began = milliseconds()
  await store(engine, driver, folder, which)
  return { took: milliseconds() - began }
}

async function sweep() {
  const [began, { swept }, { cpu }] = [milliseconds(), sessions.stats(), usage()]
  await done(() => native.sweepDriver(engine.number, LIFETIME))
  return { took: milliseconds() - began, removed: sessions.stats().swept - swept, cpu: (usage().cpu - cpu) / 1000 }
}

async function stop({ isLast }) {
  try {
    await sessions.close()
    if (isLast) await drop?.(folder)
  } finally {
    process.exit()
  }
}

const ANSWERS = { memory, usage, cookies, watch, unwatch, fill, sweep, stop }

const server = http.createServer((req, res) => sessions.startSession(req, res, (error) => answer(req, res, error)))
server.keepAliveTimeout = 60000
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))

process.on('message', async (message) => {
  const asked = typeof message === 'string' ? { ask: message } : message
  process.send(await ANSWERS[asked.ask](asked))
})
process.on('disconnect', () => stop({ isLast: true }))
