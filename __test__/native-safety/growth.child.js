'use strict'

/*
 * Serves requests of every kind and tells how much memory that takes, for growth.js.
 *
 * node --expose-gc growth.child.js DRIVER FOLDER WARM-UP REQUESTS SAMPLES
 *
 * The requests are only objects, as a network would carry too few. Its last line is a report: after the warm-up, and then after
 * every so many requests, when nothing is under way and the garbage is collected, one sample.
 */

const EventEmitter = require('events')

const { Response } = require('./fake')
const { make, random } = require('./saver')

const [driver, folder, warmUp, requests, samples] = process.argv.slice(2)
/** Visitors that come again and again. */
const VISITORS = 300
/** Sessions of which an engine remembers something, at most. */
const REMEMBERED = 10000
/** Requests that run at a time. */
const LANES = 8

const next = random(7)
const refuses = { isOn: false }
const handler = driver === 'custom' ? storage() : undefined
const nodeSession = make(driver, folder, { maxSessions: 2 * VISITORS, lifetime: 10000, lockLease: 50, handler })
nodeSession.setMaxListeners(20)
nodeSession.on('corrupt', () => {})
const cookies = new Array(VISITORS)
const engine = nodeSession.__manager.__engine()

/** A handler over a map, bounded as a cache is, that now and then cannot read. */
function storage() {
  const map = new Map()
  return {
    read(id, callback) {
      if (refuses.isOn) callback(new Error('refused'))
      else callback(map.get(id) ?? '')
    },
    write(id, text, callback) {
      map.set(id, text)
      if (map.size > 2 * VISITORS) map.delete(map.keys().next().value)
      setImmediate(callback)
    },
    destroy(id, callback) {
      map.delete(id)
      callback()
    },
  }
}

/** One request of a visitor: `use` gets the request, the response, and what ends the request for good. */
function visit(visitor, use, options = {}) {
  return new Promise((resolve) => {
    const request = { headers: { cookie: cookies[visitor] }, socket: {} }
    const response = new Response(() => {
      const own = response.headers['set-cookie']?.[0]
      if (own !== undefined) cookies[visitor] = own.slice(0, own.indexOf(';'))
      resolve()
    })
    nodeSession.startSession(request, response, options, () => use(request, response, resolve))
  })
}

/** A request whose connection closes before its response ends. */
function cut(response, resolve) {
  response.emit('close')
  resolve()
}

const KINDS = [
  [50, (visitor) => visit(visitor, ({ session }, response) => {
    session.put('count', (session.get('count') ?? 0) + 1)
    session.put('cart', [{ id: next(1000), text: 'x'.repeat(next(200)) }])
    response.end()
  })],
  [15, (visitor) => visit(visitor, ({ session }, response) => {
    session.get('cart')
    session.flash('seen', true)
    response.once('close', () => session.get('cart'))
    response.end()
    response.end()
    response.emit('close')
  })],
  [8, (visitor) => visit(visitor, ({ session }, response) => {
    session.all().live = next(100)
    response.end()
  })],
  [5, (visitor) => {
    cookies[visitor] = undefined
    return visit(visitor, (request, response) => response.end())
  }],
  [4, (visitor) => visit(visitor, ({ session }, response, resolve) => {
    session.put('lost', 1)
    cut(response, resolve)
  })],
  [2, (visitor) => visit(visitor, ({ session }, response, resolve) => {
    try {
      session.put('lost', { toJSON() { throw new Error('on purpose') } })
      throw new Error('the application failed')
    } catch {
      cut(response, resolve)
    }
  })],
  [2, (visitor) => visit(visitor, ({ session }, response) => {
    session.put('bad', { toJSON() { throw new Error('on purpose') } })
    response.end()
  })],
  [3, (visitor) => visit(visitor, ({ session }, response) => {
    session.regenerate(true)
    response.end()
  })],
  [2, (visitor) => visit(visitor, ({ session }, response) => {
    session.push('list', 1)
    if ((session.get('list') ?? []).length > 20) session.forget('list')
    session.save().catch(() => {}).then(() => response.end())
  })],
  [1, (visitor) => visit(visitor, ({ session }, response) => {
    session.invalidate().catch(() => {}).then(() => response.end())
  })],
  [1, (visitor) => visit(visitor, ({ session }, response) => {
    session.destroy().catch(() => {}).then(() => response.end())
  })],
  [3, (visitor) => visit(visitor, ({ session }, response) => {
    session.increment('turns')
    response.end()
  }, { lock: true })],
  [1, (visitor) => visit(visitor, (request, response, resolve) => cut(response, resolve), { lock: true })],
  [1, (visitor) => new Promise((resolve) => {
    nodeSession.getSession({ headers: { cookie: cookies[visitor] } }, (session) => {
      session.start(() => session.save().catch(() => {}).then(resolve))
    })
  })],
  [1, (visitor) => {
    refuses.isOn = driver === 'custom'
    const refused = visit(visitor, (request, response) => response.end())
    refuses.isOn = false
    return refused
  }],
  [1, (visitor) => visit(visitor, (request, response) => {
    response.flushHeaders()
    response.end()
  })],
]
const TABLE = KINDS.flatMap(([weight, kind]) => new Array(weight).fill(kind))

async function serve(count) {
  let left = count
  const lane = async () => {
    while (left > 0) {
      left -= 1
      await TABLE[next(TABLE.length)](next(VISITORS))
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** Lets everything be full that remembers only so much: what ended, and what handlers did. */
async function fill() {
  const end = (visitor, isStored) => {
    cookies[visitor] = undefined
    return visit(visitor, async ({ session }, response) => {
      if (isStored) await session.save().catch(() => {})
      await session.destroy().catch(() => {})
      response.end()
    })
  }
  for (let done = 0; done < REMEMBERED; done += LANES) {
    await Promise.all(Array.from({ length: LANES }, (_, lane) => end(lane, driver === 'custom')))
  }
}

/** How much is held when nothing is under way. */
async function measure(served) {
  await nodeSession.close()
  // Leases of requests that went away run out, and finalisers run between turns of the loop.
  await new Promise((resolve) => { setTimeout(resolve, 60) })
  for (let turn = 0; turn < 4; turn += 1) {
    global.gc()
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  const { rss, heapUsed } = process.memoryUsage()
  return { served, rss, heapUsed, waiting: engine.replies.count, ...engine.native.sizes() }
}

async function main() {
  EventEmitter.defaultMaxListeners = 20
  for (const event of ['error', 'gone', 'conflict']) nodeSession.on(event, () => {})
  await fill()
  await serve(Number(warmUp))
  const each = Math.floor(Number(requests) / Number(samples))
  const began = Date.now()
  const found = [await measure(0)]
  for (let sample = 1; sample <= Number(samples); sample += 1) {
    await serve(each)
    found.push(await measure(sample * each))
  }
  const seconds = (Date.now() - began) / 1000
  console.log(JSON.stringify({ driver, seconds, stats: nodeSession.stats(), samples: found }))
}

main()
