'use strict'

/*
 * The ways an application is put together around a session: each framework turns a list of middlewares and one final handler
 * into a listener, and names the kind of server to run it on.
 */

const connect = require('connect')
const express4 = require('express4')
const express5 = require('express')

/** What an application without a framework does: one after the other, a 500 for an error. */
function plain(middlewares, handler) {
  return (req, res) => {
    const fail = () => {
      res.statusCode = 500
      res.end('failed')
    }
    const step = (index) => (error) => {
      if (error) {
        fail()
        return
      }
      try {
        if (index === middlewares.length) handler(req, res)
        else middlewares[index](req, res, step(index + 1))
      } catch {
        fail()
      }
    }
    step(0)()
  }
}

/** A framework with `use`, told to answer errors briefly. */
function using(make) {
  return (middlewares, handler) => {
    const app = make()
    for (const middleware of middlewares) app.use(middleware)
    app.use((req, res) => handler(req, res))
    app.use((error, req, res, next) => { // eslint-disable-line no-unused-vars
      res.statusCode = 500
      res.end('failed')
    })
    return app
  }
}

/** By name: `{kind, build(middlewares, handler)}`. */
const frameworks = {
  'Express 4': { kind: 'http', build: using(express4) },
  'Express 5': { kind: 'http', build: using(express5) },
  Connect: { kind: 'http', build: using(connect) },
  http: { kind: 'http', build: plain },
  https: { kind: 'https', build: plain },
  'HTTP/2': { kind: 'http2', build: plain },
  'HTTP/2 over TLS': { kind: 'https2', build: plain },
}

module.exports = { frameworks, express4, express5 }
