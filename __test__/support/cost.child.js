'use strict'

/*
 * A server under load in a process of its own, and what of its requests the garbage collector was left with; told by cost.spec.js.
 *
 * Started as `node --expose-gc --max-semi-space-size=4 cost.child.js ENTRY REQUESTS KIND`. Says `{old, major}` as JSON: by how many
 * bytes a request the heap's old part grew, and how many full collections there were meanwhile.
 */

const http = require('http')
const v8 = require('v8')
const { PerformanceObserver, constants } = require('perf_hooks')

const { SECRET } = require('./cookies')

const [, , entry, requests, kind] = process.argv
const NodeSession = require(entry)

const CONNECTIONS = 8
/** Requests that let V8 compile, and learn how long things live. */
const WARM_UP = 4000

const KINDS = {
  read: (session) => session.get('user.name'),
  write: (session) => session.put('count', session.get('count') + 1),
  // An object that JavaScript is given is live from then on.
  live: (session) => session.put('count', session.get('count') + session.get('user.tags').length),
  new: (session) => session.put('count', 1),
}

const sessions = new NodeSession({ secret: SECRET, driver: 'memory', lottery: false })
const server = http.createServer((req, res) => {
  sessions.startSession(req, res, () => {
    if (req.url === '/fill') req.session.put({ user: { name: 'Ann', tags: ['a', 'b'] }, count: 0 })
    else KINDS[kind](req.session)
    res.end('hello')
  })
})
const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS })

function ask(path, cookie) {
  return new Promise((resolve, reject) => {
    const { port } = server.address()
    const request = http.get({ agent, port, host: '127.0.0.1', path, headers: cookie ? { cookie } : {} }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.headers['set-cookie'][0].split(';')[0]))
    })
    request.on('error', reject)
  })
}

async function visitor(times) {
  const cookie = await ask('/fill')
  for (let at = 0; at < times; at += 1) await ask('/', kind === 'new' ? undefined : cookie)
}

const serve = (count) => Promise.all(Array.from({ length: CONNECTIONS }, () => visitor(count / CONNECTIONS)))
const old = () => v8.getHeapSpaceStatistics().find((space) => space.space_name === 'old_space').space_used_size

server.listen(0, '127.0.0.1', async () => {
  await serve(WARM_UP)
  let major = 0
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) major += 1
  })
  global.gc()
  await new Promise(setImmediate)
  observer.observe({ entryTypes: ['gc'] })
  const before = old()
  await serve(Number(requests))
  const after = old()
  await new Promise(setImmediate)
  process.stdout.write(JSON.stringify({ old: (after - before) / requests, major }))
  process.exit(0)
})
