'use strict'

/**
 * The Redis or Valkey server of this machine, or the one that REDIS_URL names: whether it answers, and how what a run has left
 * there is looked at and removed.
 */

const path = require('node:path')
const { isListening } = require('./listening')

const REDIS_URL = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'

/** Whether the server listens. */
const isAvailable = () => isListening(REDIS_URL, 6379)

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
