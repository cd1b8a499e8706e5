'use strict'

/**
 * The workloads: what is asked of a server, and the sessions it is asked about.
 *
 * Knows neither servers nor load generators. A target is a path and the `Cookie` header it is asked with.
 */

/** Visitors that are signed in before a workload begins. */
const SESSIONS = 50

/** One in so many requests of the workload `mixed` writes. */
const WRITE_EVERY = 10

/** What every signed-in session holds: about 1.3 kB of JSON. */
const SMALL = {
  user: {
    id: 48151623,
    name: 'Marguerite Yourcenar',
    email: 'marguerite.yourcenar@example.com',
    roles: ['reader', 'editor', 'treasurer'],
    address: { street: '12, rue des Petites-Dalles', city: 'Saint-Jans-Cappel', zip: '59270', country: 'FR' },
    settings: { theme: 'dark', language: 'fr', newsletter: false, pageSize: 25, timeZone: 'Europe/Paris' },
  },
  cart: {
    currency: 'EUR',
    items: Array.from({ length: 9 }, (_, at) => ({
      sku: `BK-${9780374 + at}`,
      title: `A book of some length, volume ${at + 1}`,
      quantity: 1 + (at % 3),
      price: 12.5 + at,
    })),
  },
  visited: ['/', '/books', '/books/9780374', '/cart', '/account', '/account/orders'],
  signedInAt: '2026-01-05T08:30:00.000Z',
  count: 0,
}

/** What a session of the workload `large` holds: about 50 kB of JSON. */
const LARGE = {
  ...SMALL,
  history: Array.from({ length: 360 }, (_, at) => ({
    at: 1767600000000 + at * 60000,
    path: `/books/${9780374000 + at}/reviews?page=${at % 7}`,
    title: `Page ${at} of what this visitor has seen`,
    tags: ['seen', 'book'],
  })),
}

/** Asks for one path with each of the cookies in turn. */
function everyone(path) {
  return (cookies) => cookies.map((cookie) => ({ path, cookie }))
}

/**
 * Mixes writes among reads. The cookies shift from round to round, so that every session is written to.
 */
function mixed(cookies) {
  return Array.from({ length: cookies.length * WRITE_EVERY }, (_, at) => ({
    path: at % WRITE_EVERY === WRITE_EVERY - 1 ? '/write' : '/read',
    cookie: cookies[(at + Math.floor(at / cookies.length)) % cookies.length],
  }))
}

/**
 * By name, in the order in which a server gets them: `new` comes last, because it leaves sessions behind.
 *
 * `fill` is the path that signs a visitor in; `targets` turns the visitors' cookies into the requests to repeat.
 */
const WORKLOADS = {
  read: { fill: '/fill', targets: everyone('/read') },
  write: { fill: '/fill', targets: everyone('/write') },
  mixed: { fill: '/fill', targets: mixed },
  large: { fill: '/fill-large', targets: everyone('/read') },
  new: { fill: '/fill', targets: () => [{ path: '/new', cookie: '' }] },
}

module.exports = { SESSIONS, SMALL, LARGE, WORKLOADS }
