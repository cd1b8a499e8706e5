'use strict'

/**
 * One contender behind a plain http server, in a process of its own; counts its requests and the processor time it takes.
 *
 * Started as `node server.js CONTENDER FOLDER` with an IPC channel. Says `{port}` when it listens, answers `usage` with
 * `{cpu, time, requests, lost, failed}` (microseconds since its start; counts), and ends on `stop` or when its parent goes.
 */

const http = require('node:http')
const { CONTENDERS } = require('./contenders')

const [, , name, folder] = process.argv
const { make, routes, drop } = CONTENDERS[name]
const open = make(folder)

let requests = 0
/** Answers without the value that the session should have had. */
let lost = 0
/** Sessions that could not be opened. */
let failed = 0

function answer(req, res, error) {
  let body
  if (error) {
    failed += 1
    res.statusCode = 500
    body = 'failed'
  } else {
    body = routes[req.url](req)
    if (body === undefined) lost += 1
  }
  requests += 1
  res.end(String(body))
}

function usage() {
  const { user, system } = process.cpuUsage()
  const time = Number(process.hrtime.bigint() / 1000n)
  return { cpu: user + system, time, requests, lost, failed }
}

const server = http.createServer((req, res) => open(req, res, (error) => answer(req, res, error)))
server.keepAliveTimeout = 60000

server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
async function stop() {
  try {
    await drop?.(folder)
  } finally {
    process.exit()
  }
}

process.on('message', (message) => {
  if (message === 'usage') process.send(usage())
  else stop()
})
process.on('disconnect', stop)
