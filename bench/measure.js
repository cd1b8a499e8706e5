'use strict'

/**
 * Starts servers, puts load on them, and tells what the load cost. Knows neither the libraries that are compared nor what is made
 * of the figures.
 */

const { spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { CONNECTIONS, isInstalled, pinned, signInAll, beginLoad } = require('./load')
const { SESSIONS, WORKLOADS } = require('./workloads')

/** Requests with which a server is warmed up at least, and with which each workload is: fewer leave V8 compiling. */
const WARM = { start: 10000, workload: 2000 }
/** Longest time that this takes where the plan says no other, and shortest pause between two looks. Units: milliseconds. */
const WARM_LIMIT = { start: 5000, workload: 1500 }
const WARM_LOOK = 50

/** Installs the libraries that are compared, when one is missing. */
function install() {
  const { dependencies } = require('./package.json')
  const isThere = (name) => fs.existsSync(path.join(__dirname, 'node_modules', name, 'package.json'))
  if (Object.keys(dependencies).every(isThere)) return
  console.log('Installing the libraries to compare with, in bench/node_modules.')
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], { cwd: __dirname, stdio: 'inherit' })
  if (status !== 0) throw new Error('the libraries to compare with cannot be installed')
}

/** Two cores that this process may use, one for servers and one for load; none where nothing can be pinned. */
function cores() {
  if (!isInstalled('taskset')) return {}
  const status = fs.readFileSync('/proc/self/status', 'utf8')
  const [, list] = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)
  const allowed = list.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, at) => from + at)
  })
  return allowed.length < 2 ? {} : { server: allowed[0], load: allowed[1] }
}

const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time))

/**
 * A server in a process of its own, on the servers' core: `{port, ask(message), usage(), stop()}`.
 *
 * @param {string} name what it is called when it ends too early
 * @param {string[]} script Node's options, the program and its arguments
 * @param {string} folder its working folder, where some libraries leave files
 */
async function startServer(name, script, folder, bench) {
  const [program, ...given] = pinned(bench.cores.server, [process.execPath, ...script])
  const child = spawn(program, given, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const next = async () => {
    const [message] = await Promise.race([once(child, 'message'), exited])
    if (typeof message !== 'object' || message === null) throw new Error(`the server of ${name} has ended`)
    return message
  }
  const { port } = await next()
  const ask = (message) => {
    const answered = next()
    child.send(message)
    return answered
  }
  const stop = async (message = 'stop') => {
    if (child.connected) child.send(message)
    await exited
  }
  return { port, ask, usage: () => ask('usage'), stop }
}

/** The requests of a workload, after its visitors have signed in. */
async function targetsOf(server, workload) {
  const { fill, targets } = WORKLOADS[workload]
  return targets(await signInAll(server.port, fill, SESSIONS))
}

/** Begins to load a server with requests, as many as it can answer unless there is a `pause`; gives what ends that. */
function begin(server, targets, bench, pause) {
  const file = path.join(bench.folder, 'targets')
  return beginLoad({ port: server.port, targets, file, core: bench.cores.load, hasWrk: bench.hasWrk, pause })
}

/** Waits for `least` milliseconds, and for so many requests within `most`. */
async function served(server, requests, least, most) {
  const from = await server.usage()
  await sleep(least)
  for (let now = await server.usage(); now.requests - from.requests < requests; now = await server.usage()) {
    if (now.time - from.time > most * 1000) return
    await sleep(WARM_LOOK)
  }
}

/** Lets the engine compile what every workload uses. */
async function warmUp(server, bench) {
  const endLoad = await begin(server, await targetsOf(server, 'mixed'), bench)
  await served(server, WARM.start, bench.plan.start, (bench.plan.warmLimit ?? WARM_LIMIT).start)
  await endLoad()
}

/** What these requests cost a server. Units: microseconds; `rate` in requests per second. */
async function measure(server, targets, bench) {
  const endLoad = await begin(server, targets, bench)
  await served(server, WARM.workload, bench.plan.warmUp, (bench.plan.warmLimit ?? WARM_LIMIT).workload)
  const before = await server.usage()
  await sleep(bench.plan.measured)
  const after = await server.usage()
  const load = await endLoad()
  const requests = after.requests - before.requests
  return {
    cpu: (after.cpu - before.cpu) / requests,
    rate: requests / ((after.time - before.time) / 1e6),
    p50: load.p50,
    p99: load.p99,
    bad: (after.lost - before.lost + after.failed - before.failed) / requests,
  }
}

/** File systems by the numbers that Linux has for them. */
const FILE_SYSTEMS = new Map([
  [0xef53, 'ext4'],
  [0x1021994, 'tmpfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
])

/** The file system on which a folder is. */
function fileSystem(folder) {
  const { type } = fs.statfsSync(folder)
  return FILE_SYSTEMS.get(type) ?? `type 0x${type.toString(16)}`
}

/** What the figures were taken with. */
function circumstances({ cores, hasWrk, folder, plan }) {
  const load = os.loadavg()[0].toFixed(1)
  return {
    node: process.version,
    processor: os.cpus()[0]?.model,
    cores,
    generator: hasWrk ? 'wrk' : 'bench/generator.js',
    connections: CONNECTIONS,
    sessions: SESSIONS,
    fileSystem: fileSystem(folder),
    loadBefore: Number(load),
    ...plan,
  }
}

module.exports = { install, cores, sleep, startServer, targetsOf, begin, warmUp, measure, circumstances }
