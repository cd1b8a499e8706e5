'use strict'

/**
 * Compiles each type-test project of this folder; fails when one does not compile.
 *
 * The projects are apart because a declared `SessionData` and an opt-in to `node-session/express` hold for a whole
 * program.
 */

const { spawnSync } = require('node:child_process')
const { join } = require('node:path')

const projects = ['empty', 'declared', 'express', 'express-session', 'interop-on', 'interop-off']
const tsc = require.resolve('typescript/bin/tsc')

for (const project of projects) {
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(__dirname, project)], { stdio: 'inherit' })
  console.log(`types: ${project} ${status === 0 ? 'compiles' : 'FAILS'}`)
  if (status !== 0) process.exitCode = 1
}
