'use strict'

/*
 * Redis servers of a test's own: one, the six of a cluster, or a primary with replicas and the sentinels that watch it.
 */

const { spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')

const { tempDir } = require('./cleanup')
const { Spawned, freePort, ready } = require('./spawned')

/** Whether there are the binaries. */
const isInstalled = process.env.CI !== undefined || spawnSync('redis-server', ['--version']).error === undefined

/** What one command gives, over a connection of its own. */
async function ask({ host, port, password, tls }, ...command) {
  const socket = { host, port, connectTimeout: 500, reconnectStrategy: false, ...(tls && { tls: true, ...tls }) }
  const client = require('redis').createClient({ socket, password, RESP: 2 })
  client.on('error', () => {})
  try {
    await client.connect()
    return await client.sendCommand(command.map(String))
  } finally {
    if (client.isOpen) client.destroy()
  }
}

/** A server on a port and in a folder of its own, which it keeps from start to start. */
class Redis {
  /** @param {object} options of its configuration, as `{maxmemory: '3mb'}`; `tls` are those with which it is asked itself */
  constructor(options, tls) {
    this.options = options
    this.tls = tls
    this.host = '127.0.0.1'
    this.dir = tempDir()
    this.program = new Spawned([])
  }

  get password() {
    return this.options.requirepass
  }

  command() {
    const where = this.tls === undefined ? { port: this.port } : { port: 0, 'tls-port': this.port }
    const given = { save: '', bind: this.host, dir: this.dir, ...where, ...this.options }
    return ['redis-server', ...Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)])]
  }

  /** Starts it, and waits until it answers, or `isReady()`. */
  async start(isReady = async () => (await this.ask('PING')) === 'PONG') {
    this.port ??= await freePort()
    this.program.command = this.command()
    await this.program.start(isReady)
    return this
  }

  /** Ends it, at once or by another signal. */
  stop(signal) {
    return this.program.kill(signal)
  }

  stall() {
    this.program.pause()
  }

  resume() {
    this.program.resume()
  }

  /** What it answers to a command. */
  ask(...command) {
    return ask(this, ...command)
  }
}

/** Starts a server; `port` is its own among the options, lest one is looked for. */
function startRedis({ port, ...options } = {}, tls) {
  const server = new Redis(options, tls)
  server.port = port
  return server.start()
}

/** What servers need that speak nothing but TLS, and what they are asked with; `files` are those of `makeCertificates`. */
function encrypted(files) {
  const options = {
    'tls-ca-cert-file': files.ca, 'tls-cert-file': files.cert, 'tls-key-file': files.key, 'tls-auth-clients': 'no',
    'tls-cluster': 'yes', 'tls-replication': 'yes',
  }
  return { options, tls: { ca: fs.readFileSync(files.ca, 'utf8') }, flags: ['--tls', '--cacert', files.ca] }
}

/** What servers need that speak no TLS. */
const PLAIN = { options: {}, tls: undefined, flags: [] }

/** Starts a cluster of three primaries, with a replica each unless there are to be none; gives its servers. */
async function startCluster({ replicas = 1, secured = PLAIN } = {}) {
  const own = { 'cluster-enabled': 'yes', 'cluster-node-timeout': 1000, 'cluster-config-file': 'nodes.conf', appendonly: 'yes' }
  const options = { ...own, ...secured.options }
  const nodes = await Promise.all(Array.from({ length: 3 * (1 + replicas) }, () => startRedis(options, secured.tls)))
  const addresses = nodes.map(({ host, port }) => `${host}:${port}`)
  cli(...secured.flags, '--cluster', 'create', ...addresses, '--cluster-replicas', String(replicas), '--cluster-yes')
  await ready(async () => {
    const told = await Promise.all(nodes.map((node) => node.ask('CLUSTER', 'INFO')))
    return told.every((info) => /cluster_state:ok/.test(info))
  })
  return nodes
}

/** What `redis-cli` prints. */
function cli(...args) {
  const { status, stdout, stderr } = spawnSync('redis-cli', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`redis-cli ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

/** Starts a primary, two replicas and three sentinels; gives `{servers, sentinels}`, the primary first. */
async function startSentinels(name, secured = PLAIN) {
  const primary = await startRedis(secured.options, secured.tls)
  const replicaof = `${primary.host} ${primary.port}`
  const replicas = await Promise.all([1, 2].map(() => startReplica(replicaof, secured)))
  await ready(async () => /connected_slaves:2/.test(await primary.ask('INFO', 'replication')))
  const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(name, primary, secured)))
  await ready(async () => {
    const told = await Promise.all(sentinels.map((sentinel) => sentinel.ask('SENTINEL', 'MASTER', name)))
    const fields = told.map((list) => Object.fromEntries(list.flatMap((key, at) => (at % 2 === 0 ? [[key, list[at + 1]]] : []))))
    return fields.every((field) => field['num-slaves'] === '2' && field['num-other-sentinels'] === '2')
  })
  return { servers: [primary, ...replicas], sentinels }
}

async function startReplica(replicaof, secured) {
  const server = await startRedis({ 'repl-diskless-sync-delay': 0, ...secured.options }, secured.tls)
  await server.ask('REPLICAOF', ...replicaof.split(' '))
  return server
}

/** A sentinel, which keeps what it knows in its configuration. */
class Sentinel extends Redis {
  command() {
    return ['redis-server', path.join(this.dir, 'sentinel.conf'), '--sentinel']
  }
}

async function startSentinel(name, { host, port: watched }, { options, tls }) {
  const sentinel = new Sentinel({}, tls)
  sentinel.port = await freePort()
  const ports = tls === undefined ? [`port ${sentinel.port}`] : ['port 0', `tls-port ${sentinel.port}`]
  const further = Object.entries(options).map(([option, value]) => `${option} ${value}`)
  fs.writeFileSync(path.join(sentinel.dir, 'sentinel.conf'), [
    ...ports, ...further, 'bind 127.0.0.1', `dir ${sentinel.dir}`, `sentinel monitor ${name} ${host} ${watched} 2`,
    `sentinel down-after-milliseconds ${name} 500`, `sentinel failover-timeout ${name} 3000`, '',
  ].join('\n'))
  return sentinel.start()
}

module.exports = { isInstalled, startRedis, startCluster, startSentinels, encrypted, cli }
