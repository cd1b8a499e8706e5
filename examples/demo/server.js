'use strict'

/**
 * A small tea room on Express: the demo that `npm start` serves.
 *
 * Read it from top to bottom; it shows what most applications want from a session: a view counter, a tray that is changed
 * in place, messages for the next page, forms that only this site can send, signing in and signing out.
 *
 * PORT (3000), SECRET (made at the first start) and SESSIONS (the folder of session files) come from the environment.
 */

const crypto = require('node:crypto')
const path = require('node:path')
const express = require('express')
const NodeSession = require('../..') // in your application: require('node-session')
const loadSecret = require('./secret')
const { findTea } = require('./menu')
const views = require('./views')

const CUPS_OF_ONE_TEA = 12
const ORDERS_KEPT = 3
const NAME_LENGTH = 40

const folder = process.env.SESSIONS || path.join(__dirname, 'sessions')

const session = new NodeSession({
  secret: loadSecret(`${folder}.secret`),
  driver: 'file',
  files: folder,
  cookie: 'tea_room',
  sameSite: 'lax',
  lifetime: 24 * 60 * 60 * 1000 // a day without a visit, in milliseconds
})

// What could not be saved: the page has been sent all the same, so this is the place to hear of it.
session.on('error', (error) => console.error(error))

const app = express()
app.disable('x-powered-by')

// Style sheet and icon come first: they need no session, so they do not pay for one.
app.use(express.static(path.join(__dirname, 'public')))
app.use(headers)
app.use((req, res, next) => session.startSession(req, res, next))
app.use(express.urlencoded({ extended: false, limit: '10kb' }))
app.use(checkToken)

app.get('/', (req, res) => {
  req.session.increment('views')
  res.send(views.home(req.session))
})

app.post('/tray', (req, res) => {
  const tea = findTea(req.body.more || req.body.less)
  if (!tea) return leaveWord(req, res, 'error', 'That tea is not on the menu.', '/')

  // `get` gives the session's own object: what you change in it is saved when the response ends.
  if (!req.session.has('tray')) req.session.put('tray', {})
  const tray = req.session.get('tray')
  const back = req.body.from === 'tray' ? '/#tray' : `/#${tea.id}`

  if (req.body.less) {
    tray[tea.id] = (tray[tea.id] || 0) - 1
    if (tray[tea.id] < 1) delete tray[tea.id]
    return leaveWord(req, res, 'done', `Took a cup of ${tea.name} off your tray.`, back)
  }
  if (tray[tea.id] >= CUPS_OF_ONE_TEA) {
    return leaveWord(req, res, 'error', `${CUPS_OF_ONE_TEA} cups of ${tea.name} is all we can carry.`, back)
  }
  tray[tea.id] = (tray[tea.id] || 0) + 1
  leaveWord(req, res, 'done', `${tea.name} is on your tray.`, back)
})

app.post('/order', (req, res) => {
  const tray = req.session.get('tray', {})
  if (Object.keys(tray).length === 0) return leaveWord(req, res, 'error', 'Your tray is empty.', '/#tray')
  if (!req.session.has('user')) return leaveWord(req, res, 'error', 'Tell us your name first.', '/#sign-in')

  req.session.push('orders', { at: Date.now(), tray })
  const orders = req.session.get('orders')
  if (orders.length > ORDERS_KEPT) orders.shift()
  req.session.forget('tray')
  leaveWord(req, res, 'done', `Thank you, ${req.session.get('user.name')}. The kettle is on.`, '/#orders')
})

app.post('/sign-in', (req, res) => {
  const name = typeof req.body.name === 'string' ? req.body.name.trim() : ''
  const problem = problemWithName(name)
  if (problem) {
    req.session.flash('signIn', { name: name.slice(0, NAME_LENGTH), problem })
    return res.redirect(303, '/')
  }

  // Who signs in gets a new session id and a new token, so that nobody who knew the old ones can follow.
  req.session.regenerate(true)
  req.session.regenerateToken()
  req.session.put('user', { name })
  leaveWord(req, res, 'done', `Welcome, ${name}. Your session moved to a new id.`, '/')
})

app.post('/sign-out', (req, res, next) => {
  // Final: slower requests of this visitor bring nothing back.
  req.session.invalidate((error) => {
    if (error) return next(error)
    leaveWord(req, res, 'done', 'Signed out. Everything your session held is gone.', '/')
  })
})

app.use((req, res) => res.status(404).send(views.notFound(req.session)))
app.use(oops)

listen(app)

/** Pages are personal: no cache keeps them, and nothing foreign runs in them. */
function headers (req, res, next) {
  res.set('Cache-Control', 'no-store')
  res.set('X-Content-Type-Options', 'nosniff')
  res.set('Content-Security-Policy', "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'")
  next()
}

/** Lets a form through only when it carries the token that this visitor's session holds. */
function checkToken (req, res, next) {
  if (['GET', 'HEAD', 'OPTIONS'].includes(req.method)) return next()

  const sent = Buffer.from(String(req.body?._token ?? ''))
  const held = Buffer.from(req.session.getToken())
  if (sent.length === held.length && crypto.timingSafeEqual(sent, held)) return next()

  res.status(403).send(views.forbidden(req.session))
}

/** Post/Redirect/Get: the message waits in the session for the next page, and only for that one. */
function leaveWord (req, res, kind, text, page) {
  req.session.flash('message', { kind, text })
  res.redirect(303, page)
}

function problemWithName (name) {
  if (name === '') return 'Please enter a name; any name will do.'
  if (name.length > NAME_LENGTH) return `Please keep it to ${NAME_LENGTH} characters.`
}

/** Express calls this for everything that went wrong, an unreadable session (`startSession`) included. */
function oops (error, req, res, next) {
  const status = error.status || 500
  if (status >= 500) console.error(error)
  if (res.headersSent) return next(error)
  res.status(status).send(views.oops(req.session, status))
}

function listen (app) {
  const server = app.listen(Number(process.env.PORT || 3000), (error) => {
    if (!error) return console.log(`The tea room is open: http://localhost:${server.address().port}`)

    console.error(error.code === 'EADDRINUSE'
      ? `Port ${error.port} is already in use. Choose another one: PORT=${error.port + 1} npm start`
      : `Cannot listen: ${error.message}`)
    process.exitCode = 1
  })

  // Requests under way get a second to finish; a connection that a browser holds in reserve does not keep us.
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      server.close()
      setTimeout(() => server.closeAllConnections(), 1000).unref()
    })
  }
}
