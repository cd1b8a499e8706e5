'use strict'

/**
 * A load generator for machines without wrk: keep-alive connections, each with one request under way.
 *
 * Started as `node generator.js PORT CONNECTIONS TARGETS`; runs until SIGINT, then prints what `load.lua` prints. Takes
 * responses with a Content-Length only.
 */

const fs = require('node:fs')
const net = require('node:net')

const [, , port, connections, file] = process.argv
/** Between an answer and the next request. Units: milliseconds. */
const pause = Number(process.env.BENCH_PAUSE ?? 0)
const requests = fs.readFileSync(file, 'utf8').trimEnd().split('\n').map(toRequest)
const latencies = []
let sent = 0
let failures = 0
let isStopped = false

function toRequest(line) {
  const [path, cookie] = line.split('\t')
  const cookieLine = cookie ? `Cookie: ${cookie}\r\n` : ''
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${cookieLine}\r\n`
}

/** The length of the first whole response in `text`, or 0. */
function responseLength(text) {
  const head = text.indexOf('\r\n\r\n')
  if (head === -1) return 0
  const length = head + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
  return text.length < length ? 0 : length
}

function connect() {
  const socket = net.connect(Number(port), '127.0.0.1')
  let text = ''
  let began = 0n
  const send = () => {
    began = process.hrtime.bigint()
    socket.write(requests[sent++ % requests.length])
  }
  socket.setNoDelay(true)
  socket.on('connect', send)
  socket.on('error', () => { failures += 1 })
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    const length = responseLength(text)
    if (length === 0) return
    if (!text.startsWith('HTTP/1.1 2')) failures += 1
    latencies.push(Number((process.hrtime.bigint() - began) / 1000n))
    text = text.slice(length)
    if (isStopped) return
    if (pause > 0) setTimeout(send, pause)
    else send()
  })
}

function finish() {
  isStopped = true
  latencies.sort((a, b) => a - b)
  const percentile = (share) => latencies[Math.floor(latencies.length * share)] ?? 0
  const result = { requests: latencies.length, failures, p50: percentile(0.5), p99: percentile(0.99) }
  process.stdout.write(`BENCH ${JSON.stringify(result)}\n`, () => process.exit(0))
}

process.on('SIGINT', finish)
process.stdout.write('READY\n')
for (let count = 0; count < Number(connections); count += 1) connect()
