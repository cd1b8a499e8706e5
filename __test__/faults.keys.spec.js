'use strict'

/*
 * Keys from strangers: whatever text arrives as a key, in an API call or in stored data, is a name and nothing else. No code
 * runs, no prototype and no global changes, nothing throws (faults B1–B3, requirements 81–83).
 */

const { execFile } = require('child_process')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { openFiles } = require('./support/servers')
const { fingerprint } = require('./support/realms')

const EFFECTS = [
  'globalThis.polluted=1', 'global.polluted=1', 'polluted=1', 'this.polluted=1', 'process.env.POLLUTED="1"', 'process.exit(7)',
  'process.exitCode=7', 'process.mainModule.require("child_process").execSync("id")', 'require("fs").writeFileSync("polluted","")',
  'Object.prototype.polluted=1', 'Array.prototype.polluted=1', 'constructor.prototype.polluted=1', '__proto__.polluted=1',
  '__proto__["polluted"]=1', 'constructor.constructor("globalThis.polluted=1")()', '(()=>{throw 1})()', 'function(){}', 'import("fs")',
  'eval("globalThis.polluted=1")', 'new Function("globalThis.polluted=1")()', 'delete Object.prototype.toString', 'while(1){}',
]
const AROUND = [
  (code) => code, (code) => `x,${code}`, (code) => `x;${code}`, (code) => `x[${code}]`, (code) => `x["a"+${code}]`, (code) => `x=${code}`,
  (code) => `x\n${code}`, (code) => `x\u2028${code}`, (code) => `x||(${code})`, (code) => `\`\${${code}}\``, (code) => `x.y/*${code}*/`,
]
const PATHS = [
  '__proto__', '__proto__.polluted', '__proto__.toString', 'constructor', 'constructor.prototype', 'constructor.prototype.polluted',
  'prototype.polluted', '["__proto__"].polluted', '["__proto__"]["polluted"]', "['constructor']['prototype']['polluted']",
  'a.__proto__.polluted', 'a.constructor.prototype.polluted', 'list.__proto__.polluted', 'list[0].__proto__.polluted',
  'text.__proto__.polluted',
  'a.__proto__.__proto__.polluted', '__defineGetter__', '__lookupGetter__', 'toString.polluted', 'valueOf', 'hasOwnProperty.polluted',
  'a.toString.polluted', '', '.', '..', '...', '[', ']', '[]', '[[', 'a[', 'a]', 'a[]', 'a[[0]]', 'a["', "a['", 'a["x', 'a["x"', '["',
  '[0', '[-1]', '[1e9]', '[4294967296]', '[9007199254740993]', '[00]', 'a.[0]', 'a..b', '.a', 'a.', '"', "'", '`', '\\', 'a\\.b', '\0',
  '\uFEFF',
  '\ud800', '😀', '\u202Etxt', 'a\u0000b', ' ', '\t', '%00', '${7*7}', '{{7*7}}', '<script>', "' OR 1=1 --", '../../etc/passwd',
  'flash', 'flash.new',
  '_token', 'length', 'list.length', 'a'.repeat(10000), 'a.'.repeat(500) + 'a', '[0]'.repeat(500), '['.repeat(5000), '.'.repeat(5000),
]
const HOSTILE = [...EFFECTS.flatMap((code) => AROUND.map((wrap) => wrap(code))), ...PATHS]

/** Every method that takes a key, as an attacker's text would reach it. */
const CALLS = {
  get: (session, key) => session.get(key),
  has: (session, key) => session.has(key),
  set: (session, key) => session.set(key, 1),
  put: (session, key) => session.put(key, { polluted: 1 }),
  'put of an object': (session, key) => session.put({ [key]: { polluted: 1 } }),
  push: (session, key) => session.push(key, 1),
  flash: (session, key) => session.flash(key, 1),
  keep: (session, key) => session.keep(key),
  pull: (session, key) => session.pull(key),
  forget: (session, key) => session.forget(key),
}

describeOurs('hostile keys', () => {
  let site
  let before

  beforeAll(async () => {
    site = await openFiles(ours)
    before = fingerprint()
  })
  afterEach(() => {
    expect(fingerprint()).toBe(before)
    expect({}.polluted).toBeUndefined()
    expect([].polluted).toBeUndefined()
  })

  test('the corpus is large', () => {
    expect(new Set(HOSTILE).size).toBeGreaterThanOrEqual(200)
  })

  test.each(Object.keys(CALLS))('%s takes all of them as names', async (method) => {
    const failed = []
    await site.visit(site.agent(), (session) => {
      for (const key of HOSTILE) {
        session.put({ a: {}, list: [{}], text: 'text' })
        try {
          CALLS[method](session, key)
        } catch (error) {
          failed.push([key.slice(0, 60), error.message])
        }
        session.flush()
      }
    })
    expect(failed).toEqual([])
  })

  test('what is put under one of them is found under it, in this request and the next', async () => {
    const wrong = []
    const sane = HOSTILE.filter((key) => key.length < 1000 && !/^(list|text|flash|_token)/.test(key))
    for (let at = 0; at < sane.length; at += 1) {
      const key = sane[at]
      const agent = site.agent()
      const { value } = await site.visit(agent, (session) => {
        session.put(key, 'mine')
        return session.get(key)
      })
      const again = (await site.visit(agent, (session) => session.get(key))).value
      if (value !== 'mine' || again !== 'mine') wrong.push([key, value, again])
    }
    expect(wrong).toEqual([])
    expect(site.errors).toEqual([])
  })

  test('own members named like a prototype travel as data', async () => {
    const agent = site.agent()
    await site.visit(agent, (session) => {
      session.put(JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}'))
      session.put('user', JSON.parse('{"__proto__":{"polluted":3}}'))
    })
    const { value } = await site.visit(agent, (session) => [
      session.get('__proto__.polluted'), session.get('constructor.prototype.polluted'), session.get('user.__proto__.polluted'),
      session.get('polluted'), session.get('user.polluted'), session.all().polluted, session.get('user').polluted,
    ])
    expect(value).toEqual([1, 2, 3, undefined, undefined, undefined, undefined])
  })

  const NESTED = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":{"polluted":1}}'
  test.each([
    ['at the top', `{"_token":"T","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"user":"bob"}`],
    ['inside a value', `{"_token":"T","box":${NESTED},"list":[${NESTED}],"user":"bob"}`],
    ['in the flash lists', '{"_token":"T","user":"bob","flash":{"old":["__proto__","constructor.prototype.x"],"new":["__proto__"]}}'],
    ['as a token', `{"_token":{"__proto__":{"polluted":1}},"user":"bob"}`],
    ['twice', `{"__proto__":{"polluted":1},"__proto__":{"polluted":2},"_token":"T","user":"bob"}`],
  ])('stored %s are data when they come back', async (where, text) => {
    const agent = site.plant(text)
    for (let i = 0; i < 3; i += 1) {
      const { value } = await site.visit(agent, (session) => {
        session.put('seen', i)
        session.put('box.added', i)
        return [session.get('user'), session.get('polluted'), session.get('box.polluted'), session.all().polluted]
      })
      expect(value).toEqual(['bob', undefined, undefined, undefined])
    }
  })

  test('everything works in a Node that makes no code from strings', async () => {
    const args = ['--disallow-code-generation-from-strings', path.join(__dirname, 'support', 'no-code.child.js'), ours.entry, tempDir()]
    const output = await new Promise((resolve) => {
      execFile(process.execPath, args, (error, stdout, stderr) => resolve(error ? stderr : stdout.trim()))
    })
    expect(output).toBe('fine')
  })
})
