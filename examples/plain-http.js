'use strict'

/**
 * A session without a framework: a view counter, and a message for the next page.
 *
 * `startSession` calls back when the session is there; `end` saves it. Nothing else is needed.
 * Run: node examples/plain-http.js
 */

const crypto = require('node:crypto')
const http = require('node:http')
const NodeSession = require('..') // in your application: require('node-session')

const session = new NodeSession({
  secret: crypto.randomBytes(32).toString('base64url'),
  driver: 'memory'
})

const server = http.createServer((req, res) => {
  if (!['/', '/hello'].includes(req.url)) { // no session for the browser's /favicon.ico
    res.statusCode = 404
    return res.end('Not here.\n')
  }
  session.startSession(req, res, (error) => {
    if (error) {
      res.statusCode = 500
      return res.end('The session cannot be read.\n')
    }
    req.url === '/hello' ? hello(req, res) : count(req, res)
  })
})

function count (req, res) {
  const views = req.session.increment('views')
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.end(`${req.session.get('message', 'No news; see /hello.')}\nViews: ${views}\n`)
}

function hello (req, res) {
  req.session.flash('message', 'Hello from the page before.')
  res.writeHead(303, { Location: '/' })
  res.end()
}

server.listen(Number(process.env.PORT || 3000), () => {
  console.log(`http://localhost:${server.address().port}`)
})
process.once('SIGTERM', () => server.close())
