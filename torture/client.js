'use strict'

/**
 * An HTTP client that costs next to nothing: raw connections that are kept, each with one request under way.
 *
 * Knows only what `server.js` answers: bodies with a Content-Length, in ASCII.
 */

const net = require('node:net')

/** A connection that says nothing for so long is dead. Units: milliseconds. */
const SILENCE = 60000

/**
 * One kept connection.
 *
 * @private
 */
class Connection {
  constructor(client) {
    this.client = client
    this.text = ''
    this.resolve = undefined
    this.reject = undefined
    this.socket = net.connect(client.port, '127.0.0.1')
    this.socket.setNoDelay(true)
    this.socket.setEncoding('latin1')
    this.socket.setTimeout(SILENCE, () => this.socket.destroy(new Error('the server says nothing')))
    this.socket.on('data', (chunk) => this.received(chunk))
    this.socket.on('error', (error) => this.failed(error))
    this.socket.on('close', () => this.failed(new Error('the server closed the connection')))
  }

  send(text, resolve, reject) {
    this.resolve = resolve
    this.reject = reject
    this.socket.write(text, 'latin1')
  }

  received(chunk) {
    this.text = this.text === '' ? chunk : this.text + chunk
    const { text } = this
    const head = text.indexOf('\r\n\r\n')
    if (head === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? 0)
    if (text.length < head + 4 + length) return
    const answer = { status: Number(text.slice(9, 12)), head: text.slice(0, head), body: text.slice(head + 4) }
    const { resolve } = this
    this.text = ''
    this.resolve = undefined
    this.client.idle.push(this)
    resolve(answer)
  }

  failed(error) {
    const { reject, resolve } = this
    this.resolve = undefined
    const at = this.client.idle.indexOf(this)
    if (at !== -1) this.client.idle.splice(at, 1)
    this.client.all.delete(this)
    if (resolve !== undefined) reject(error)
  }
}

/** The connections to one server; as many as requests are under way. */
class Client {
  constructor(port) {
    this.port = port
    this.idle = []
    this.all = new Set()
  }

  /**
   * Asks for `path`.
   *
   * @param {string} path
   * @param {string} [cookie] the `Cookie` header
   * @returns {Promise<{status: number, head: string, body: string}>}
   */
  get(path, cookie) {
    const line = cookie === undefined ? '' : `Cookie: ${cookie}\r\n`
    const text = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${line}\r\n`
    return new Promise((resolve, reject) => {
      let connection = this.idle.pop()
      if (connection === undefined) {
        connection = new Connection(this)
        this.all.add(connection)
      }
      connection.send(text, resolve, reject)
    })
  }

  close() {
    for (const { socket } of this.all) socket.destroy()
  }
}

/** The session cookie that an answer sets, as a `Cookie` header; `null` when it removes it, `undefined` for none. */
function cookieOf({ head }) {
  const line = /\r\nset-cookie: ([^;\r]*)([^\r]*)/i.exec(head)
  if (line === null) return undefined
  return /max-age=0\b|expires=thu, 01 jan 1970/i.test(line[2]) ? null : line[1]
}

module.exports = { Client, cookieOf }
