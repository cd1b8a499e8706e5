'use strict'

/**
 * The native addon of this machine: whether it is up to date, and how to build it with cargo alone.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')
/** What the addon is made from. */
const SOURCES = ['src', 'Cargo.toml', 'Cargo.lock', 'build.rs']

function isMusl() {
  return !process.report.getReport().header.glibcVersionRuntime
}

/** The file that `binding.js` looks for first on this machine. */
function addonFile() {
  const { platform, arch } = process
  const abi = platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : ''
  return path.join(ROOT, `node-session.${platform}-${arch}${abi}.node`)
}

/** What cargo calls this machine, such as `x86_64-unknown-linux-gnu`. */
function hostTarget() {
  const { stdout } = spawnSync('rustc', ['-vV'], { encoding: 'utf8' })
  return /^host: (\S+)$/m.exec(stdout)?.[1]
}

/** Where cargo puts the library that is built for `host`. */
function libraryFile(host) {
  const suffix = process.platform === 'darwin' ? 'dylib' : 'so'
  const target = process.env.CARGO_TARGET_DIR || path.join(ROOT, 'target')
  return path.join(target, host, 'release', `libnode_session.${suffix}`)
}

function newest(file) {
  const stat = fs.statSync(file)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(0, ...fs.readdirSync(file).map((name) => newest(path.join(file, name))))
}

/** Whether the addon is there and no source is newer. */
function isUpToDate() {
  const file = addonFile()
  if (!fs.existsSync(file)) return false
  const built = fs.statSync(file).mtimeMs
  return SOURCES.every((source) => newest(path.join(ROOT, source)) <= built)
}

/** Whether there is a cargo to build with. */
function hasCargo() {
  return spawnSync('cargo', ['--version'], { stdio: 'ignore' }).status === 0
}

/**
 * Builds the addon and puts it where it is looked for. Shows cargo's progress.
 *
 * @returns {boolean} whether that succeeded
 */
function build() {
  const host = hostTarget()
  if (host === undefined) return false
  // Named, as `napi build` does, so that the two share what they have built.
  const { status } = spawnSync('cargo', ['build', '--release', '--locked', '--target', host], { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) return false
  // Renamed into place, so that a process that has the old one loaded keeps it.
  const draft = `${addonFile()}.new`
  fs.copyFileSync(libraryFile(host), draft)
  fs.renameSync(draft, addonFile())
  return true
}

module.exports = { ROOT, SOURCES, newest, addonFile, isUpToDate, hasCargo, build }
