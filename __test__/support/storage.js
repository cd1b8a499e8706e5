'use strict'

/*
 * Servers in processes of their own whose storage a test breaks, and what such a test asks of each answer.
 *
 * Every fault is a real one: this file starts the process where the fault can be had (in a mount of its own, short of file
 * descriptors), storage that lies is told to by drivers.js, system calls that fail are strace.js's.
 */

const { spawn } = require('child_process')
const http = require('http')
const path = require('path')

const { ours } = require('./packages')
const { Agent } = require('./agent')
const { later } = require('./cleanup')
const { SECRET, NAME, wire, idOf } = require('./cookies')

const CHILD = path.join(__dirname, 'storage.child.js')

/** A server in another process. */
class Server {
  /**
   * Starts one. `wrap` is the command that runs it (`['prlimit', …]`), `env` is added to its environment; the rest is its
   * NodeSession's options.
   */
  static async start({ wrap = [], env = {}, ...config } = {}) {
    const server = new Server()
    await server.begin(wrap, env, { secret: SECRET, lottery: [0, 100], ...config })
    return server
  }

  async begin(wrap, env, config) {
    const [command, ...args] = [...wrap, process.execPath, CHILD, ours.entry, JSON.stringify(config)]
    this.asked = new Map()
    this.config = config
    this.connections = new http.Agent({ keepAlive: true })
    this.child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: { ...process.env, ...env } })
    this.pid = this.child.pid
    this.end = new Promise((resolve) => { this.child.on('exit', (code, signal) => resolve(signal || code)) })
    this.end.then((how) => {
      this.ended = how
      for (const { reject } of this.asked.values()) reject(new Error(`the server ended: ${how}`))
    })
    const { port } = await Promise.race([
      new Promise((resolve) => { this.child.once('message', resolve) }),
      this.end.then((how) => { throw new Error(`the server did not start: ${how}`) }),
    ])
    this.child.on('message', ({ call, result, error }) => {
      const { resolve, reject } = this.asked.get(call)
      this.asked.delete(call)
      if (error === undefined) resolve(result)
      else reject(new Error(error))
    })
    this.origin = `http://127.0.0.1:${port}`
    later(() => this.stop())
  }

  /** Asks the process itself; see `ASKED` in storage.child.js. */
  ask(method, ...args) {
    return new Promise((resolve, reject) => {
      const call = (this.calls = (this.calls || 0) + 1)
      this.asked.set(call, { resolve, reject })
      this.child.send({ call, method, args }, (error) => { if (error) reject(error) })
    })
  }

  /** A visitor, with the cookie of an id if one is given. */
  agent(id) {
    const agent = new Agent(this.origin, { keepAlive: this.connections })
    if (id !== undefined) agent.jar.set(NAME, wire(id, this.config.secret))
    return agent
  }

  /** The id in a visitor's cookie. */
  id(agent) {
    return idOf(agent.cookie(), this.config.secret)
  }

  /**
   * One request whose session does the steps. Gives `{status, cookies, found}`; `found` is what the session held when it was
   * started and what the steps gave. Rejects when the answer was not whole.
   */
  async visit(agent, ...steps) {
    const before = Date.now()
    const response = await agent.request('/', { headers: { 'x-steps': encodeURIComponent(JSON.stringify(steps)) } })
    const { status, body, aborted } = response
    if (aborted || !body.endsWith('whole')) throw new Error(`the answer is not whole: ${status} ${JSON.stringify(body.slice(0, 200))}`)
    return { status, cookies: response.setCookies, found: JSON.parse(body.slice(0, -5)), took: Date.now() - before }
  }

  /** What was emitted since this was asked for last, as texts: `'error ERR_SESSION_WRITE'`. */
  told() {
    return this.ask('told')
  }

  /** Ends the process, and waits for its end. */
  async stop(signal = 'SIGKILL') {
    this.connections.destroy()
    if (this.ended === undefined) this.child.kill(signal)
    return this.end
  }
}

/** The text of a state, as the server's step `state` makes it. */
const textOf = (n) => 'abcdefghijklmnopqrstuvwxyz'[n % 26].repeat(6000 + n)

/** The number of a state that is whole, `undefined` for none; anything else is an error. */
function numberOf(state) {
  if (state === undefined || state.text === textOf(state.n)) return state && state.n
  throw new Error(`a torn state: ${JSON.stringify(state).slice(0, 100)}`)
}

const CODES = /^ERR_SESSION_(READ|WRITE|TIMEOUT)$/
const TOLD = /^error ERR_SESSION_(READ|WRITE|TIMEOUT)$/

/** One request during a fault: it is answered, with the session or with an error and no cookie. Gives `{found, told}`. */
async function visitDuring(server, agent, ...steps) {
  const { status, cookies, found } = await server.visit(agent, ...steps)
  const told = await server.told()
  expect(status).toBe(200)
  for (const line of told) expect(line).toMatch(TOLD)
  if (found.error !== undefined) {
    expect(found.error).toMatch(CODES)
    expect([found.user, cookies]).toEqual([undefined, []])
  }
  return { cookies, found, told }
}

/**
 * Lets a visitor's session live through a fault of the storage: it is read, written and found again, by a visitor who is known; a new
 * one comes along as well. `begins` and `ends` the fault; `isFelt` says what it has to stop, lest a fault that was none passes:
 * `read` (and with it everything), `save` or nothing (`false`, when a driver may find a way round it).
 */
async function livesThrough(server, { begins, ends, isFelt = false }) {
  const known = server.agent()
  await server.visit(known, ['state', 1], ['put', 'user', 'bob'])
  const id = server.id(known)
  expect(await server.told()).toEqual([])
  await begins()
  const read = await visitDuring(server, known)
  if (read.found.error === undefined) expect([read.found.user, numberOf(read.found.state)]).toEqual(['bob', 1])
  const save = await visitDuring(server, known, ['state', 2])
  const fresh = server.agent()
  const made = await visitDuring(server, fresh, ['put', 'user', 'eve'])
  // What was not stored is told, and its cookie is not sent: the browser would come back with an id that means nothing.
  if (made.told.length > 0) expect(made.cookies).toEqual([])
  if (isFelt === 'read') expect(read.found.error).toMatch(CODES)
  if (isFelt) expect([save.told.length, made.told.length]).toEqual([1, 1])
  await ends()
  const again = await server.visit(known)
  expect([again.found.error, again.found.user, server.id(known)]).toEqual([undefined, 'bob', id])
  expect(numberOf(again.found.state)).toBe(save.told.length === 0 ? 2 : 1)
  await server.visit(known, ['state', 3])
  expect(numberOf((await server.visit(known)).found.state)).toBe(3)
  await server.visit(fresh, ['put', 'user', 'eve'])
  expect((await server.visit(fresh)).found.user).toBe('eve')
  expect([await server.told(), server.ended]).toEqual([[], undefined])
}

module.exports = { Server, numberOf, visitDuring, livesThrough }
