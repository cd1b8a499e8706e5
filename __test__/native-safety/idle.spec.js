'use strict'

/*
 * A NodeSession that has nothing to do keeps no process alive (requirement 47), whatever it did before.
 */

const { spawnSync } = require('child_process')
const path = require('path')

const { tempDir } = require('../support/cleanup')

jest.setTimeout(60000)

describe('a process that has nothing to do', () => {
  const ends = (code) => {
    const script = `const { make, visit } = require(${JSON.stringify(path.join(__dirname, 'saver'))})\n${code}`
    const given = ['-e', script, path.join(tempDir(), 'sessions')]
    const { status, signal, stderr } = spawnSync(process.execPath, given, { encoding: 'utf8', timeout: 20000 })
    return [signal ?? status, stderr]
  }
  const FOLDER = 'process.argv[1]'

  test.each(['memory', 'file', 'database', 'custom'])('ends, with an idle NodeSession on the %s driver', (driver) => {
    expect(ends(`make('${driver}', ${FOLDER})`)).toEqual([0, ''])
  })

  test.each(['memory', 'file', 'database', 'custom'])('ends after its requests, and after close(), on the %s driver', (driver) => {
    const served = `const s = make('${driver}', ${FOLDER}); visit(s, undefined, (session) => session.put('a', 1), { lock: true })`
    expect(ends(served)).toEqual([0, ''])
    expect(ends(`${served}.then(() => s.close())`)).toEqual([0, ''])
  })

  test('ends when it never ends a response whose session is locked', () => {
    expect(ends(`make('file', ${FOLDER}).startSession({ headers: {} }, new (require('events'))(), { lock: true }, () => {})`)).toEqual([0, ''])
  })

  test('ends after close(), though a handler never answers', () => {
    const handler = '{ write: () => {} }'
    const code = `const s = make('custom', ${FOLDER}, { handler: ${handler}, saveTimeout: 500 }); visit(s, undefined, () => setImmediate(() => s.close()))`
    expect(ends(code)).toEqual([0, ''])
  })
})
