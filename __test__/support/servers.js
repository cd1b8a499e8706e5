'use strict'

/*
 * Real servers on free loopback ports, and sites: a server with one NodeSession on which a test runs its own code inside
 * requests. Everything is closed after the file's last test.
 */

const fs = require('fs')
const http = require('http')
const http2 = require('http2')
const https = require('https')
const path = require('path')

const { Agent } = require('./agent')
const { later, tempDir } = require('./cleanup')
const { SECRET, NAME, freshId, wire, idOf } = require('./cookies')

const TLS = {
  key: fs.readFileSync(path.join(__dirname, 'tls', 'key.pem')),
  cert: fs.readFileSync(path.join(__dirname, 'tls', 'cert.pem')),
}

const KINDS = {
  http: (listener) => http.createServer(listener),
  https: (listener) => https.createServer(TLS, listener),
  http2: (listener) => http2.createServer(listener),
  https2: (listener) => http2.createSecureServer(TLS, listener),
}

/** Starts a server of a kind (`http`, `https`, `http2`, `https2`); gives its origin and a maker of agents. */
async function listen(listener, kind = 'http') {
  const server = KINDS[kind](listener)
  const sockets = new Set()
  server.on(kind.startsWith('https') ? 'secureConnection' : 'connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const scheme = kind.startsWith('https') ? 'https' : 'http'
  const origin = `${scheme}://127.0.0.1:${server.address().port}`
  const close = () => new Promise((resolve) => {
    for (const socket of sockets) socket.destroy()
    server.close(resolve)
  })
  later(close)
  const agent = (options) => new Agent(origin, { h2: kind.endsWith('2'), ...options })
  return { server, origin, agent, close }
}

/**
 * A server in which each request runs the function that the test hands to `visit`, inside a started session.
 *
 * `before(req, res)` runs ahead of `startSession`. The site's files lie in a folder of their own.
 */
class Site {
  constructor(pkg, config, { encrypter, before } = {}) {
    this.dir = tempDir()
    this.config = { secret: SECRET, driver: 'memory', files: path.join(this.dir, 'sessions'), lottery: [0, 100], ...config }
    this.files = this.config.files
    this.nodeSession = pkg.create(this.config, encrypter)
    this.before = before || (() => {})
    this.scripts = new Map()
    this.errors = []
    this.corrupt = []
    if (typeof this.nodeSession.on === 'function') {
      this.nodeSession.on('error', (error) => this.errors.push(error))
      this.nodeSession.on('corrupt', (error) => this.corrupt.push(error))
    }
  }

  serve(req, res) {
    const script = this.scripts.get(req.headers['x-script'])
    this.before(req, res)
    this.nodeSession.startSession(req, res, (...args) => script(args, req, res))
  }

  /**
   * Makes one request and runs `script(session, req, res)` in it, then ends the response unless `ends` says that the script
   * does so. Gives the response with the script's `value` and the arguments of startSession's callback as `started`.
   */
  async visit(agent, script = () => {}, { ends = false, path: target = '/', headers, ...options } = {}) {
    const outcome = {}
    const key = String(this.scripts.size + 1)
    this.scripts.set(key, async (started, req, res) => {
      outcome.started = started
      outcome.session = req.session
      try {
        outcome.value = await script(req.session, req, res)
      } catch (error) {
        outcome.thrown = error
      }
      if (!ends || outcome.thrown) res.end('done')
    })
    const response = await agent.request(target, { ...options, headers: { ...headers, 'x-script': key } })
    if (outcome.thrown) throw outcome.thrown
    return Object.assign(response, outcome)
  }

  agent(options) {
    return this.host.agent(options)
  }

  /** An agent that holds the cookie of an id. */
  agentFor(id, secret = SECRET) {
    const agent = this.agent()
    agent.jar.set(this.config.cookie || NAME, wire(id, secret))
    return agent
  }

  /** The id in an agent's session cookie; null when it has none or its signature is bad. */
  id(agent) {
    const value = agent.cookie(this.config.cookie || NAME)
    return value === undefined ? null : idOf(value, [].concat(this.config.secret)[0])
  }

  /** Where the file driver keeps a session. */
  file(idOrAgent) {
    return path.join(this.files, typeof idOrAgent === 'string' ? idOrAgent : this.id(idOrAgent))
  }

  /** The text that the file driver has stored for an agent's session. */
  stored(idOrAgent) {
    return fs.readFileSync(this.file(idOrAgent), 'utf8')
  }

  /** The names of the session files; those beginning with a dot are not sessions. */
  names() {
    return fs.existsSync(this.files) ? fs.readdirSync(this.files).filter((name) => !name.startsWith('.')).sort() : []
  }

  /** Puts a text where the file driver looks for a session; gives an agent that holds its cookie. */
  plant(text, id = freshId()) {
    fs.mkdirSync(this.files, { recursive: true })
    fs.writeFileSync(this.file(id), text)
    return this.agentFor(id)
  }
}

/** Opens a site over a package. */
async function open(pkg, config = {}, { kind = 'http', ...options } = {}) {
  const site = new Site(pkg, config, options)
  site.host = await listen((req, res) => site.serve(req, res), kind)
  return site
}

/** Opens a site on the file driver. */
function openFiles(pkg, config = {}, options = {}) {
  return open(pkg, { driver: 'file', ...config }, options)
}

module.exports = { listen, open, openFiles }
