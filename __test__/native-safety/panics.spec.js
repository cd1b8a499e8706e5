'use strict'

/*
 * A panic in the engine (requirement 135): wherever it happens, whoever waits is told `ERR_SESSION_INTERNAL` and no more, the
 * response ends, the process lives, and the next request is served as if nothing had been.
 *
 * The functions of the addon are those in binding.d.ts, so none can be forgotten.
 */

const { spawn } = require('child_process')
const fs = require('fs')
const path = require('path')

const redisServer = require('../../torture/redis')
const { later, tempDir } = require('../support/cleanup')
const { faultyAddon } = require('./addon')

const CHILD = path.join(__dirname, 'panics.child.js')
const DECLARED = path.join(__dirname, '..', '..', 'binding.d.ts')
/** Where Redis cannot be reached it is left out, but on CI. */
const DRIVERS = ['memory', 'file', 'database', 'custom', ...(redisServer.isAvailable() ? ['redis'] : [])]
const PREFIX = `node-session-panics:${process.pid}:`

jest.setTimeout(600000)

/** Runs the tour of a driver; gives its report, and what it wrote to stderr. */
function tour(driver) {
  const env = { ...process.env, PREFIX, NAPI_RS_NATIVE_LIBRARY_PATH: faultyAddon() }
  const child = spawn(process.execPath, ['--expose-gc', CHILD, driver, path.join(tempDir(), 'sessions')], { env })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text) => { stdout += text })
  child.stderr.on('data', (text) => { stderr += text })
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      const report = stdout.startsWith('{') ? JSON.parse(stdout) : { faults: ['no report'] }
      resolve({ ...report, driver, status: signal ?? code, stderr })
    })
  })
}

/** The functions and members of classes that binding.d.ts declares, by the names that the tour gives them. */
function declared() {
  const names = []
  let inside
  for (const line of fs.readFileSync(DECLARED, 'utf8').split('\n')) {
    const [, start] = /^export declare class (\w+)/.exec(line) ?? []
    const [, name] = /^export declare function (\w+)/.exec(line) ?? []
    const [, member] = /^ {2}(?:get )?(\w+)\(/.exec(line) ?? []
    if (start !== undefined) inside = start
    if (line === '}') inside = undefined
    if (name !== undefined && name !== 'takePanic') names.push(name)
    if (inside !== undefined && member !== undefined) names.push(member === 'constructor' ? inside : `${inside}.${member}`)
  }
  return names.sort()
}

describe('a panic', () => {
  let reports

  beforeAll(async () => {
    faultyAddon()
    if (DRIVERS.includes('redis')) later(() => redisServer.dropKeys(PREFIX))
    reports = []
    const left = [...DRIVERS]
    const lane = async () => {
      while (left.length > 0) reports.push(await tour(left.shift()))
    }
    await Promise.all([lane(), lane()])
  })

  test.each(DRIVERS)('anywhere in the engine hangs, ends and betrays nothing on the %s driver', (driver) => {
    const { faults, status } = reports.find((report) => report.driver === driver)
    expect(faults).toEqual([])
    expect(status).toBe(0)
  })

  test('was tried in every function of the addon, and at every point inside', () => {
    const known = [...new Set(reports.flatMap((report) => report.entries))].sort()
    const hit = new Set(reports.flatMap((report) => report.hit))
    expect(known).toEqual(declared())
    expect(known.filter((name) => !hit.has(name))).toEqual([])
    expect(reports.flatMap((report) => report.points).filter((name) => !hit.has(name))).toEqual([])
  })

  test('tells stderr its place in the source and not its message', () => {
    for (const { stderr } of reports) {
      expect(stderr).toMatch(/^node-session: an internal fault at src\/[a-z/_]+\.rs:\d+, please report it$/m)
      expect(stderr).not.toContain('secret')
    }
  })
})

test('the addon that applications load cannot be made to panic', () => {
  expect(Object.keys(require('../../binding'))).not.toContain('panicAt')
  expect(fs.readFileSync(DECLARED, 'utf8')).not.toContain('panicAt')
})
