'use strict'

/*
 * Requests that overlap because a test holds one of them: for the suites of lock mode.
 */

const http = require('http')

const { ours } = require('./packages')
const { open } = require('./servers')
const { until } = require('./waiting')
const { SECRET, wire } = require('./cookies')

/** Something that a request waits for, until the test opens it. */
function gate() {
  const it = {}
  it.passed = new Promise((resolve) => {
    it.open = resolve
  })
  return it
}

/** Counts the requests that have called `startSession`. */
function countArrivals(site) {
  const serve = site.serve.bind(site)
  site.arrived = 0
  site.serve = (req, res) => {
    serve(req, res)
    site.arrived += 1
  }
}

/** A site with a session that is stored, and an agent that has it. */
async function visited(config) {
  const site = await open(ours, { lock: true, ...config })
  countArrivals(site)
  const agent = site.agent()
  await site.visit(agent)
  return { site, agent }
}

/** A request that has the session until its gate is opened; resolves when it has it. */
async function hold(site, agent) {
  const it = gate()
  let isThere = false
  const answer = site.visit(agent.twin(), async (session) => {
    isThere = true
    await it.passed
    return session
  })
  await until(() => isThere)
  return { open: it.open, answer }
}

/** Starts a request and resolves, with its answer to come, when it has called `startSession`. */
async function arrive(site, agent, script, options) {
  const next = site.arrived + 1
  const answer = site.visit(agent.twin(), script, options)
  await until(() => site.arrived >= next)
  return { answer }
}

/** A request that cannot be left to an agent: gives itself, to be destroyed. */
function raw(site, agent, key) {
  const headers = { cookie: agent.cookieHeader(), 'x-script': key }
  const request = http.get(site.host.origin, { headers, agent: false })
  request.on('error', () => {})
  return request
}

/** A request and a response that never met a socket. */
function fake(sessions) {
  const make = (request) => Object.assign(request, { url: '/', socket: undefined })
  const response = () => new http.ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 })
  const request = make({ headers: {} })
  sessions.startSession(request, response(), () => {})
  const call = (given, callback) => sessions.startSession(make(given), response(), callback)
  return { request: make({ headers: {} }), response: response(), session: request.session, call }
}

/** The cookie of a session. */
function wireOf(sessions, session) {
  return `${session.getName()}=${wire(session.getId(), SECRET)}`
}

module.exports = { gate, countArrivals, visited, hold, arrive, raw, fake, wireOf }
