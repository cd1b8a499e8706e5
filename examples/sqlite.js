'use strict'

/**
 * Sessions in an SQLite database that is part of the package: no server, nothing else to install.
 *
 * The file and the table `sessions` (id, payload, lastActivity) are made when they are missing; stop the example, start it
 * again, and the counter goes on. SQLITE_FILE names another file.
 * Run: node examples/sqlite.js
 */

const path = require('node:path')
const express = require('express')
const NodeSession = require('..') // in your application: require('node-session')

const session = new NodeSession({
  // Whoever knows the secret can sign cookies: 32 random bytes from the environment, never from the source, as here.
  secret: process.env.SECRET || 'known to all the world, and so for this example only',
  driver: 'database',
  connection: {
    adapter: 'sqlite',
    filename: process.env.SQLITE_FILE || path.join(__dirname, 'example.sqlite')
  },
  table: 'sessions',
  lifetime: 24 * 60 * 60 * 1000 // a day without a request, in milliseconds
})

const app = express()
app.use((req, res, next) => session.startSession(req, res, next))

app.get('/', (req, res) => {
  // Attributes may be objects: what you change in one that `get` gave you is saved.
  if (!req.session.has('visit')) req.session.put('visit', { views: 0, since: new Date() })
  const visit = req.session.get('visit')
  visit.views += 1
  res.json(visit)
})

const server = app.listen(Number(process.env.PORT || 3000), (error) => {
  if (error) throw error
  console.log(`http://localhost:${server.address().port}`)
})
process.once('SIGTERM', () => server.close())
