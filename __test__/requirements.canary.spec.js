'use strict'

/*
 * Nothing that is said holds a secret, a whole session id or a payload: no error, cause or stack, no warning, no event, no trace,
 * nothing that util.inspect, util.format or JSON make of a NodeSession, a session or a handler (requirements 6, 23 of section 2,
 * 124, 127).
 */

const { execFile } = require('child_process')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')

const CHILD = path.join(__dirname, 'support', 'canary.child.js')

jest.setTimeout(60000)

/** Runs the child; gives its exit code and all that it wrote. */
function run(env) {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, maxBuffer: 1 << 28, timeout: 25000 }
    execFile(process.execPath, ['--unhandled-rejections=strict', CHILD, ours.entry, tempDir()], options, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, text: stdout + stderr })
    })
  })
}

describeOurs('a process that meets every fault', () => {
  let said
  let traced

  beforeAll(async () => {
    said = await run({})
    traced = await run({ NODE_DEBUG: 'node-session,session,node_session' })
  })

  test('lives on, and has met them', () => {
    expect([said.code, said.text.includes('## complete')]).toEqual([0, true])
    for (const code of ['READ', 'WRITE', 'GONE', 'CORRUPT', 'DECRYPT', 'TOO_LARGE', 'DEPTH', 'SERIALIZE', 'CONFIG']) {
      expect([code, said.text.includes(`ERR_SESSION_${code}`)]).toEqual([code, true])
    }
    expect(said.text.match(/UNCAUGHT|UNHANDLED/)).toBeNull()
  })

  test.each([
    ['a secret', /canary-secret|canary-old-secret|canary-short/], ['a whole session id', /CANARYID[\w-]{32}/],
    ['a signature', /CANARYID[^\s]*\.[\w+/]{43}/],
    ['a payload', /canary-payload/], ['the name of an attribute', /canary-key/],
  ])('says nothing that holds %s', (what, canary) => {
    for (const { text } of [said, traced]) {
      const lines = text.split('\n').filter((line) => canary.test(line)).map((line) => line.trim().slice(0, 200))
      expect([...new Set(lines)]).toEqual([])
    }
  })

  test('traces what it does under NODE_DEBUG=node-session', () => {
    const traces = ({ text }) => /^NODE-SESSION \d+:/m.test(text)
    expect([traces(said), traces(traced)]).toEqual([false, true])
  })
})
