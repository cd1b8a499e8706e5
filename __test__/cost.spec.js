'use strict'

/*
 * What a request's session costs, counted and not timed: how often it crosses between JavaScript and the addon, and whether what it
 * makes dies young.
 */

const { execFile } = require('child_process')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')

const CHILD = path.join(__dirname, 'support', 'cost.child.js')
/** Few visits are saved elsewhere because the disk was slow for a moment; what the cheapest of some costs is what it costs. */
const VISITS = 8

jest.setTimeout(120000)

/** The calls of the addon's functions while `work` runs, as `{name: count}`. */
async function counted(work) {
  const native = ours.deep('lib/native')
  const isFunction = (name) => typeof native[name] === 'function' && /^[a-z]/.test(name)
  const own = Object.fromEntries(Object.keys(native).filter(isFunction).map((name) => [name, native[name]]))
  const calls = {}
  for (const [name, call] of Object.entries(own)) {
    native[name] = (...given) => {
      calls[name] = (calls[name] ?? 0) + 1
      return call(...given)
    }
  }
  try {
    await work()
  } finally {
    Object.assign(native, own)
  }
  return calls
}

const sum = (calls) => Object.values(calls).reduce((all, count) => all + count, 0)

describeOurs.each([['memory'], ['file']])('a request of the %s driver', (driver) => {
  let site
  let agent

  beforeEach(async () => {
    site = await open(ours, { driver, lottery: false })
    agent = site.agent()
    await site.visit(agent, (session) => session.put({ user: { name: 'Ann' }, count: 0 }))
  })

  /** The calls of the cheapest of some visits, each by the agent that `visitor` gives. */
  async function cheapest(visitor, script) {
    const found = []
    for (let at = 0; at < VISITS; at += 1) found.push(await counted(() => site.visit(visitor(), script)))
    return found.sort((one, other) => sum(one) - sum(other))[0]
  }

  const usual = { openSession: 1, settleSession: 1, sessionCookie: 1, saveSession: 1 }

  test('crosses four times into the addon, and once more for each method that it calls', async () => {
    const read = await cheapest(() => agent, (session) => session.get('user.name'))
    expect(read).toEqual({ ...usual, sessionGet: 1 })
    const write = await cheapest(() => agent, (session) => session.put('count', session.get('count') + 1))
    expect(write).toEqual({ ...usual, sessionGet: 1, sessionSet: 1 })
  })

  test('crosses no more often when the session is new', async () => {
    expect(await cheapest(() => site.agent(), (session) => session.put('count', 1))).toEqual({ ...usual, sessionSet: 1 })
  })
})

describeOurs('what requests make', () => {
  /** Serves 8,000 requests; gives what its garbage collector was left with. */
  function serve() {
    const given = ['--expose-gc', CHILD, ours.entry, '8000']
    return new Promise((resolve, reject) => {
      execFile(process.execPath, given, { timeout: 100000 }, (error, stdout, stderr) => {
        if (error) reject(new Error(stderr || error.message))
        else resolve(JSON.parse(stdout))
      })
    })
  }

  // With objects written as literals V8 took them for long-lived: 100 to 700 bytes a request, and full collections.
  test('dies young: 8,000 of them leave nothing to a full collection', async () => {
    const { major, old } = await serve()
    expect(major).toBeLessThanOrEqual(1)
    expect(old).toBeLessThan(150)
  })
})
