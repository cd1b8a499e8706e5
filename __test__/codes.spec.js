'use strict'

/** The error codes stand once, in `src/error.rs`; this holds their mirrors to that list. */

const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const read = (path) => readFileSync(join(__dirname, '..', path), 'utf8')

/** The codes of the engine, in the order of `Code::ALL`. */
function engineCodes() {
  const source = read('src/error.rs')
  const [, all] = source.match(/const ALL: \[Code; \d+\] = \[([^\]]*)\]/)
  const text = new Map([...source.matchAll(/Code::(\w+) => "(ERR_SESSION_\w+)"/g)].map(([, name, code]) => [name, code]))
  return [...all.matchAll(/Code::(\w+)/g)].map(([, name]) => text.get(name))
}

test('the engine lists each of its codes once', () => {
  const codes = engineCodes()
  expect(codes.length).toBeGreaterThan(0)
  expect(codes).not.toContain(undefined)
  expect(new Set(codes).size).toBe(codes.length)
})

test('the union in index.d.ts has the codes of the engine, in the same order', () => {
  const [, union] = read('index.d.ts').match(/type ErrorCode =\n([\s\S]*?)\n\n/)
  expect([...union.matchAll(/\| '(\w+)'/g)].map(([, code]) => code)).toEqual(engineCodes())
})

test('the table in the README has the codes of the engine, in the same order', () => {
  const rows = [...read('README.md').matchAll(/^\| `(ERR_SESSION_\w+)`/gm)]
  expect(rows.map(([, code]) => code)).toEqual(engineCodes())
})
