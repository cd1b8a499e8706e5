'use strict'

/**
 * What becomes of a session of which two requests, A and B, change something at the same time: the rules by name, with
 * every outcome written out.
 *
 * A rule's `expect(order, outcome)` gives what must be seen, `order` being `{first, second, overlaps}`: who saves first, and whether
 * both had loaded before. Members of what it gives:
 *
 * - `stored`: what the session's cookie leads to afterwards; `null` for nothing. `then`: what the request after that one sees.
 * - `a`, `b`: what the request's answer was: `cookie` (`'same'`, `'new'`, `'none'`, `'removed'`), `leadsTo` for a new cookie, `events`.
 * - `token`: the CSRF token afterwards.
 *
 * Plain data and pure functions: nothing is run here.
 */

/** The same whatever the order. */
const always = (stored) => () => ({ stored })
/** By who saves last. */
const lastSaver = (a, b) => ({ second }) => ({ stored: second === 'a' ? a : b })

const USER = { user: { id: 1, name: 'Ann', address: { city: 'Ulm', street: 'Gasse' } } }
const userWith = (members) => ({ user: { ...USER.user, ...members } })
const withoutName = ({ name, ...rest }) => rest

const NOTHING = [
  { name: 'reading against put', seed: USER, a: [['get', 'user.name']], b: [['put', 'k', 1]], expect: always({ ...USER, k: 1 }) },
  { name: 'reading against forget', seed: USER, a: [['get', 'user']], b: [['forget', 'user']], expect: always({}) },
  { name: 'reading all against put', seed: USER, a: [['all']], b: [['put', 'user.name', 'Bob']], expect: always(userWith({ name: 'Bob' })) },
]

const PUT = [
  {
    name: "put('user.name') against put('user.email')",
    seed: { user: { id: 1 } },
    a: [['put', 'user.name', 'Ann']],
    b: [['put', 'user.email', 'a@b.c']],
    expect: always({ user: { id: 1, name: 'Ann', email: 'a@b.c' } }),
  },
  {
    name: "put('user.name') against put('user.email') of a user that is not there yet",
    seed: {},
    a: [['put', 'user.name', 'Ann']],
    b: [['put', 'user.email', 'a@b.c']],
    expect: always({ user: { name: 'Ann', email: 'a@b.c' } }),
  },
  { name: 'put against put of another attribute', seed: {}, a: [['put', 'x', 1]], b: [['put', 'y', 2]], expect: always({ x: 1, y: 2 }) },
  { name: 'put against put of the same attribute', seed: { x: 0 }, a: [['put', 'x', 1]], b: [['put', 'x', 2]], expect: lastSaver({ x: 1 }, { x: 2 }) },
  {
    name: "put('user', …) whole against put('user', …) whole: two users never mix",
    seed: USER,
    a: [['put', 'user', { id: 2, admin: true }]],
    b: [['put', 'user', { id: 3, guest: true }]],
    expect: lastSaver({ user: { id: 2, admin: true } }, { user: { id: 3, guest: true } }),
  },
  {
    name: "put('user', …) whole against put('user.email')",
    seed: USER,
    a: [['put', 'user', { id: 2 }]],
    b: [['put', 'user.email', 'a@b.c']],
    expect: lastSaver({ user: { id: 2 } }, { user: { id: 2, email: 'a@b.c' } }),
  },
  {
    name: 'put of two elements of one array',
    seed: { items: [{ id: 1 }, { id: 2 }] },
    a: [['put', 'items[0].done', true]],
    b: [['put', 'items[1].done', true]],
    expect: always({ items: [{ id: 1, done: true }, { id: 2, done: true }] }),
  },
  {
    name: 'put deep in different branches',
    seed: { s: { a: { x: 1 }, b: { y: 1 } } },
    a: [['put', 's.a.x', 2]],
    b: [['put', 's.b.y', 3]],
    expect: always({ s: { a: { x: 2 }, b: { y: 3 } } }),
  },
]

const IN_PLACE = [
  {
    name: 'two members of one object changed in place',
    seed: USER,
    a: [['change', 'user', 'name', 'Bob']],
    b: [['change', 'user', 'email', 'a@b.c']],
    expect: always(userWith({ name: 'Bob', email: 'a@b.c' })),
  },
  {
    name: 'members at different depths changed in place',
    seed: USER,
    a: [['change', 'user.address', 'city', 'Bonn']],
    b: [['change', 'user', 'name', 'Bob']],
    expect: always(userWith({ name: 'Bob', address: { city: 'Bonn', street: 'Gasse' } })),
  },
  {
    name: 'an array changed in place counts whole',
    seed: { list: [0] },
    a: [['append', 'list', 'a']],
    b: [['append', 'list', 'b']],
    expect: ({ second, overlaps, first }) => ({ stored: { list: overlaps ? [0, second] : [0, first, second] } }),
  },
  {
    name: 'a member removed in place against put of another',
    seed: USER,
    a: [['remove', 'user', 'name']],
    b: [['put', 'user.email', 'a@b.c']],
    expect: always({ user: { ...withoutName(USER.user), email: 'a@b.c' } }),
  },
  {
    name: "a change in place against put('user', …) whole, without that member: two users never mix",
    seed: USER,
    a: [['change', 'user', 'name', 'Bob']],
    b: [['put', 'user', { id: 2 }]],
    expect: ({ first, overlaps }) => {
      if (first === 'b' && !overlaps) return { stored: { user: { id: 2, name: 'Bob' } } }
      return { stored: { user: { id: 2 } }, a: { events: first === 'b' ? ['conflict'] : [] } }
    },
  },
  {
    name: "a change in place against put('user', …) whole, with that member",
    seed: USER,
    a: [['change', 'user', 'name', 'Bob']],
    b: [['put', 'user', { id: 2, name: 'Cyd' }]],
    expect: lastSaver({ user: { id: 2, name: 'Bob' } }, { user: { id: 2, name: 'Cyd' } }),
  },
  {
    name: 'a change in place against push',
    seed: { ...USER, list: [] },
    a: [['change', 'user', 'name', 'Bob']],
    b: [['push', 'list', 1]],
    expect: always({ ...userWith({ name: 'Bob' }), list: [1] }),
  },
  {
    name: 'a change in place against log-out by forget',
    seed: USER,
    a: [['change', 'user', 'name', 'Bob']],
    b: [['forget', 'user']],
    expect: ({ first, overlaps }) => ({ stored: {}, a: { events: first === 'b' && overlaps ? ['conflict'] : [] } }),
  },
  {
    name: 'a change in place against log-out by flush',
    seed: USER,
    a: [['change', 'user', 'name', 'Bob']],
    b: [['flush']],
    expect: ({ first, overlaps }) => ({ stored: {}, a: { events: first === 'b' && overlaps ? ['conflict'] : [] } }),
  },
  {
    name: 'a change deep in place against log-out by flush',
    seed: USER,
    a: [['change', 'user.address', 'city', 'Bonn']],
    b: [['flush']],
    expect: always({}),
  },
  {
    name: 'an attribute added in place against flush',
    seed: USER,
    a: [['change', '', 'note', 'x']],
    b: [['flush']],
    expect: lastSaver({ note: 'x' }, {}),
  },
]

const FORGET = [
  { name: 'forget against put of another attribute', seed: { x: 1 }, a: [['forget', 'x']], b: [['put', 'y', 2]], expect: always({ y: 2 }) },
  { name: 'forget against put of the same attribute', seed: { x: 1 }, a: [['forget', 'x']], b: [['put', 'x', 2]], expect: lastSaver({}, { x: 2 }) },
  {
    name: "forget('user.name') against put('user.email')",
    seed: USER,
    a: [['forget', 'user.name']],
    b: [['put', 'user.email', 'a@b.c']],
    expect: always({ user: { ...withoutName(USER.user), email: 'a@b.c' } }),
  },
  {
    name: "forget('user.name') against a change of another member in place",
    seed: USER,
    a: [['forget', 'user.name']],
    b: [['change', 'user', 'email', 'a@b.c']],
    expect: always({ user: { ...withoutName(USER.user), email: 'a@b.c' } }),
  },
  {
    name: 'forget of what is not there against put beside it',
    seed: { z: 3 },
    a: [['forget', 'user.name'], ['put', 'q', 1]],
    b: [['put', 'user.email', 'a@b.c']],
    expect: always({ z: 3, q: 1, user: { email: 'a@b.c' } }),
  },
  { name: 'pull against put', seed: { x: 1 }, a: [['pull', 'x']], b: [['put', 'y', 2]], expect: always({ y: 2 }) },
  { name: 'forget against forget', seed: { x: 1, y: 2, z: 3 }, a: [['forget', 'x']], b: [['forget', 'y']], expect: always({ z: 3 }) },
]

const PUSH = [
  { name: 'push against push', seed: { list: [0] }, a: [['push', 'list', 'a']], b: [['push', 'list', 'b']], expect: ({ first, second }) => ({ stored: { list: [0, first, second] } }) },
  { name: 'push against push where nothing is yet', seed: {}, a: [['push', 'list', 'a']], b: [['push', 'list', 'b']], expect: ({ first, second }) => ({ stored: { list: [first, second] } }) },
  {
    name: 'push against push deep inside',
    seed: { cart: { items: [], total: 0 } },
    a: [['push', 'cart.items', 'a'], ['put', 'cart.total', 1]],
    b: [['push', 'cart.items', 'b']],
    expect: ({ first, second }) => ({ stored: { cart: { items: [first, second], total: 1 } } }),
  },
  {
    name: 'several pushes of each',
    seed: {},
    a: [['push', 'list', 'a'], ['push', 'list', 'a']],
    b: [['push', 'list', 'b'], ['push', 'list', 'b']],
    expect: ({ first, second }) => ({ stored: { list: [first, first, second, second] } }),
  },
  { name: 'push against put of the array', seed: { list: [0] }, a: [['push', 'list', 'a']], b: [['put', 'list', []]], expect: lastSaver({ list: ['a'] }, { list: [] }) },
  { name: 'push against forget', seed: { list: [0] }, a: [['push', 'list', 'a']], b: [['forget', 'list']], expect: lastSaver({ list: ['a'] }, {}) },
]

const COUNT = [
  { name: 'increment against increment', seed: { n: 5 }, a: [['increment', 'n', 1]], b: [['increment', 'n', 10]], expect: always({ n: 16 }) },
  { name: 'increment against decrement', seed: { n: 5 }, a: [['increment', 'n', 1]], b: [['decrement', 'n', 2]], expect: always({ n: 4 }) },
  { name: 'increment where nothing is yet', seed: {}, a: [['increment', 'n', 1]], b: [['increment', 'n', 1]], expect: always({ n: 2 }) },
  { name: 'increment of null', seed: { n: null }, a: [['increment', 'n', 1]], b: [['increment', 'n', 1]], expect: always({ n: 2 }) },
  { name: 'increment deep inside against put beside it', seed: {}, a: [['increment', 'stats.views', 1]], b: [['put', 'stats.last', 'x']], expect: always({ stats: { views: 1, last: 'x' } }) },
  { name: 'increment against put', seed: { n: 5 }, a: [['increment', 'n', 1]], b: [['put', 'n', 100]], expect: lastSaver({ n: 101 }, { n: 100 }) },
  { name: 'increment against forget', seed: { n: 5 }, a: [['increment', 'n', 1]], b: [['forget', 'n']], expect: lastSaver({ n: 1 }, {}) },
  {
    name: 'increment against put of a text',
    seed: { n: 5 },
    a: [['increment', 'n', 1]],
    b: [['put', 'n', 'text']],
    expect: ({ first, overlaps }) => {
      if (first === 'a') return { stored: { n: 'text' } }
      if (overlaps) return { stored: { n: 6 } }
      return { stored: { n: 'text' }, a: { results: [{ thrown: 'TypeError' }] } }
    },
  },
]

const FLUSH = [
  { name: 'flush against put', seed: USER, a: [['flush']], b: [['put', 'k', 1]], expect: lastSaver({}, { k: 1 }) },
  { name: 'flush and put against put', seed: USER, a: [['flush'], ['put', 'z', 1]], b: [['put', 'k', 2]], expect: lastSaver({ z: 1 }, { z: 1, k: 2 }) },
  { name: 'flush against flush', seed: USER, a: [['flush']], b: [['flush']], expect: always({}) },
  { name: 'flush against push', seed: { list: [0] }, a: [['flush']], b: [['push', 'list', 'b']], expect: lastSaver({}, { list: ['b'] }) },
]

/** What was flashed by requests that overlap is seen by the next one; what was flashed before that by nobody after it. */
const flashed = (by, kept = {}) => ({ second, overlaps }) => {
  const seen = overlaps ? { ...by.a, ...by.b } : by[second]
  return { stored: { ...seen, ...kept }, then: kept }
}

const FLASH = [
  { name: 'flash against flash', seed: {}, a: [['flash', 'x', 1]], b: [['flash', 'y', 2]], expect: flashed({ a: { x: 1 }, b: { y: 2 } }) },
  { name: 'flash against put', seed: {}, a: [['flash', 'x', 1]], b: [['put', 'k', 2]], expect: flashed({ a: { x: 1 }, b: {} }, { k: 2 }) },
  {
    name: 'flash that both requests have seen',
    seed: { k: 0 },
    flash: { m: 'hello' },
    a: [['get', 'm']],
    b: [['get', 'm'], ['put', 'k', 1]],
    expect: ({ first, overlaps }) => {
      const seen = (who) => (overlaps || who === first ? 'hello' : null)
      return { stored: { k: 1 }, a: { results: [seen('a')] }, b: { results: [seen('b'), null] } }
    },
  },
  {
    name: 'flash that one has seen against the same flashed anew',
    seed: {},
    flash: { m: 'old' },
    a: [['get', 'm']],
    b: [['flash', 'm', 'new']],
    // Where A comes afterwards, and alone, it has seen the new one, and ages it.
    expect: ({ first, overlaps }) => (first === 'b' && !overlaps ? { stored: {} } : { stored: { m: 'new' }, then: {} }),
  },
  {
    name: 'save by hand ages flash data once',
    seed: {},
    a: [['flash', 'x', 1], ['save'], ['put', 'k', 1]],
    b: [['flash', 'y', 2]],
    expect: flashed({ a: { x: 1 }, b: { y: 2 } }, { k: 1 }),
  },
]

const TOKEN = [
  {
    name: 'a token made implicitly by both: the stored one wins',
    seed: {},
    isWithoutToken: true,
    a: [['token'], ['put', 'x', 1]],
    b: [['token'], ['put', 'y', 2]],
    expect: ({ first }, outcome) => ({ stored: { x: 1, y: 2 }, token: outcome[first].results[0] }),
  },
  {
    name: 'a token made implicitly against an explicit one',
    seed: {},
    isWithoutToken: true,
    a: [['regenerateToken']],
    b: [['token'], ['put', 'y', 2]],
    expect: (order, outcome) => ({ stored: { y: 2 }, token: outcome.a.results[0] }),
  },
  {
    name: 'an explicit token against put',
    seed: {},
    a: [['regenerateToken']],
    b: [['put', 'x', 1]],
    expect: (order, outcome) => ({ stored: { x: 1 }, token: outcome.a.results[0] }),
  },
  {
    name: 'an explicit token against another one',
    seed: {},
    a: [['regenerateToken']],
    b: [['regenerateToken']],
    expect: ({ second }, outcome) => ({ token: outcome[second].results[0] }),
  },
]

/** By the row of the design's table to which they belong. */
const ROWS = {
  nothing: NOTHING,
  put: PUT,
  'change in place': IN_PLACE,
  'forget, pull': FORGET,
  push: PUSH,
  'increment, decrement': COUNT,
  flush: FLUSH,
  flash: FLASH,
  token: TOKEN,
}

module.exports = { ROWS, always, lastSaver, USER, userWith }
