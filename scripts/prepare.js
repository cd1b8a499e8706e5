'use strict'

/**
 * Makes a fresh clone ready: installs what is missing, builds what is missing, and says so. Run before `start` and `test`.
 */

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const addon = require('./addon')

function fail(message) {
  console.error(message)
  process.exit(1)
}

function areModulesInstalled() {
  const installed = path.join(addon.ROOT, 'node_modules', '.package-lock.json')
  const wanted = path.join(addon.ROOT, 'package-lock.json')
  return fs.existsSync(installed) && fs.statSync(installed).mtimeMs >= fs.statSync(wanted).mtimeMs
}

function installModules() {
  console.log('Installing npm packages…')
  const options = { cwd: addon.ROOT, stdio: 'inherit', env: { ...process.env, NODE_SESSION_SKIP_BUILD: '1' } }
  // Not `npm ci`: npm leaves optional packages for other engines out of the lock file, and then refuses it.
  const { status } = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund'], options)
  if (status !== 0) fail('npm install failed.')
}

function buildAddon() {
  if (!addon.hasCargo()) fail('Building the addon needs Rust: https://rustup.rs')
  console.log('Building the native addon; the first time takes a few minutes…')
  if (!addon.build()) fail('cargo build failed.')
}

if (!areModulesInstalled()) installModules()
if (!addon.isUpToDate()) buildAddon()
