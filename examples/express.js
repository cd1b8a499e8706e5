'use strict'

/**
 * A session in Express: a view counter, a message for the next page, a form that only this site can send.
 *
 * The memory driver keeps sessions in this process: nothing to set up, and nothing left after a restart.
 * Run: node examples/express.js
 */

const crypto = require('node:crypto')
const express = require('express')
const NodeSession = require('..') // in your application: require('node-session')

const session = new NodeSession({
  secret: crypto.randomBytes(32).toString('base64url'), // sessions in memory need no secret that outlives them
  driver: 'memory',
  lifetime: 30 * 60 * 1000 // half an hour without a request, in milliseconds
})

const app = express()
app.use((req, res, next) => session.startSession(req, res, next))
app.use(express.urlencoded({ extended: false }))

app.get('/', (req, res) => {
  req.session.increment('views')
  res.send(`<!doctype html>
    <title>Session in Express</title>
    <p>${req.session.get('message', 'No news.')}</p>
    <p>Views: ${req.session.get('views')}</p>
    <form method="post" action="/reset">
      <input type="hidden" name="_token" value="${req.session.getToken()}">
      <button>Count from the start</button>
    </form>`)
})

app.post('/reset', (req, res) => {
  if (!sameText(req.body?._token, req.session.getToken())) return res.status(403).send('This form did not come from here.')

  req.session.forget('views')
  req.session.flash('message', 'The counter is back at the start.') // there for the next request only
  res.redirect(303, '/')
})

const server = app.listen(Number(process.env.PORT || 3000), (error) => {
  if (error) throw error
  console.log(`http://localhost:${server.address().port}`)
})
process.once('SIGTERM', () => server.close())

/** Compares without telling, by the time it takes, how much was right. */
function sameText (a, b) {
  const [left, right] = [a, b].map((text) => Buffer.from(String(text ?? '')))
  return left.length === right.length && left.length > 0 && crypto.timingSafeEqual(left, right)
}
