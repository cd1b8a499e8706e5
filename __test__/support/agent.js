'use strict'

/*
 * A visitor: a small HTTP client with a cookie jar that shows every Set-Cookie header as it came.
 *
 * It sends nothing of its own accord but the jar's cookies, follows no redirect, and reads the whole body.
 */

const fs = require('fs')
const http = require('http')
const http2 = require('http2')
const https = require('https')
const path = require('path')

const { parseSetCookie } = require('./cookies')

const CERTIFICATE = fs.readFileSync(path.join(__dirname, 'tls', 'cert.pem'))

class Agent {
  /** @param {string} origin `http://…`, `https://…`; `h2: true` speaks HTTP/2 */
  constructor(origin, { h2 = false, keepAlive } = {}) {
    this.origin = origin
    this.h2 = h2
    this.keepAlive = keepAlive
    this.jar = new Map()
  }

  /**
   * Gives `{status, headers, rawHeaders, setCookies, body, aborted}`, over HTTP/1 `bytes` too. `cookie` replaces the jar for
   * this request.
   */
  async request(target = '/', { method = 'GET', headers = {}, body, cookie } = {}) {
    const sent = { ...headers }
    const cookies = cookie === undefined ? this.cookieHeader() : cookie
    if (cookies) sent.cookie = cookies
    const send = this.h2 ? sendHttp2 : sendHttp1
    const response = await send(this, target, method, sent, body)
    for (const header of response.setCookies) this.keep(header)
    return response
  }

  /** The value of a cookie in the jar. */
  cookie(name = 'node_session') {
    return this.jar.get(name)
  }

  cookieHeader() {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Takes a Set-Cookie header into the jar, or out of it when it has expired. */
  keep(header) {
    const { name, value, attributes } = parseSetCookie(header)
    const maxAge = attributes.find(([key]) => key === 'Max-Age')
    if (maxAge && Number(maxAge[1]) <= 0) this.jar.delete(name)
    else this.jar.set(name, value)
  }

  /** Another visitor with the same cookies. */
  twin() {
    const twin = new Agent(this.origin, this)
    twin.jar = new Map(this.jar)
    return twin
  }
}

function sendHttp1(agent, target, method, headers, body) {
  const { request } = agent.origin.startsWith('https') ? https : http
  const options = { method, headers, agent: agent.keepAlive || false, ca: CERTIFICATE, servername: 'localhost' }
  return new Promise((resolve, reject) => {
    const outgoing = request(agent.origin + target, options, (incoming) => {
      const chunks = []
      const finish = (aborted) => {
        resolve({
          status: incoming.statusCode,
          headers: incoming.headers,
          rawHeaders: incoming.rawHeaders,
          setCookies: incoming.headers['set-cookie'] || [],
          bytes: Buffer.concat(chunks),
          body: Buffer.concat(chunks).toString(),
          aborted,
        })
      }
      incoming.on('data', (chunk) => chunks.push(chunk))
      incoming.on('end', () => finish(false))
      incoming.on('error', () => finish(true))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function sendHttp2(agent, target, method, headers, body) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(agent.origin, { ca: CERTIFICATE, servername: 'localhost' })
    session.on('error', reject)
    const stream = session.request({ ':method': method, ':path': target, ...headers }, { endStream: body === undefined })
    const chunks = []
    let received = {}
    let rawHeaders = []
    stream.on('response', (fields, flags, raw) => {
      received = fields
      rawHeaders = raw || []
    })
    stream.on('data', (chunk) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => {
      session.close()
      const setCookies = [].concat(received['set-cookie'] || [])
      const text = Buffer.concat(chunks).toString()
      resolve({ status: received[':status'], headers: received, rawHeaders, setCookies, body: text, aborted: false })
    })
    if (body !== undefined) stream.end(body)
  })
}

module.exports = { Agent }
