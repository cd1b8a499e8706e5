'use strict'

/**
 * Server processes of one subject over one storage, the gates inside them, and requests to them.
 */

const { fork } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { Client, cookieOf } = require('./client')
const { DRIVERS } = require('./drivers')

/**
 * One server process.
 *
 * @private
 */
class Server {
  constructor(fleet) {
    this.fleet = fleet
    this.client = undefined
    this.counting = new Map()
    this.isStopping = false
    const given = [JSON.stringify(fleet.subject), fleet.folder]
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc']
    this.child = fork(path.join(__dirname, 'server.js'), given, { execArgv: [], stdio, cwd: fleet.folder })
    this.exited = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => {
        if (!this.isStopping) fleet.exited(code, signal)
        resolve()
      })
    })
    this.listening = new Promise((resolve, reject) => {
      this.child.on('message', (message) => this.heard(message, resolve))
      this.exited.then(() => reject(new Error('a server has ended before it listened')))
    })
  }

  heard(message, listening) {
    if (message.full !== undefined) this.fleet.full(message.full)
    else if (message.event !== undefined) this.fleet.happened(message)
    else if (message.count !== undefined) {
      this.counting.get(message.count)(message)
      this.counting.delete(message.count)
    } else {
      this.client = new Client(message.port)
      listening()
    }
  }

  /** What has happened in this process; whatever it has told of before has then been heard. */
  counts() {
    const count = (this.fleet.asked += 1)
    const answered = new Promise((resolve) => this.counting.set(count, resolve))
    this.child.send({ count })
    return answered
  }

  async stop() {
    this.isStopping = true
    this.client?.close()
    if (this.child.connected) this.child.disconnect()
    await this.exited
  }
}

/** Server processes of one subject over one storage. */
class Fleet {
  /** @private Use `Fleet.start`. */
  constructor(subject) {
    this.subject = subject
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-torture-'))
    this.servers = []
    /** By gate: how many processes still have to report that it is full, and whom to tell. */
    this.gates = new Map()
    this.events = new Map()
    this.asked = 0
    this.exits = 0
    /** What the first errors were, as `counts` learnt it. */
    this.codes = []
    this.named = 0
  }

  /**
   * Starts servers; they have an empty folder for their storage.
   *
   * @param {object} subject one of `subjects.js`
   * @param {number} processes
   * @returns {Promise<Fleet>}
   */
  static async start(subject, processes = 1) {
    const fleet = new Fleet(subject)
    for (let count = 0; count < processes; count += 1) fleet.servers.push(new Server(fleet))
    await Promise.all(fleet.servers.map((server) => server.listening))
    return fleet
  }

  /**
   * Sends one request.
   *
   * @param {number} server which one; any number will do
   * @param {Array<[string, ...unknown[]]>} steps the operations, one after the other
   * @param {string} [cookie]
   * @param {{lock?: boolean}} [how]
   * @returns {Promise<{status: number, results: unknown[], cookie: string | null | undefined}>}
   */
  async request(server, steps, cookie, { lock = false } = {}) {
    const { client } = this.servers[server % this.servers.length]
    const answer = await client.get(`/${lock ? 'lock' : ''}${encodeURI(JSON.stringify(steps))}`, cookie)
    return { status: answer.status, results: JSON.parse(answer.body), cookie: cookieOf(answer) }
  }

  /** A name for a gate that no other has. */
  gateName() {
    this.named += 1
    return `g${this.named}`
  }

  /** Resolves when as many requests as were announced stand at a gate, in as many processes. */
  whenFull(name, processes = 1) {
    return new Promise((resolve, reject) => this.gates.set(name, { left: processes, resolve, reject }))
  }

  /** @private */
  full(name) {
    const gate = this.gates.get(name)
    gate.left -= 1
    if (gate.left > 0) return
    this.gates.delete(name)
    gate.resolve()
  }

  /** Lets those at a gate go on, in the given process or in all that have some there. */
  open(name, servers) {
    for (const server of servers) this.servers[server % this.servers.length].child.send({ open: name })
  }

  /** @private */
  happened({ event, tag, code }) {
    const events = this.events.get(tag) ?? []
    this.events.set(tag, events)
    events.push({ event, code })
  }

  /** What was told of requests with a tag, and forgets it. */
  eventsOf(tag) {
    const events = this.events.get(tag) ?? []
    this.events.delete(tag)
    return events
  }

  /** @private */
  exited(code, signal) {
    this.exits += 1
    for (const { reject } of this.gates.values()) reject(new Error('a server has ended while others waited for it'))
    process.stderr.write(`a server of ${this.subject.kind}, ${this.subject.driver} has ended: ${signal ?? code}\n`)
  }

  /** What has happened in all processes, and how many of them have ended by themselves. */
  async counts() {
    const all = await Promise.all(this.servers.filter(({ child }) => child.connected).map((server) => server.counts()))
    const sum = { exits: this.exits }
    for (const { counts } of all) {
      for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count
    }
    this.codes = all.flatMap(({ codes }) => codes)
    return sum
  }

  async stop() {
    await Promise.all(this.servers.map((server) => server.stop()))
    await DRIVERS[this.subject.driver].drop?.(this.folder)
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Runs `work(fleet)` on servers that are stopped afterwards. */
async function withFleet(subject, processes, work) {
  const fleet = await Fleet.start(subject, processes)
  try {
    return await work(fleet)
  } finally {
    await fleet.stop()
  }
}

/** Runs `work(n)` for every n below `count`, so many at a time. */
async function inFlight(limit, count, work) {
  let next = 0
  const worker = async () => {
    while (next < count) {
      next += 1
      await work(next - 1)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, count) }, worker))
}

module.exports = { Fleet, withFleet, inFlight }
