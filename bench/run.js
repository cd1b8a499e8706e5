'use strict'

/**
 * Measures this package side by side with the libraries it is compared with, and prints a report.
 *
 * Every figure is relative: each round starts all servers, one after the other, and gives each the same workloads; the
 * median round counts. Asserts nothing, since a shared machine cannot be held to a time.
 *
 * node bench/run.js [--quick] [--driver NAME] [--json FILE] [--profile FOLDER]
 *
 * Files are kept below TMPDIR (/tmp where it is unset): with TMPDIR=/dev/shm they cost no disk.
 */

const { spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { CONTENDERS, contendersFor } = require('./contenders')
const { CONNECTIONS, isInstalled, pinned, signInAll, beginLoad } = require('./load')
const { report } = require('./report')
const { SESSIONS, WORKLOADS } = require('./workloads')

/** Requests with which a server is warmed up at least, and with which each workload is: fewer leave V8 compiling. */
const WARM = { start: 10000, workload: 2000 }
/** Longest time that this takes, and shortest pause between two looks. Units: milliseconds. */
const WARM_LIMIT = { start: 5000, workload: 1500 }
const WARM_LOOK = 50

/**
 * How often all is repeated, for how long each server and each workload is warmed up at least, and how long it is measured; and
 * what is left out: what follows from the other workloads, and what is there for scale. Units: milliseconds.
 */
const PLANS = {
  quick: { rounds: 3, start: 1000, warmUp: 200, measured: 700, without: ['mixed', 'cookie-session'] },
  full: { rounds: 7, start: 3000, warmUp: 500, measured: 3000, without: [] },
}

/** `database` is SQLite; the last three need their servers (`servers.js`). */
const DRIVERS = ['memory', 'file', 'database', 'redis', 'postgres', 'mysql']

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      driver: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  if (values.driver !== undefined && !DRIVERS.includes(values.driver)) {
    throw new Error(`--driver must be one of: ${DRIVERS.join(', ')}`)
  }
  return values
}

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

/** A contender's server: `{port, usage(), stop()}`. */
async function startServer(name, bench) {
  const folder = fs.mkdtempSync(path.join(bench.folder, 'server-'))
  const profile = bench.profile ? ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', bench.profile] : []
  const script = [process.execPath, ...profile, path.join(__dirname, 'server.js'), name, folder]
  const [program, ...given] = pinned(bench.cores.server, script)
  // The folder is the working one too, where some of the libraries leave files.
  const child = spawn(program, given, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const next = async () => {
    const [message] = await Promise.race([once(child, 'message'), exited])
    if (typeof message !== 'object' || message === null) throw new Error(`the server of ${name} has ended`)
    return message
  }
  const { port } = await next()
  const usage = () => {
    const answered = next()
    child.send('usage')
    return answered
  }
  const stop = async () => {
    if (child.connected) child.send('stop')
    await exited
  }
  return { port, usage, stop }
}

/** Signs visitors in and begins a workload; gives what ends it. */
async function begin(server, workload, bench) {
  const { fill, targets } = WORKLOADS[workload]
  const cookies = await signInAll(server.port, fill, SESSIONS)
  return beginLoad({
    port: server.port,
    targets: targets(cookies),
    file: path.join(bench.folder, 'targets'),
    core: bench.cores.load,
    hasWrk: bench.hasWrk,
  })
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
  const endLoad = await begin(server, 'mixed', bench)
  await served(server, WARM.start, bench.plan.start, WARM_LIMIT.start)
  await endLoad()
}

/** What one workload cost one server. Units: microseconds; `rate` in requests per second. */
async function measure(server, workload, bench) {
  const endLoad = await begin(server, workload, bench)
  await served(server, WARM.workload, bench.plan.warmUp, WARM_LIMIT.workload)
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

/** One server's turn in one round: a list of samples. */
async function takeTurn(name, round, bench) {
  const server = await startServer(name, bench)
  const samples = []
  const left = [...bench.plan.without, ...(CONTENDERS[name].without ?? [])]
  try {
    await warmUp(server, bench)
    for (const workload of Object.keys(WORKLOADS).filter((workload) => !left.includes(workload))) {
      samples.push({ round, contender: name, workload, ...(await measure(server, workload, bench)) })
    }
  } finally {
    await server.stop()
  }
  return samples
}

async function takeRounds(names, bench) {
  const samples = []
  for (let round = 1; round <= bench.plan.rounds; round += 1) {
    process.stderr.write(`Round ${round} of ${bench.plan.rounds}\n`)
    for (const name of names) samples.push(...(await takeTurn(name, round, bench)))
  }
  return samples
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
function circumstances(bench) {
  const load = os.loadavg()[0].toFixed(1)
  return {
    node: process.version,
    processor: os.cpus()[0]?.model,
    cores: bench.cores,
    generator: bench.hasWrk ? 'wrk' : 'bench/generator.js',
    connections: CONNECTIONS,
    sessions: SESSIONS,
    fileSystem: fileSystem(bench.folder),
    loadBefore: Number(load),
    ...bench.plan,
  }
}

async function main() {
  const { quick, driver, json, profile } = options()
  install()
  const bench = {
    plan: quick ? PLANS.quick : PLANS.full,
    cores: cores(),
    hasWrk: isInstalled('wrk'),
    profile: profile && path.resolve(profile),
    folder: fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-bench-')),
  }
  const conditions = circumstances(bench)
  try {
    const names = contendersFor(driver).filter((name) => !bench.plan.without.includes(name))
    const samples = await takeRounds(names, bench)
    if (json) fs.writeFileSync(json, `${JSON.stringify({ conditions, samples }, null, 1)}\n`)
    console.log(report(conditions, samples))
  } finally {
    // Not earlier: some file systems make files slowly in the minute after many were removed.
    fs.rmSync(bench.folder, { recursive: true, force: true })
  }
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
