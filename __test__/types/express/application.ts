/** An Express application that opts in to `req.session`. */
import express from 'express'
import NodeSession from 'node-session'
import type {} from 'node-session/express'
import type { Equal, Expect } from '../expect'

declare module 'node-session' {
  interface SessionData {
    views: number
  }
}

const app = express()
const sessions = new NodeSession({ secret: 'text' })

app.use((req, res, next) => sessions.startSession(req, res, next))
app.use((req, res, next) => {
  sessions.startSession(req, res).then(() => next(), next)
})
app.get('/', (req, res) => {
  type _session = Expect<Equal<typeof req.session, NodeSession.Store>>
  const views = req.session.get('views', 0) + 1
  req.session.put('views', views)
  res.send(`Visit ${views}`)
})
