'use strict'

/**
 * Measures this package side by side with the libraries it is compared with, and prints a report.
 *
 * Every figure is relative: each round starts all servers, one after the other, and gives each the same workloads; the
 * median round counts. Asserts nothing, since a shared machine cannot be held to a time.
 */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { optionsOf, COUNT } = require('../scripts/cli')
const { CONTENDERS, DRIVERS, contendersFor } = require('./contenders')
const { isInstalled } = require('./load')
const { install, cores, startServer, targetsOf, warmUp, measure, circumstances } = require('./measure')
const { report } = require('./report')
const { runScale } = require('./scale')
const { WORKLOADS } = require('./workloads')

const QUICK = { without: ['mixed', 'cookie-session'] }

/**
 * How often all is repeated, for how long each server and each workload is warmed up at least, and how long it is measured; and
 * what is left out: what follows from the other workloads, and what is there for scale. Units: milliseconds.
 *
 * A quick look takes less than two minutes, at all drivers as at one.
 */
const PLANS = {
  glance: { ...QUICK, rounds: 1, start: 500, warmUp: 100, measured: 400, warmLimit: { start: 2500, workload: 800 } },
  quick: { ...QUICK, rounds: 3, start: 2500, warmUp: 400, measured: 800 },
  full: { rounds: 7, start: 3000, warmUp: 500, measured: 3000, without: [] },
}

function planOf({ quick, driver }) {
  if (!quick) return PLANS.full
  return driver === undefined ? PLANS.glance : PLANS.quick
}

const USAGE = `Usage: npm run bench -- [--quick] [--rounds N] [--driver NAME] [--json FILE] [--profile FOLDER]
       npm run bench -- --scale [--sessions N] [--quick] [--rounds N] [--driver NAME] [--json FILE]

Measures what a session costs a request, beside other libraries; with --scale, what many stored sessions cost.

  --quick           fewer rounds, and shorter ones: less than two minutes
  --rounds N        so many rounds; 7, or with --quick 3 for one driver and 1 for all
  --driver NAME     one driver only: ${DRIVERS.join(', ')}
  --json FILE       also keeps what was measured; bench/report.js and bench/chart.js read it
  --profile FOLDER  leaves each server's CPU profiles there; bench/profile.js reads them
  --scale           drivers with many sessions: what these take and cost, and whether sweeping them is felt (an hour or so)
  --sessions N      so many; 1000000, or 100000 with --quick

Files are kept below TMPDIR (/tmp where it is unset): with TMPDIR=/dev/shm they cost no disk. "database" is SQLite. The last three
drivers need their servers: REDIS_URL, POSTGRES_URL and MYSQL_URL tell where, if not on this machine.
`

function options() {
  const known = {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    driver: { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'string' },
    scale: { type: 'boolean', default: false },
    sessions: { type: 'string' },
  }
  return optionsOf(USAGE, known, { driver: DRIVERS, rounds: COUNT, sessions: COUNT })
}

/** One server's turn in one round: a list of samples. */
async function takeTurn(name, round, bench) {
  const folder = fs.mkdtempSync(path.join(bench.folder, 'server-'))
  const profile = bench.profile ? ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', bench.profile] : []
  const server = await startServer(name, [...profile, path.join(__dirname, 'server.js'), name, folder], folder, bench)
  const samples = []
  const left = [...bench.plan.without, ...(CONTENDERS[name].without ?? [])]
  try {
    await warmUp(server, bench)
    for (const workload of Object.keys(WORKLOADS).filter((workload) => !left.includes(workload))) {
      const cost = await measure(server, await targetsOf(server, workload), bench)
      samples.push({ round, contender: name, workload, ...cost })
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

/** Runs all contenders; gives what is kept and what is printed. */
async function compare(bench, given) {
  const { rounds, driver } = given
  const plan = planOf(given)
  bench.plan = { ...plan, rounds: Number(rounds ?? plan.rounds) }
  const conditions = circumstances(bench)
  const names = contendersFor(driver).filter((name) => !bench.plan.without.includes(name))
  const samples = await takeRounds(names, bench)
  return { kept: { conditions, samples }, text: report(conditions, samples) }
}

async function main() {
  const given = options()
  install()
  const bench = {
    cores: cores(),
    hasWrk: isInstalled('wrk'),
    profile: given.profile && path.resolve(given.profile),
    folder: fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-bench-')),
  }
  try {
    const { kept, text } = given.scale ? await runScale(bench, given) : await compare(bench, given)
    if (given.json) fs.writeFileSync(given.json, `${JSON.stringify(kept, null, 1)}\n`)
    console.log(text)
  } finally {
    // Not earlier: some file systems make files slowly in the minute after many were removed.
    fs.rmSync(bench.folder, { recursive: true, force: true })
  }
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
