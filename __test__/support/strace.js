'use strict'

/*
 * System calls of a running process: counted, made to fail, or made its last. By strace, which is needed on Linux alone; in CI its
 * absence is a failure, elsewhere such tests are skipped.
 */

const fs = require('fs')
const path = require('path')
const { spawn, spawnSync } = require('child_process')

const { tempDir } = require('./cleanup')

const canTrace = process.platform === 'linux' && spawnSync('strace', ['-o', '/dev/null', '-f', 'true']).status === 0
const canMount = process.platform === 'linux' && spawnSync('unshare', ['-rm', 'true']).status === 0

/** `test` where calls can be traced, and in CI anyway; else `test.skip`. */
const traced = canTrace || process.env.CI ? test : test.skip
/** The same where file systems can be mounted without being root. */
const mounting = canMount || process.env.CI ? test : test.skip

/**
 * Traces threads of a process, by their ids; with `all` those of the whole process that `tids` has one of, and those to come.
 *
 * Resolves once every thread is traced: from then on calls count. `expressions` are strace's own (`-e`). `detach()` lets the
 * process go on alone, and gives the lines that were logged.
 */
async function attach(tids, { all = false, expressions = [] } = {}) {
  const log = path.join(tempDir(), 'log')
  const args = [...(all ? ['-f'] : []), '-o', log]
  const words = [...tids.flatMap((tid) => ['-p', String(tid)]), ...expressions.flatMap((expression) => ['-e', expression])]
  const strace = spawn('strace', [...args, ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
  const end = new Promise((resolve) => { strace.on('exit', resolve) })
  let said = ''
  await new Promise((resolve, reject) => {
    strace.stderr.setEncoding('utf8').on('data', (text) => {
      said += text
      if ((said.match(/ attached/g) || []).length >= tids.length) resolve()
    })
    end.then(() => reject(new Error(`strace ended: ${said}`)))
  })
  return {
    async detach() {
      strace.kill('SIGINT')
      await end
      return fs.readFileSync(log, 'utf8').split('\n').filter(Boolean)
    },
  }
}

/** The calls in a log, as `Map(name → how many)`, most of any one thread. */
function count(lines) {
  const perThread = new Map()
  for (const line of lines) {
    const [, tid, name] = /^(?:(\d+) +)?([a-z_0-9]+)\(/.exec(line) || []
    if (name === undefined) continue
    const key = `${tid} ${name}`
    perThread.set(key, (perThread.get(key) || 0) + 1)
  }
  const most = new Map()
  for (const [key, calls] of perThread) {
    const name = key.split(' ')[1]
    most.set(name, Math.max(most.get(name) || 0, calls))
  }
  return most
}

module.exports = { traced, mounting, attach, count }
