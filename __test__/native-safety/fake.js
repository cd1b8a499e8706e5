'use strict'

/*
 * A request and a response that are only objects, for processes that serve more requests than a network carries.
 */

const { EventEmitter } = require('events')

/** A response that keeps its headers; calls `done` when it has ended. */
class Response extends EventEmitter {
  constructor(done) {
    super()
    this.done = done
    this.headers = {}
    this.statusCode = 200
    this.statusMessage = undefined
    this.headersSent = false
    this.writableFinished = false
  }

  getHeader(name) {
    return this.headers[name]
  }

  getHeaderNames() {
    return Object.keys(this.headers)
  }

  setHeader(name, value) {
    this.headers[name] = value
  }

  appendHeader(name, value) {
    this.headers[name] = [].concat(this.headers[name] ?? [], value)
  }

  removeHeader(name) {
    delete this.headers[name]
  }

  writeHead(status) {
    this.statusCode = status
    this.headersSent = true
    return this
  }

  flushHeaders() {
    if (!this.headersSent) this.writeHead(this.statusCode)
  }

  write() {
    this.flushHeaders()
    return true
  }

  end() {
    this.flushHeaders()
    this.writableFinished = true
    this.done(this)
    return this
  }

  destroy() {
    this.emit('close')
  }
}

module.exports = { Response }
