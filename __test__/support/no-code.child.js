'use strict'

/*
 * Runs a few requests in a Node that makes no code from strings; prints `fine` when everything worked.
 *
 * node --disallow-code-generation-from-strings no-code.child.js ENTRY FILES
 */

const http = require('http')

const [, , entry, files] = process.argv
const NodeSession = require(entry)
const nodeSession = new NodeSession({ secret: 'a secret that is long enough to be one', files })

const server = http.createServer((req, res) => {
  nodeSession.startSession(req, res, () => {
    req.session.put('user.name', 'bob')
    req.session.put({ 'a.b[0]': 1, 'my-key': 2 })
    req.session.push('list', 'x')
    req.session.flash('msg', 'hi')
    const seen = [req.session.get('user.name'), req.session.get('list[0]'), req.session.get('my-key'), req.session.has('msg')]
    res.end(JSON.stringify(seen))
  })
})

server.listen(0, '127.0.0.1', () => {
  http.get({ port: server.address().port, host: '127.0.0.1', agent: false }, (res) => {
    let body = ''
    res.on('data', (chunk) => { body += chunk })
    res.on('end', () => {
      console.log(body === '["bob","x",2,true]' ? 'fine' : body)
      server.close()
    })
  })
})
