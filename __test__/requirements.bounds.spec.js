'use strict'

/*
 * What strangers send costs a bounded amount: memory, time and place; and the package runs no text as code, changes no prototype
 * and needs no package (requirements 81–85, 91, 92, 135; rows 1, 2, 5, 17, 24, 25 and 32 of section 2).
 */

const { execFile } = require('child_process')
const fc = require('fast-check')
const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { open, openFiles } = require('./support/servers')
const { fingerprint } = require('./support/realms')
const { openTable } = require('./support/handlers')
const { SECRET, freshId } = require('./support/cookies')

const MIB = 1 << 20
const ROOT = ours ? path.dirname(ours.entry) : ''
const CHILD = path.join(__dirname, 'support', 'bounds.child.js')

jest.setTimeout(60000)

/** Runs one job of the child; gives what it measured. */
function measure(job, ...args) {
  const given = ['--expose-gc', '--disallow-code-generation-from-strings', CHILD, ours.entry, job, ...args]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, given, { timeout: 50000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr || error.message))
      else resolve(JSON.parse(stdout))
    })
  })
}

describeOurs('memory', () => {
  test('of 20,000 visitors without a cookie is that of the sessions that are kept', async () => {
    const few = await measure('flood', '1000', '5000')
    const many = await measure('flood', '1000', '20000')
    expect([few.kept, many.kept]).toEqual([true, true])
    expect(many.rss - few.rss).toBeLessThan(16 * MIB)
  })

  test('of a stored gigabyte grows by no more than the limit and a little', async () => {
    const { growth, code, size } = await measure('sparse', tempDir())
    expect([code, size]).toEqual(['ERR_SESSION_TOO_LARGE', 2 ** 30])
    expect(growth).toBeLessThan(9 * MIB)
  })

  test('of a row of 64 MiB grows by no more than the limit and a little', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    const [table, id] = [openTable(filename), freshId()]
    await table.make()
    await table.exec(`INSERT INTO sessions VALUES ('${id}', '"' || hex(zeroblob(${2 ** 25})) || '"', ${Date.now()})`)
    const { growth, code } = await measure('row', filename, id)
    expect(code).toBe('ERR_SESSION_TOO_LARGE')
    expect(growth).toBeLessThan(9 * MIB)
  })

  test('of sessions that are read after their response is given back', async () => {
    const { growth } = await measure('held', '10000')
    expect(growth).toBeLessThan(32 * MIB)
  })
})

describeOurs('time', () => {
  /** Milliseconds that `work` takes at best of three, for a quarter of `n` and for all of it; linear work takes four times as long. */
  async function ratio(n, work) {
    const cost = async (size) => {
      let best = Infinity
      for (let i = 0; i < 3; i += 1) best = Math.min(best, await work(size))
      return best
    }
    const [quarter, whole] = [await cost(n / 4), await cost(n)]
    return { quarter, whole, holds: whole < 7 * quarter + 10 }
  }
  const timed = (run) => {
    const begin = process.hrtime.bigint()
    run()
    return Number(process.hrtime.bigint() - begin) / 1e6
  }
  const members = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 0]))

  test.each([
    ['puts', 16000, (session, n) => timed(() => session.put(members(n)))],
    ['puts and gets', 8000, (session, n) => timed(() => { for (let i = 0; i < n; i += 1) { session.set(`k${i}`, 0); session.get(`k${i}`) } })],
    ['flashes', 1200, (session, n) => timed(() => { for (let i = 0; i < n; i += 1) session.flash(`k${i}`, 0) })],
    ['forgets', 4000, (session, n) => {
      session.put(members(n))
      return timed(() => session.forget(Object.keys(members(n))))
    }],
  ])('grows with the number of attributes that a request %s, not with its square', async (what, n, work) => {
    const site = await open(ours)
    const measured = await ratio(n, async (size) => (await site.visit(site.agent(), (session) => work(session, size))).value)
    expect(measured).toMatchObject({ holds: true })
  })

  test('grows with the number of stored attributes that a request overwrites, not with its square', async () => {
    const site = await openFiles(ours)
    const measured = await ratio(8000, async (n) => {
      const agent = site.plant(JSON.stringify({ _token: 'T', ...members(n) }))
      return (await site.visit(agent, (session) => timed(() => session.put(Object.fromEntries(Object.keys(members(n)).map((key) => [key, 1])))))).value
    })
    expect(measured).toMatchObject({ holds: true })
  })
})

describeOurs('prototypes and globals', () => {
  const word = fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'polluted', 'a', 'list', '0', 'length', '__defineGetter__', 'flash', 'old')
  const key = fc.oneof(
    fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join('.')),
    fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.map((part) => `["${part}"]`).join('')), fc.string({ maxLength: 6 }))
  const value = fc.oneof(fc.constant('mine'), fc.json({ maxDepth: 2 }).map((text) => JSON.parse(text)),
    fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => JSON.parse(words.reduceRight((inner, part) => `{"${part}":${inner}}`, '{"polluted":1}'))))
  const method = fc.constantFrom('get', 'has', 'put', 'set', 'push', 'pull', 'forget', 'flash', 'keep', 'object', 'assign')

  test('stay as they are through 20,000 generated calls, saves and loads', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    const before = fingerprint()
    const steps = fc.sample(fc.tuple(method, key, value), { numRuns: 20000, seed: 81 })
    for (let at = 0; at < steps.length; at += 200) {
      await site.visit(agent, (session) => {
        for (const [call, name, given] of steps.slice(at, at + 200)) {
          try {
            if (call === 'object') session.put({ [name]: given })
            else if (call === 'assign') session.all()[name] = given
            else session[call](name, given)
          } catch (error) {
            // Writing through null is a TypeError, as in node-session.
            expect(error.name).toBe('TypeError')
          }
        }
        if (at % 2000 === 0) session.flush()
      })
      expect({}.polluted).toBeUndefined()
      expect(Object.keys(Object.prototype)).toEqual([])
    }
    expect(fingerprint()).toBe(before)
    expect((await site.visit(agent, (session) => [session.has('toString'), session.has('valueOf')])).value).toEqual([false, false])
  })
})

describeOurs('the package', () => {
  /** The shipped JavaScript files, as `files` in package.json names them. */
  function shipped() {
    const { files } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
    const walk = (file) => (fs.statSync(file).isDirectory() ? fs.readdirSync(file).flatMap((name) => walk(path.join(file, name))) : [file])
    return files.map((file) => path.join(ROOT, file)).filter((file) => fs.existsSync(file)).flatMap(walk)
  }

  test('makes no code from text, and starts no process but to learn which libc it runs on and to build itself', () => {
    const sources = shipped().filter((file) => /\.(js|mjs|cjs)$/.test(file))
    expect(sources.length).toBeGreaterThan(15)
    const making = /\bFunction\s*\(|\beval\b|\bvm\b|runIn(This|New)?Context|setTimeout\s*\(\s*['"`]|import\s*\(/
    const found = sources.filter((file) => making.test(fs.readFileSync(file, 'utf8').replace(/^\s*(\*|\/\/).*$/gm, '')))
    // The options that `npx node-session migrate` is given may be a module.
    expect(found.map((file) => path.relative(ROOT, file))).toEqual(['lib/migrate/storage.js'])
    const spawning = sources.filter((file) => /child_process|worker_threads/.test(fs.readFileSync(file, 'utf8')))
    expect(spawning.map((file) => path.relative(ROOT, file)).filter((file) => !/^(binding\.js|scripts\/.*)$/.test(file))).toEqual([])
  })

  test.each([['memory', false], ['file', true], ['database', false], ['database', true]])(
    'works on the %s driver, sealed: %s, in a Node that makes no code from strings', async (driver, encrypt) => {
      expect(await measure('requests', tempDir(), driver, String(encrypt))).toEqual({ seen: ['bob', 'x', 2, true, 'bob'] })
    })

  test('needs no other package: npm lists none', async () => {
    const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
    expect([manifest.dependencies, manifest.peerDependencies]).toEqual([undefined, undefined])
    const listed = await new Promise((resolve) => {
      execFile('npm', ['ls', '--omit=dev', '--json', '--all'], { cwd: ROOT }, (error, stdout) => resolve(JSON.parse(stdout)))
    })
    // What npm calls extraneous, nobody asks for: parts of development tools for other platforms, which npm leaves lying about.
    const wanted = Object.entries(listed.dependencies || {}).filter(([, { extraneous }]) => !extraneous)
    expect(wanted.map(([name]) => name).filter((name) => !name.startsWith('node-session'))).toEqual([])
  })

  test('names MD5 and SHA-1 only where it reads what node-session 1.2.1 encrypted, and as Redis names its scripts', () => {
    const walk = (folder) => fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (
      entry.isDirectory() ? walk(path.join(folder, entry.name)) : [path.join(folder, entry.name)]
    ))
    const weak = /\b(Md5|Sha1|md5::|sha1::|Ctr32|Ctr64|Ctr128|ctr::|evp)/i
    const naming = walk(path.join(ROOT, 'src')).filter((file) => weak.test(fs.readFileSync(file, 'utf8').replace(/^\s*\/\/.*$/gm, '')))
    expect(naming.map((file) => path.relative(path.join(ROOT, 'src'), file))).toEqual(['driver/redis/scripts.rs', 'payload/legacy.rs'])
  })
})

describeOurs('the native functions', () => {
  test('neither throw what is no error nor end the process, whatever they are given', async () => {
    const { calls, alive } = await measure('junk')
    expect(calls).toBeGreaterThan(5000)
    expect(alive).toBe('bob')
  })
})

describeOurs('an application', () => {
  test('that loses a response keeps nothing of it: visits of 10,000 destroyed responses are given back', async () => {
    const { growth } = await measure('aborted', '10000')
    expect(growth).toBeLessThan(24 * MIB)
  })

  test('that hands a secret in a list is held to the list', () => {
    expect(() => ours.create({ secret: [SECRET], driver: 'memory' })).not.toThrow()
  })
})
