'use strict'

/*
 * A server that ends with its answer, works on after it, or answers several at once, for departures.spec.js.
 *
 * node departures.child.js ENTRY
 *
 * Says its port. `/NAME` does what is said below; `/busy` is also asked by this process itself, from another thread.
 */

const http = require('http')
const { Worker, isMainThread, workerData } = require('worker_threads')

/** Longest that a handler works on while it waits for its answer to arrive. Units: milliseconds. */
const PATIENCE = 20000
const say = (text) => process.stdout.write(`${text}\n`)

function ask({ port, arrived }) {
  http.get({ port, path: '/busy' }, (answer) => {
    answer.resume().on('end', () => {
      Atomics.store(arrived, 0, 1)
      Atomics.notify(arrived, 0)
    })
  })
}

function serve() {
  const NodeSession = require(process.argv[2])
  const sessions = new NodeSession({ secret: 'Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD', driver: 'memory' })
  const arrived = new Int32Array(new SharedArrayBuffer(4))
  const waiting = []

  const AFTER = {
    kill: () => process.kill(process.pid, 'SIGKILL'),
    exit: () => process.exit(),
    really: () => process.reallyExit(0),
    abort: () => process.abort(),
    destroy: (res) => res.socket.destroy(),
    throw() {
      throw new Error('after the answer')
    },
    busy: () => say(Atomics.wait(arrived, 0, 0, PATIENCE)),
  }

  const server = http.createServer((req, res) => sessions.startSession(req, res, () => {
    req.session.put('at', req.url)
    if (req.url === '/together') {
      waiting.push(res)
      if (waiting.length === Number(req.headers['x-together'])) for (const each of waiting.splice(0)) each.end('answer')
      return
    }
    const { socket } = res
    res.end('answer')
    AFTER[req.url.slice(1)]({ socket })
  }))
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    say(port)
    process.stdin.once('data', () => new Worker(__filename, { workerData: { port, arrived } }))
  })
}

if (isMainThread) serve()
else ask(workerData)
