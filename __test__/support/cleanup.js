'use strict'

/*
 * What a test file has to put away when it is done: servers, databases, temporary folders. Nothing else.
 */

const fs = require('fs')
const os = require('os')
const path = require('path')

const pending = []

/** Runs `work` after the file's last test, the latest first. */
function later(work) {
  pending.push(work)
}

/** A new empty folder under the system's temporary one, removed after the file's last test. */
function tempDir() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-'))
  later(() => fs.rmSync(dir, { recursive: true, force: true }))
  return dir
}

afterAll(async () => {
  while (pending.length > 0) await pending.pop()()
})

module.exports = { later, tempDir }
