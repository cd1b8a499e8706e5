'use strict'

/*
 * The addon with the cargo feature `faults`, in which tests can provoke panics and count allocations. Built when a source is
 * newer, as a debug build that shares its dependencies with `cargo test`, to a file of its own: never to the one that
 * applications load.
 */

const { spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')

const { ROOT, SOURCES, newest } = require('../../scripts/addon')

const TARGET = process.env.CARGO_TARGET_DIR || path.join(ROOT, 'target')
const FILE = path.join(TARGET, 'faults', 'node-session.node')

function isUpToDate() {
  return fs.existsSync(FILE) && SOURCES.every((source) => newest(path.join(ROOT, source)) <= fs.statSync(FILE).mtimeMs)
}

/** Gives the path of the addon, up to date. */
function faultyAddon() {
  if (isUpToDate()) return FILE
  const built = spawnSync('cargo', ['build', '--locked', '--lib', '--features', 'faults'], { cwd: ROOT, encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`cannot build the addon with faults:\n${built.stderr}`)
  const suffix = process.platform === 'darwin' ? 'dylib' : 'so'
  fs.mkdirSync(path.dirname(FILE), { recursive: true })
  // Several suites may want it at the same time.
  const draft = `${FILE}.${process.pid}`
  fs.copyFileSync(path.join(TARGET, 'debug', `libnode_session.${suffix}`), draft)
  fs.renameSync(draft, FILE)
  return FILE
}

module.exports = { faultyAddon }
