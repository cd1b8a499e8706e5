'use strict'

/**
 * The rules of `rows.js` for requests that give the session a new id or end it: log-in, log-out, and what slower requests may
 * still do to it.
 *
 * Plain data and pure functions: nothing is run here.
 */

const { USER, userWith } = require('./rows')

/** A request that came too late: nothing of it is stored, it sends no cookie, and the application hears of it. */
const GONE = { cookie: 'none', events: ['gone'] }
/** A request that comes after all and finds nothing under its cookie. */
const STRANGER = { cookie: 'new' }

/** Two requests, A ending or renaming the session, B doing something else. */
function against(name, a, b, { kept, joined, alone }) {
  return {
    name,
    seed: USER,
    a,
    b,
    expect: ({ first, overlaps }) => {
      if (first === 'b') return { stored: null, a: joined }
      return { stored: null, a: kept, b: overlaps ? GONE : (alone ?? STRANGER) }
    },
  }
}

const LOG_IN = [['regenerate', true], ['put', 'role', 'admin']]
const LOGGED_IN = { cookie: 'new', leadsTo: { ...USER, role: 'admin' } }
const renamed = (attributes) => ({ cookie: 'new', leadsTo: attributes })
const EMPTY = renamed({})
const REMOVED = { cookie: 'removed' }

const SLOW = {
  put: { steps: [['put', 'k', 1]], joins: { ...USER, role: 'admin', k: 1 } },
  push: { steps: [['push', 'list', 1]], joins: { ...USER, role: 'admin', list: [1] } },
  'a change in place': { steps: [['change', 'user', 'name', 'Bob']], joins: { ...userWith({ name: 'Bob' }), role: 'admin' } },
  forget: { steps: [['forget', 'user']], joins: { role: 'admin' } },
}

const RENAME = Object.entries(SLOW).flatMap(([what, { steps, joins }]) => {
  const outcome = { kept: LOGGED_IN, joined: renamed(joins) }
  return [
    against(`regenerate(true) against ${what}`, LOG_IN, steps, outcome),
    against(`migrate(true) against ${what}`, [['migrate', true], ['put', 'role', 'admin']], steps, outcome),
    against(`regenerate(true, callback) against ${what}`, [['regenerateNow', true], ['put', 'role', 'admin']], steps, outcome),
  ]
})

const LOG_OUT = Object.entries(SLOW).flatMap(([what, { steps }]) => [
  against(`destroy against ${what}`, [['destroy']], steps, { kept: REMOVED, joined: REMOVED }),
  against(`invalidate against ${what}`, [['invalidate']], steps, { kept: EMPTY, joined: EMPTY }),
])

const BOTH = [
  {
    name: 'destroy against destroy',
    seed: USER,
    a: [['destroy']],
    b: [['destroy']],
    expect: () => ({ stored: null }),
  },
  {
    name: 'invalidate against invalidate',
    seed: USER,
    a: [['invalidate']],
    b: [['invalidate']],
    expect: () => ({ stored: null, a: EMPTY, b: EMPTY }),
  },
  {
    name: 'regenerate(true) against regenerate(true)',
    seed: USER,
    a: [['regenerate', true], ['put', 'x', 1]],
    b: [['regenerate', true], ['put', 'y', 1]],
    expect: ({ first, second, overlaps }) => {
      const mine = { a: { x: 1 }, b: { y: 1 } }
      const late = overlaps ? GONE : renamed(mine[second])
      return { stored: null, [first]: renamed({ ...USER, ...mine[first] }), [second]: late }
    },
  },
  {
    name: 'destroy against regenerate(true)',
    seed: USER,
    a: [['destroy']],
    b: LOG_IN,
    expect: ({ first, overlaps }) => {
      if (first === 'b') return { stored: null, b: LOGGED_IN }
      return { stored: null, a: REMOVED, b: overlaps ? GONE : renamed({ role: 'admin' }) }
    },
  },
]

/**
 * Without `true` the old record stays as it is, as in the original. A slower request sends its id again only from another
 * process than the one that gave it up.
 */
const COPY = [
  {
    name: 'regenerate() against put',
    seed: USER,
    a: [['regenerate', false], ['put', 'x', 1]],
    b: [['put', 'k', 1]],
    expect: ({ first }) => {
      const joined = first === 'b' ? { ...USER, k: 1, x: 1 } : { ...USER, x: 1 }
      return { stored: { ...USER, k: 1 }, a: renamed(joined), b: first === 'b' ? { cookie: 'same' } : {} }
    },
  },
  {
    name: 'regenerate() against log-out by flush',
    seed: USER,
    a: [['regenerate', false], ['change', 'user', 'name', 'Bob']],
    b: [['flush']],
    expect: ({ first }) => ({ stored: {}, a: renamed(first === 'b' ? {} : userWith({ name: 'Bob' })) }),
  },
]

const ROWS = { 'regenerate, migrate': COPY, 'regenerate(true), migrate(true)': RENAME, 'destroy, invalidate': LOG_OUT, 'both at once': BOTH }

module.exports = { ROWS }
