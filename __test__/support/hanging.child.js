'use strict'

/*
 * A process with one NodeSession over a handler that hangs, for tests of what keeps a process alive: `job` says what it does before
 * it has nothing left to do. Prints what it saw as JSON, and when it had nothing left to do, in milliseconds after that.
 */

const fs = require('fs')
const http = require('http')

const [, , entry, job, options] = process.argv
const NodeSession = require(entry)

const sessions = new NodeSession({ secret: 'a secret of the processes of hanging.child.js', driver: 'hanging', ...JSON.parse(options) })
const handler = { read() {}, write() {}, destroy() {}, gc() {} }
sessions.__manager.registerHandler('hanging', (config, callback) => callback(sessions.__manager.__buildSession(handler)))

const seen = []
sessions.on('error', (error) => seen.push(error.code))

/** Saves a session without anybody waiting for it. */
function save() {
  const request = { headers: {}, socket: {} }
  sessions.getSession(request, (session) => {
    session.setId(session.getId())
    session.put('a', 1)
    session.save((error) => seen.push(error.code))
  })
}

/** Serves one request, whose response waits for the handler. */
function serve(done) {
  const server = http.createServer((req, res) => {
    sessions.startSession(req, res, (error) => {
      if (error) seen.push(error.code)
      res.end('done')
    })
  })
  server.listen(0, '127.0.0.1', () => {
    http.get({ port: server.address().port, agent: false }, (res) => res.resume().on('end', () => server.close(done)))
  })
}

const JOBS = {
  idle() {},
  pending: save,
  async close() {
    save()
    await sessions.close()
    seen.push('closed')
  },
  served: () => serve(() => {}),
}

const begin = performance.now()
process.on('exit', () => fs.writeSync(1, JSON.stringify({ seen, took: performance.now() - begin })))
JOBS[job]()
