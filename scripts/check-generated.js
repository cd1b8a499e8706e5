'use strict'

/**
 * Writes `binding.js` and `binding.d.ts` anew and fails when that changes them.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { ROOT } = require('./addon')

const GENERATED = ['binding.js', 'binding.d.ts'].map((name) => path.join(ROOT, name))

const before = GENERATED.map((file) => fs.readFileSync(file, 'utf8'))
const { status } = spawnSync('npm', ['run', 'build'], { cwd: ROOT, stdio: 'inherit' })
if (status !== 0) process.exit(1)
GENERATED.forEach((file, at) => {
  if (fs.readFileSync(file, 'utf8') === before[at]) return
  console.error(`${path.basename(file)} was out of date; commit what is there now.`)
  process.exitCode = 1
})
