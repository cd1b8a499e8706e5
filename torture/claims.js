'use strict'

/**
 * What this package claims of requests that overlap, and how each claim is put to the test: at the size of continuous
 * integration (`quick`), in full, and against the others (`peer`).
 *
 * A claim counts what goes wrong. Its `run(subject, size)` gives `{wrong, of, errors, details}`: how often it went wrong, out of how many,
 * what else failed, and up to a few texts that tell how; or `undefined` where the subject has no such thing.
 */

const path = require('node:path')
const { withFleet } = require('./fleet')
const { BURST, keys, increments, readModifyWrites } = require('./workloads/bursts')
const { exhaustive, sampled } = require('./workloads/exhaustive')
const { interleavings } = require('./workloads/interleavings')
const { logOuts, WAYS, COMMON_WAYS } = require('./workloads/logouts')
const { readers } = require('./workloads/readers')
const { operationsOf } = require('./subjects')

/** Outcomes that are told of when something is wrong. */
const DETAILS = 5

/** Runs work on fleets one after the other, and adds the results up. */
async function inShares(subject, shares, work) {
  const sum = { wrong: 0, of: 0, errors: 0, details: [] }
  for (const [processes, size] of shares) {
    const result = await withFleet(subject, processes, (fleet) => working(fleet, work, size))
    for (const name of ['wrong', 'of', 'errors']) sum[name] += result[name] ?? 0
    sum.details.push(...result.details)
  }
  return sum
}

/** What work on a fleet comes to, and what errors there were. */
async function working(fleet, work, size) {
  const result = await work(fleet, size)
  return { ...result, details: [...(result.details ?? []), ...(result.errors > 0 ? fleet.codes : [])] }
}

/** So many in one process and so many in four; all in one where processes cannot share sessions. */
function spread(subject, { one, four }) {
  return subject.isShared ? [[1, one], [4, four]] : [[1, one + four]]
}

/** A list of wrong outcomes, counted; a few are told. */
function counted(of, { wrong, errors = 0 }) {
  const details = wrong.slice(0, DETAILS).map(({ name, order, why }) => `${name}; ${order}: ${why}`)
  return { wrong: wrong.length, of, errors, details }
}

const KEYS = {
  name: 'keys',
  title: 'keys lost, of those put by 50 overlapping requests, in 1 and 4 processes',
  sizes: { quick: { one: 1800, four: 200 }, brief: { one: 250, four: 150 }, full: { one: 16000, four: 4000 }, peer: { one: 40, four: 40 } },
  run: (subject, size) => inShares(subject, spread(subject, size), async (fleet, sessions) => {
    const { puts, lost, errors } = await keys(fleet, { sessions })
    return { wrong: lost, of: puts, errors }
  }),
}

const RULES = {
  name: 'rules',
  title: 'wrong outcomes of two requests: every rule in every order, plain and encrypted, in 1 and 2 processes',
  sizes: { quick: { repeat: 1 }, full: { repeat: 5 }, peer: { repeat: 1 } },
  run: (subject, { repeat }) => {
    const isOurs = subject.kind === 'ours'
    const subjects = isOurs ? [subject, { ...subject, options: { ...subject.options, encrypt: true } }] : [subject]
    const shares = [1, 2].filter((processes) => processes === 1 || subject.isShared)
    return subjects.reduce(async (before, variant) => {
      const sum = await before
      const result = await inShares(variant, shares.map((processes) => [processes, repeat]), rulesOver)
      for (const name of ['wrong', 'of', 'errors']) sum[name] += result[name]
      sum.details.push(...result.details)
      return sum
    }, Promise.resolve({ wrong: 0, of: 0, errors: 0, details: [] }))
  },
}

async function rulesOver(fleet, repeat) {
  const sum = { wrong: 0, of: 0, errors: 0, details: [] }
  for (let round = 0; round < repeat; round += 1) {
    const result = await interleavings(fleet)
    const { wrong, of, details } = counted(result.played, result)
    sum.wrong += wrong
    sum.of += of
    sum.details.push(...details)
  }
  return sum
}

const MODEL = {
  name: 'model',
  title: 'outcomes other than the model’s, of three requests with four steps each: every order (memory), a sample on servers (others)',
  sizes: { quick: { every: 20, each: 10 }, full: { every: 1, each: 200 } },
  run: async (subject, { every, each }) => {
    if (subject.kind !== 'ours') return undefined
    if (subject.driver === 'memory') {
      const result = await exhaustive(require(path.join(__dirname, '..')), { every })
      return counted(result.orders, result)
    }
    const shares = [1, 2].filter((processes) => processes === 1 || subject.isShared)
    return inShares(subject, shares.map((processes) => [processes, processes]), async (fleet, seed) => {
      const result = await sampled(fleet, { each, seed })
      return counted(result.orders, result)
    })
  },
}

const READERS = {
  name: 'readers',
  title: 'log-outs by requests that only read and overlap, in 2 processes',
  sizes: { quick: { requests: 20000 }, brief: { requests: 6000 }, full: { requests: 1000000 }, peer: { requests: 10000 } },
  run: async (subject, size) => {
    if (!subject.isShared) return undefined
    return inShares(subject, [[2, size]], async (fleet) => {
      const { requests, logOuts: wrong, errors } = await readers(fleet, size)
      return { wrong, of: requests, errors }
    })
  },
}

const LOG_OUTS = {
  name: 'log-outs',
  title: 'sessions that slower requests bring back after a log-out',
  sizes: { quick: { trials: 1200 }, brief: { trials: 400 }, full: { trials: 10000 }, peer: { trials: 400 } },
  run: (subject, { trials }) => {
    const ways = subject.kind === 'ours' ? WAYS : COMMON_WAYS
    const shares = subject.isShared ? [[1, trials / 2], [2, trials / 2]] : [[1, trials]]
    return inShares(subject, shares, async (fleet, share) => {
      const result = await logOuts(fleet, { trials: share, ways })
      return { wrong: result.revived, of: result.trials, errors: result.errors }
    })
  },
}

const COUNT_SIZES = { quick: { one: 180, four: 20 }, brief: { one: 60, four: 20 }, full: { one: 1500, four: 500 }, peer: { one: 20, four: 20 } }

const INCREMENTS = {
  name: 'increments',
  title: 'counts lost, of 50 overlapping requests that call increment, in 1 and 4 processes',
  sizes: COUNT_SIZES,
  run: async (subject, size) => {
    if (operationsOf(subject).increment === undefined) return undefined
    return inShares(subject, spread(subject, size), async (fleet, sessions) => lostOf(await increments(fleet, { sessions })))
  },
}

const LOCKS = {
  name: 'locks',
  title: 'counts lost, of 50 overlapping requests that read and write under `lock`, in 1 and 4 processes',
  sizes: COUNT_SIZES,
  run: (subject, size) => inShares(subject, spread(subject, size), async (fleet, sessions) => {
    // The others have no locks: they read and write as they can.
    return lostOf(await readModifyWrites(fleet, { sessions, lock: subject.kind === 'ours' }))
  }),
}

function lostOf({ counted: sum, of, errors }) {
  const wrong = Math.abs(of - sum)
  return { wrong, of, errors }
}

const CLAIMS = [KEYS, RULES, MODEL, READERS, LOG_OUTS, INCREMENTS, LOCKS]

module.exports = { BURST, CLAIMS, KEYS, RULES, MODEL, READERS, LOG_OUTS, INCREMENTS, LOCKS }
