'use strict'

/*
 * Random use of the public API, in random requests: node-session 1.2.1 is the oracle, and this package must give the same
 * results and store the same text. Then laws of this package alone: any key, any value, any cookie.
 *
 * What is deliberately different (compat.differences.spec.js) is not generated: `pull` and `forget` get top-level keys, `pull`
 * no falsy values, paths are identifiers, an index stands only behind an array.
 *
 * PROPERTY_SEED and PROPERTY_RUNS make other and longer runs.
 */

const fc = require('fast-check')

const { original, ours, describeOurs } = require('./support/packages')
const { openFiles } = require('./support/servers')
const { ID } = require('./support/cookies')

const RUNS = Number(process.env.PROPERTY_RUNS) || 100
jest.setTimeout(5000 + RUNS * 50)
const options = (numRuns) => ({ seed: Number(process.env.PROPERTY_SEED) || 121, numRuns })

const name = fc.constantFrom('a', 'b', 'c', 'user', 'class', 'ключ', '$x', '_y')
const dotted = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('.'))
const strange = fc.constantFrom('', '\ud800', '\u2028', '\\"', 'é😀')
const text = fc.oneof(fc.string({ maxLength: 8 }), fc.string({ unit: 'binary', maxLength: 5 }), strange)
const scalar = fc.oneof(fc.constantFrom(null, true, false, 0, -0, 1.5, 1e21), fc.integer(), text)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3, depthIdentifier: 'value' }, scalar, tie('list'), tie('map')),
  list: fc.array(tie('value'), { maxLength: 4, depthIdentifier: 'value' }),
  map: fc.dictionary(fc.oneof(name, fc.constantFrom('1', '10', '2', 'x-y', 'a b', '')), tie('value'), {
    maxKeys: 4, noNullPrototype: true, depthIdentifier: 'value',
  }),
}))

/** One call in a request: what it is called, its arguments, and how it is made. Gives what it gave. */
const CALLS = {
  put: [fc.tuple(dotted, value), (session, key, given) => session.put(key, given)],
  'put object': [fc.tuple(fc.dictionary(dotted, value, { maxKeys: 3, noNullPrototype: true })), (session, given) => session.put(given)],
  set: [fc.tuple(dotted, value), (session, key, given) => session.set(key, given)],
  'set element': [fc.tuple(name, fc.nat(3), value), (session, key, index, given) => {
    if (Array.isArray(session.get(key))) session.set(`${key}[${index}]`, given)
  }],
  get: [fc.tuple(dotted), (session, key) => session.get(key)],
  'get with default': [fc.tuple(dotted, value), (session, key, fallback) => session.get(key, fallback)],
  'get element': [fc.tuple(name, fc.nat(3)), (session, key, index) => session.get(`${key}[${index}]`)],
  'get length': [fc.tuple(dotted), (session, key) => session.get(`${key}.length`)],
  'get quoted': [fc.tuple(name, fc.constantFrom('x-y', 'a b', 'a')), (session, key, member) => (
    session.get(`${key}["${member}"]`)
  )],
  has: [fc.tuple(dotted), (session, key) => session.has(key)],
  push: [fc.tuple(dotted, value), (session, key, given) => session.push(key, given)],
  pull: [fc.tuple(name, fc.constantFrom(undefined, 7)), (session, key, fallback) => {
    const found = session.get(key)
    return found || found === undefined ? session.pull(key, fallback) : 'falsy'
  }],
  forget: [fc.tuple(name), (session, key) => session.forget(key)],
  flash: [fc.tuple(name, value), (session, key, given) => session.flash(key, given)],
  flashInput: [fc.tuple(value), (session, given) => session.flashInput(given)],
  keep: [fc.tuple(fc.array(name, { maxLength: 3 })), (session, keys) => session.keep(keys)],
  reflash: [fc.tuple(), (session) => session.reflash()],
  flush: [fc.tuple(), (session) => session.flush()],
  regenerateToken: [fc.tuple(), (session) => session.regenerateToken()],
  regenerate: [fc.tuple(fc.boolean()), (session, destroy) => session.regenerate(destroy)],
  'change in place': [fc.tuple(dotted, name, value), (session, key, member, given) => {
    const found = session.get(key)
    if (Array.isArray(found)) found.unshift(given)
    else if (found && typeof found === 'object') found[member] = given
  }],
  'delete in place': [fc.tuple(dotted, name), (session, key, member) => {
    const found = session.get(key)
    if (found && typeof found === 'object') delete found[member]
  }],
  'assign to all': [fc.tuple(name, value), (session, key, given) => { session.all()[key] = given }],
  all: [fc.tuple(), (session) => session.all()],
}
const call = fc.oneof(...Object.entries(CALLS).map(([what, [args]]) => args.map((given) => [what, given])))
const request = fc.array(call, { maxLength: 6 })

/** A text of JSON with every token replaced. */
function masked(json) {
  return json.replace(/"_token":"[A-Za-z0-9_-]{40}"/g, '"_token":"T"')
}

/** A result as JSON, `undefined` told apart from null. */
function print(result) {
  return result === undefined ? 'undefined' : masked(JSON.stringify(result))
}

/** Runs the requests of one visitor; gives every result and the text stored after each request. */
async function transcript(site, requests) {
  const agent = site.agent()
  const lines = []
  for (const calls of requests) {
    const before = site.id(agent)
    await site.visit(agent, (session) => {
      for (const [what, args] of calls) {
        const copy = structuredClone(args)
        try {
          lines.push(`${what} ${print(CALLS[what][1](session, ...copy))}`)
        } catch (error) {
          lines.push(`${what} throws ${error.name}`)
        }
      }
    })
    lines.push(`id ${site.id(agent) === before ? 'kept' : 'new'}`, masked(site.stored(agent)))
  }
  return lines
}

describeOurs('both packages', () => {
  let sites

  beforeAll(async () => {
    sites = [await openFiles(original), await openFiles(ours)]
  })

  test('give the same results and store the same text, whatever the application calls', async () => {
    await fc.assert(fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 4 }), async (requests) => {
      const [expected, seen] = await Promise.all(sites.map((site) => transcript(site, requests)))
      expect(seen).toEqual(expected)
    }), options(RUNS))
  })

  test('read any stored object alike, and store it alike after a change', async () => {
    const object = fc.dictionary(name, value, { maxKeys: 5, noNullPrototype: true })
    await fc.assert(fc.asyncProperty(object, fc.constantFrom('', ' ', '\n'), async (given, space) => {
      const stored = JSON.stringify({ _token: 'T', ...given, flash: { old: [], new: [] } }, null, space)
      const [expected, seen] = await Promise.all(sites.map(async (site) => {
        const agent = site.plant(stored)
        const { value: all } = await site.visit(agent, (session) => {
          const before = print(session.all())
          session.put('page', 'new')
          return before
        })
        // White space of a file that somebody wrote by hand may stay where nothing was changed.
        return [all, space === '' ? site.stored(agent) : print(JSON.parse(site.stored(agent)))]
      }))
      expect(seen).toEqual(expected)
    }), options(RUNS))
  })
})

describeOurs('this package', () => {
  let site

  beforeAll(async () => {
    site = await openFiles(ours)
  })

  test('finds under any key what was put under it, in this request and the next, and forgets it', async () => {
    const parts = fc.array(fc.constantFrom('a', '.', '[', ']', '"', "'", '0', '?', '\\', '-', ' '))
    const key = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), parts.map((given) => given.join('')))
    const sane = key.filter((given) => !/^(_token|flash)/.test(given))
    await fc.assert(fc.asyncProperty(sane, async (given) => {
      const agent = site.agent()
      const first = await site.visit(agent, (session) => {
        session.put(given, 'mine')
        return session.get(given)
      })
      const second = await site.visit(agent, (session) => (
        [session.get(given), session.has(given), session.pull(given), session.has(given)]
      ))
      const third = await site.visit(agent, (session) => session.has(given))
      expect([first.value, second.value, third.value]).toEqual(['mine', ['mine', true, 'mine', false], false])
    }), options(RUNS))
  })

  test('gives back any value as JSON would', async () => {
    await fc.assert(fc.asyncProperty(value, async (given) => {
      const agent = site.agent()
      await site.visit(agent, (session) => session.put('value', structuredClone(given)))
      const { value: found } = await site.visit(agent, (session) => JSON.stringify(session.get('value')))
      expect(found).toBe(JSON.stringify(given))
    }), options(RUNS))
  })

  test('answers any cookie with a session and one cookie', async () => {
    const unit = fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code))
    const characters = fc.string({ unit, maxLength: 200 })
    const around = fc.constantFrom((given) => given, (given) => `node_session=${given}`, (given) => `node_session=s%3A${given}`,
      (given) => `node_session="s:${given}"; ${given}=${given}`)
    const cookie = fc.tuple(characters, around).map(([given, wrap]) => wrap(given))
    await fc.assert(fc.asyncProperty(cookie, async (given) => {
      const response = await site.visit(site.agent(), (session) => session.getId(), { cookie: given })
      expect([response.status, response.setCookies.length]).toEqual([200, 1])
      expect(response.value).toMatch(ID)
    }), options(RUNS))
  })

  test('reads any text as a session or not at all, and never writes over what it could not read', async () => {
    const cut = fc.tuple(fc.json(), fc.nat(200)).map(([given, end]) => given.slice(0, end))
    const json = fc.oneof(fc.json(), text, cut, value.map((given) => JSON.stringify(given)))
    await fc.assert(fc.asyncProperty(json, async (stored) => {
      const agent = site.plant(stored)
      const id = site.id(agent)
      const { value: same } = await site.visit(agent, (session) => {
        session.put('page', 1)
        return session.getId() === id
      })
      if (!same) expect(site.stored(id)).toBe(Buffer.from(stored).toString())
      else expect(JSON.parse(site.stored(id)).page).toBe(1)
    }), options(RUNS))
  })
})
