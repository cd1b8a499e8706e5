'use strict'

/*
 * What the session of a request takes, counted and not timed. Requests and responses are those of an http server, without one, so
 * that nothing else is counted. Told by cost.spec.js; also to be read:
 *
 * node expense.child.js list DRIVER FOLDER
 *
 * Started as `node expense.child.js WHAT DRIVER FOLDER`. WHAT is `crossings`: calls of the addon's functions, and of JavaScript's by the
 * addon, by name; `allocations`: native ones of the JavaScript thread, with their bytes; `garbage`: bytes left to JavaScript's
 * collector, with `--expose-gc` and a nursery that holds them; or `list`: where each allocation of one request comes from. Says
 * `{WORKLOAD: {…}}` as JSON, for one request of each workload. Allocations are counted by the addon with the cargo feature `faults`, as
 * NAPI_RS_NATIVE_LIBRARY_PATH.
 */

const http = require('http')
const path = require('path')
const { Writable } = require('stream')

const ROOT = path.join(__dirname, '..', '..')
const { SESSIONS, SMALL, LARGE } = require(path.join(ROOT, 'bench', 'workloads'))

const [, , what, driver, folder] = process.argv
const SOME_COOKIE = ['a=b']
const SECRET = 'Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD'
/** Requests that fill the lists of the engine, which are bounded. */
const WARM_UP = 1100
/** Requests after which V8 has compiled what it will. */
const WARM_HEAP = 6000
/** The cheapest of some batches counts: in others a table has grown, or a disk was slow. */
const BATCHES = 20
const BATCH = 100

const binding = require(path.join(ROOT, 'binding'))
const counts = {}

/** Counts the calls of a method, whoever takes it from now on. */
function count(holder, name, label) {
  const descriptor = Object.getOwnPropertyDescriptor(holder, name)
  const { value } = descriptor
  const counted = function (...given) {
    counts[label] = (counts[label] ?? 0) + 1
    return value.apply(this, given)
  }
  Object.defineProperty(holder, name, { ...descriptor, value: counted })
}

/** Counts whatever goes through the boundary. What the addon calls of JavaScript's is `JSON`, which it is given, in these workloads. */
function countCrossings() {
  for (const [name, value] of Object.entries(binding)) {
    if (typeof value === 'function' && /^[a-z]/.test(name)) count(binding, name, name)
  }
  for (const name of ['parse', 'stringify']) count(JSON, name, `JSON.${name}`)
}

if (what === 'crossings') countCrossings()
const NodeSession = require(ROOT)
const sessions = new NodeSession({
  secret: SECRET,
  driver,
  files: path.join(folder, 'sessions'),
  connection: { adapter: 'sqlite', filename: path.join(folder, 'sessions.sqlite') },
  table: 'sessions',
  lottery: false,
})

/** Takes whatever is sent. A connection has one response after the other, as with a client that waits for each. */
const socket = new Writable({ write: (chunk, encoding, callback) => callback() })

/** A request and its response, as an http server makes them; calls back with the cookies when the response is over. */
function exchange(cookie, done) {
  const request = new http.IncomingMessage(socket)
  request.headers.cookie = cookie
  const response = new http.ServerResponse(request)
  response.assignSocket(socket)
  response.on('finish', () => {
    response.detachSocket(socket)
    done(response.getHeader('set-cookie'))
  })
  return [request, response]
}

/** One request; gives the cookies that it is answered with. */
function visit(cookie, use) {
  return new Promise((resolve) => {
    const [request, response] = exchange(cookie, resolve)
    sessions.startSession(request, response, () => response.end(String(use(request.session))))
  })
}

/** The same without a session. */
function visitWithout(cookie) {
  return new Promise((resolve) => {
    const [, response] = exchange(cookie, resolve)
    response.setHeader('set-cookie', SOME_COOKIE)
    response.end('Saint-Jans-Cappel')
  })
}

async function signIn(attributes) {
  const cookies = []
  for (let at = 0; at < SESSIONS; at += 1) {
    const [cookie] = await visit(undefined, (session) => session.put(attributes))
    cookies.push(cookie.slice(0, cookie.indexOf(';')))
  }
  return cookies
}

const city = (session) => session.get('user.address.city')
/** What is done in the requests of each workload of bench/workloads.js, and with whose cookies. */
const WORKLOADS = [
  ['read', SMALL, city],
  ['write', SMALL, (session) => session.put('count', session.get('count') + 1)],
  ['large', LARGE, city],
  ['new', undefined, (session) => session.put('count', 1)],
]

async function serve(times, cookies, use, one = visit) {
  for (let at = 0; at < times; at += 1) await one(cookies[at % cookies.length], use)
}

/** The calls of the cheapest request, by name. */
async function crossings(cookies, use) {
  const sum = (calls) => Object.values(calls).reduce((all, times) => all + times, 0)
  let cheapest
  for (let at = 0; at < BATCHES; at += 1) {
    for (const name of Object.keys(counts)) delete counts[name]
    await visit(cookies[at % cookies.length], use)
    if (cheapest === undefined || sum(counts) < sum(cheapest)) cheapest = { ...counts }
  }
  return cheapest
}

async function allocations(cookies, use) {
  const cheapest = { allocations: Infinity, bytes: Infinity }
  for (let at = 0; at < BATCHES; at += 1) {
    const before = [binding.allocations(), binding.allocatedBytes()]
    await serve(BATCH, cookies, use)
    const after = [binding.allocations(), binding.allocatedBytes()]
    cheapest.allocations = Math.min(cheapest.allocations, (after[0] - before[0]) / BATCH)
    cheapest.bytes = Math.min(cheapest.bytes, (after[1] - before[1]) / BATCH)
  }
  return cheapest
}

/** Bytes that a request, served by `one`, leaves on V8's heap. */
async function leftBy(one, cookies, use) {
  const used = () => process.memoryUsage().heapUsed
  let least = Infinity
  for (let at = 0; at < BATCHES; at += 1) {
    global.gc()
    const before = used()
    await serve(BATCH, cookies, use, one)
    least = Math.min(least, (used() - before) / BATCH)
  }
  return least
}

async function garbage(cookies, use) {
  await serve(WARM_HEAP, cookies, use)
  await serve(WARM_HEAP, cookies, use, visitWithout)
  return { garbage: (await leftBy(visit, cookies, use)) - (await leftBy(visitWithout, cookies, use)) }
}

/** The calls of ours in a trace, the innermost first, as `function  file:line`. */
function ours(trace) {
  const calls = []
  for (const [, name, place] of trace.matchAll(/^ +\d+: (.*)(?:\n +at (.*))?$/gm)) {
    const [, file] = /\/(src\/.*):\d+$/.exec(place ?? '') ?? []
    if (file === undefined || !name.includes('node_session')) continue
    if (name.includes('allocations')) continue
    if (/napi_internal|catch_unwind/.test(name)) break
    calls.push(`${name.replaceAll('node_session::', '')}  ${file}`)
  }
  return calls
}

async function list(cookies, use) {
  binding.traceAllocations(true)
  await visit(cookies[0], use)
  const [, ...traces] = binding.traceAllocations(false)
  // The first and the last are of these two calls themselves.
  for (const trace of traces.slice(0, -1)) {
    const [size] = trace.split('\n', 1)
    console.log([`  ${size}`, ...ours(trace)].join('\n      '))
  }
  return traces.length - 1
}

async function main() {
  const report = {}
  const told = { crossings, allocations, garbage, list }[what]
  for (const [name, attributes, use] of WORKLOADS) {
    const cookies = attributes === undefined ? [undefined] : await signIn(attributes)
    await serve(WARM_UP, cookies, use)
    if (what === 'list') console.log(name)
    report[name] = await told(cookies, use)
  }
  console.log(JSON.stringify(report))
}

main()
