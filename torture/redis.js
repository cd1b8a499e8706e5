'use strict'

/**
 * The Redis or Valkey server of this machine, or the one that REDIS_URL names: whether it answers, and how what a run has left
 * there is looked at and removed.
 */

const { spawnSync } = require('node:child_process')
const path = require('node:path')

const REDIS_URL = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'

/** Longest time to find out whether the server listens. Units: milliseconds. */
const PATIENCE = 5000

const PROBE = `const [host, port] = process.argv.slice(1)
require('net').connect(port, host).on('connect', () => process.exit(0)).on('error', () => process.exit(1))`

let isThere

/** Whether the server listens. On CI it has to: there, a server that is missing makes tests fail. */
function isAvailable() {
  if (process.env.CI) return true
  if (isThere === undefined) {
    const { hostname, port } = new URL(REDIS_URL)
    isThere = spawnSync(process.execPath, ['-e', PROBE, hostname, port || '6379'], { timeout: PATIENCE }).status === 0
    if (!isThere) process.stderr.write(`skipped: no Redis at ${hostname}:${port || 6379}\n`)
  }
  return isThere
}

/** What the keys of a run begin with, from its folder, which no other run has. */
const prefixOf = (folder) => `${path.basename(folder).replace(/\W/g, '_').toLowerCase()}:`

/** Runs `work(client)` with a connection of its own. */
async function use(work) {
  const client = require('redis').createClient({ url: REDIS_URL })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    client.destroy()
  }
}

/** Removes every key that begins with a prefix, in which nothing may be a wildcard. */
function dropKeys(prefix) {
  return use(async (client) => {
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
      if (keys.length > 0) await client.del(keys)
    }
  })
}

module.exports = { REDIS_URL, isAvailable, prefixOf, use, dropKeys }
