'use strict'

/** Whether a database server listens where it is looked for. */

const { spawnSync } = require('node:child_process')

/** Longest time to find that out. Units: milliseconds. */
const PATIENCE = 5000

const PROBE = `const [host, port] = process.argv.slice(1)
require('net').connect(port, host).on('connect', () => process.exit(0)).on('error', () => process.exit(1))`

/** What was found out, by address. */
const found = new Map()

/**
 * Whether a server listens where a URL leads to. On CI it has to: there, a server that is missing makes tests fail; elsewhere what
 * needs it is skipped, which is told once.
 *
 * @param {string} url
 * @param {number} usual the port where the URL names none
 */
function isListening(url, usual) {
  if (process.env.CI) return true
  const { hostname, port } = new URL(url)
  const address = [hostname, port || String(usual)]
  const key = address.join(':')
  if (!found.has(key)) {
    found.set(key, spawnSync(process.execPath, ['-e', PROBE, ...address], { timeout: PATIENCE }).status === 0)
    if (!found.get(key)) process.stderr.write(`skipped: no server at ${key}\n`)
  }
  return found.get(key)
}

module.exports = { isListening }
