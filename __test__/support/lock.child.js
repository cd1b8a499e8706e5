'use strict'

/*
 * A server whose requests lock their session, in a process that can be killed while it has the lock.
 *
 * node lock.child.js ENTRY CONFIG, with an IPC channel: says `{port}` when it listens, `{holds: true}` when a request to
 * `/hold`, which is never answered, has the lock, and ends with its parent. `/count` adds one to `n` by reading and writing.
 */

const http = require('http')

const [, , entry, config] = process.argv
const NodeSession = require(entry)
const sessions = new NodeSession(JSON.parse(config))
sessions.on('error', (error) => process.send({ error: error.code }))

const server = http.createServer((req, res) => {
  sessions.startSession(req, res, async (error) => {
    if (error) {
      res.statusCode = 500
      res.end(error.code)
    } else if (req.url === '/hold') {
      process.send({ holds: true })
    } else {
      const n = req.session.get('n', 0)
      await new Promise(setImmediate)
      req.session.put('n', n + 1)
      res.end(String(n + 1))
    }
  })
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('disconnect', () => process.exit(0))
