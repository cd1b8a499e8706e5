'use strict'

/**
 * One subject behind a plain http server, in a process of its own, whose requests do what their address says.
 *
 * `GET /[["put","a",1],["wait","gate",2]]` does these operations one after the other, and answers with what each gave. At
 * `wait` a request stands still: when as many requests as it says stand at that gate, the parent hears `{full: gate}`, and on
 * its `{open: gate}` they go on. `GET /lock[…]` opens the session in lock mode.
 *
 * Started as `node server.js SUBJECT FOLDER` with an IPC channel; says `{port}` when it listens, answers `{count: n}` with
 * `{counts, codes}`, tells of `{event, tag}`, and ends when its parent goes.
 */

const http = require('node:http')
const { open, operationsOf } = require('./subjects')

const [, , described, folder] = process.argv
const subject = JSON.parse(described)
const operations = operationsOf(subject)
/** What has happened since the start; `uncaught` is what would have ended the process. */
const counts = { requests: 0, failed: 0, error: 0, gone: 0, conflict: 0, corrupt: 0, uncaught: 0 }
/** The first errors, to be told of. */
const codes = []

function noteError(what, error) {
  if (codes.length < 5) codes.push(`${what}: ${error?.code ?? ''} ${error?.message}${error?.cause ? `: ${error.cause.message}` : ''}`)
}

/** Who stands at which gate: how to let them go on. */
const gates = new Map()

/** A request that stands at a gate goes on when the parent opens it. */
function wait(name, parts) {
  return new Promise((resolve) => {
    const waiting = gates.get(name) ?? []
    gates.set(name, waiting)
    waiting.push(resolve)
    if (waiting.length === parts) process.send({ full: name })
  })
}

function openGate(name) {
  const waiting = gates.get(name)
  gates.delete(name)
  for (const resolve of waiting) resolve()
}

const middleware = open(subject, folder, (event, req, error) => {
  counts[event] += 1
  if (event === 'error') noteError('save', error)
  if (req?.tag !== undefined) process.send({ event, tag: req.tag, code: error?.code })
})

/** Does what a request says. Not written with `async` where nothing waits: most requests do one thing. */
async function run(req, steps) {
  const results = []
  for (const [name, ...given] of steps) {
    if (name === 'wait') await wait(...given)
    else if (name === 'tag') [req.tag] = given
    else results.push(await attempt(req, name, given))
  }
  return results
}

async function attempt(req, name, given) {
  try {
    return await operations[name](req, ...given)
  } catch (error) {
    return { thrown: error.code ?? error.name }
  }
}

function answer(res, status, body) {
  const text = JSON.stringify(body)
  res.statusCode = status
  res.setHeader('Content-Length', text.length)
  res.end(text)
}

const server = http.createServer((req, res) => {
  counts.requests += 1
  const isLocked = req.url.startsWith('/lock')
  const steps = JSON.parse(decodeURI(req.url.slice(isLocked ? 5 : 1)))
  middleware(req, res, isLocked ? { lock: true, lockWait: 60000 } : undefined, (error) => {
    if (error) {
      counts.failed += 1
      noteError('load', error)
      // Whoever waits for this request at a gate must not wait for ever.
      const results = run(req, steps.filter(([name]) => name === 'wait'))
      results.then(() => answer(res, 500, [{ thrown: error.code ?? error.message }]))
    } else {
      run(req, steps).then((results) => answer(res, 200, results))
    }
  })
})
server.keepAliveTimeout = 0
server.requestTimeout = 0
server.headersTimeout = 0

// The original throws out of the callbacks of its storage; its column counts that instead of ending there.
if (subject.kind !== 'ours') process.on('uncaughtException', () => { counts.uncaught += 1 })

server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('message', (message) => {
  if (message.open !== undefined) openGate(message.open)
  else if (message.count !== undefined) process.send({ count: message.count, counts, codes })
})
process.on('disconnect', () => process.exit(0))
