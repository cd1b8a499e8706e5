'use strict'

/**
 * Sessions in a storage of your own: a handler written in JavaScript, registered under a name that `driver` then asks for.
 *
 * This one is a Map that says what happens to it. A handler moves text: it knows nothing of attributes, cookies or
 * encryption. Dropping what is old is its own task; `gc` is called now and then with an age in milliseconds.
 * Run: node examples/custom-handler.js
 */

const crypto = require('node:crypto')
const http = require('node:http')
const NodeSession = require('..') // in your application: require('node-session')

const records = new Map() // session id → { text, written }

const handler = {
  /** Calls back with the stored text, or '' when there is none. Something went wrong: call back an Error. */
  read (id, callback) {
    console.log('read')
    callback(records.get(id)?.text ?? '')
  },

  write (id, text, callback) {
    console.log(`write ${text.length} characters`)
    records.set(id, { text, written: Date.now() })
    callback(null)
  },

  destroy (id, callback) {
    console.log('destroy')
    records.delete(id)
    callback?.(null)
  },

  gc (maxAge) {
    for (const [id, { written }] of records) {
      if (written < Date.now() - maxAge) records.delete(id)
    }
  }
}

const session = new NodeSession({ secret: crypto.randomBytes(32).toString('base64url'), driver: 'talkative-map' })
const manager = session.__manager
manager.registerHandler('talkative-map', (config, callback) => callback(manager.__buildSession(handler)))

const server = http.createServer((req, res) => {
  session.startSession(req, res, () => {
    req.session.increment('views')
    res.end(`Views: ${req.session.get('views')}\n`)
  })
})
server.listen(Number(process.env.PORT || 3000), () => console.log(`http://localhost:${server.address().port}`))
process.once('SIGTERM', () => server.close())
