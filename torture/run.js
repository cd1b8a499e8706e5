'use strict'

/**
 * Puts every claim to the test, on every driver and on the libraries that this package is compared with, and prints one table.
 *
 * Ends with 1 when a claim about this package does not hold. Needs the addon as `npm run build` builds it.
 */

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { optionsOf } = require('../scripts/cli')
const { CLAIMS } = require('./claims')
const { available } = require('./drivers')
const { report, failures } = require('./report')
const { SUITES, ENDS, runSuite, runEnds } = require('./suites')
const { ours, ORIGINAL, EXPRESS } = require('./subjects')

const PEERS = { 'node-session 1.2.1': ORIGINAL, 'express-session': EXPRESS }

const NAMES = [...CLAIMS, ...SUITES, ...ENDS].map(({ name }) => name)

const USAGE = `Usage: npm run torture -- [--quick] [--driver NAME] [--claim NAME] [--json FILE]

Puts every claim to the test, on every driver and beside other libraries, and prints one table.

  --quick        at the size of continuous integration
  --driver NAME  on one driver only: ${available.join(', ')}
  --claim NAME   one claim only: ${NAMES.join(', ')}
  --json FILE    also keeps the table's cells
`

function options() {
  const known = {
    quick: { type: 'boolean', default: false },
    driver: { type: 'string' },
    claim: { type: 'string' },
    json: { type: 'string' },
  }
  return optionsOf(USAGE, known, { driver: available, claim: NAMES })
}

function progress(text) {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}

/** Puts one claim to the test on each driver and each other library. */
async function runClaim(claim, size, drivers) {
  const cells = {}
  for (const driver of drivers) {
    progress(`${claim.name}: ${driver}`)
    cells[driver] = await claim.run(ours(driver), claim.sizes[size])
  }
  for (const [name, subject] of Object.entries(PEERS)) {
    progress(`${claim.name}: ${name}`)
    cells[name] = claim.sizes.peer === undefined ? undefined : await claim.run(subject, claim.sizes.peer)
  }
  return { name: claim.name, title: claim.title, cells }
}

/** Puts one claim to the test of which suites take care. */
async function runOther({ name, title }, run) {
  progress(name)
  return { name, title, cells: await run() }
}

async function main() {
  const { quick, driver, claim: only, json } = options()
  const size = quick ? 'quick' : 'full'
  const drivers = available.filter((name) => driver === undefined || name === driver)
  const isWanted = ({ name }) => only === undefined || name === only
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-report-'))
  const began = Date.now()
  const lines = []
  try {
    for (const claim of CLAIMS.filter(isWanted)) lines.push(await runClaim(claim, size, drivers))
    for (const suite of SUITES.filter(isWanted)) lines.push(await runOther(suite, () => runSuite(suite, size, drivers, folder)))
    for (const ends of ENDS.filter(isWanted)) lines.push(await runOther(ends, () => runEnds(ends, size)))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
  // Under `all` stands what is not told of one driver.
  const mine = [...drivers, 'all']
  const columns = [...drivers, ...(lines.some(({ cells }) => cells.all?.of > 0) ? ['all'] : []), ...Object.keys(PEERS)]
  const results = { size, node: process.version, seconds: Math.round((Date.now() - began) / 1000), columns, ours: mine, lines }
  if (json) fs.writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`)
  console.log(report(results))
  console.log(`\nNode.js ${process.version}, ${os.cpus().length} cores, ${results.seconds} seconds`)
  const failed = failures(results)
  if (failed.length === 0) return
  console.log(`\n${failed.join('\n')}`)
  process.exitCode = 1
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
