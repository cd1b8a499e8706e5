'use strict'

/**
 * Loads a server: signs visitors in, then repeats requests over many connections until it is told to stop.
 *
 * Uses wrk where it is installed, else the generator beside this file. Knows nothing of what is measured.
 */

const { spawn, spawnSync } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')

/** Connections that are busy at the same time. */
const CONNECTIONS = 32

/** Longer than any workload lasts; the load is stopped by a signal. Units: seconds. */
const FOREVER = 3600

/** Whether a program can be started here. */
function isInstalled(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined
}

/** The command that keeps a program on one core, where that is possible. */
function pinned(core, command) {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command]
}

/** Asks once; gives the cookies that came back, as a `Cookie` header. */
function signIn(port, target) {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, host: '127.0.0.1', path: target }, (response) => {
      const cookies = (response.headers['set-cookie'] ?? []).map((cookie) => cookie.split(';', 1)[0])
      response.resume()
      response.on('end', () => {
        if (response.statusCode === 200) resolve(cookies.join('; '))
        else reject(new Error(`${target} answered ${response.statusCode}`))
      })
    })
    request.on('error', reject)
  })
}

/** Signs visitors in, one after the other; gives their `Cookie` headers. */
async function signInAll(port, target, count) {
  const cookies = []
  while (cookies.length < count) cookies.push(await signIn(port, target))
  return cookies
}

function command(port, file, hasWrk) {
  if (!hasWrk) return [process.execPath, path.join(__dirname, 'generator.js'), String(port), String(CONNECTIONS), file]
  const script = path.join(__dirname, 'load.lua')
  return ['wrk', '-t', '1', '-c', String(CONNECTIONS), '-d', `${FOREVER}s`, '-s', script, `http://127.0.0.1:${port}`]
}

/**
 * Begins to load a server; resolves when the generator is running.
 *
 * @param {object} where
 * @param {number} where.port
 * @param {{path: string, cookie: string}[]} where.targets repeated in their order
 * @param {string} where.file where the targets can be written for the generator
 * @param {number} [where.core] the generator's core
 * @param {boolean} where.hasWrk
 * @param {number} [where.pause] of each connection between an answer and its next request, in milliseconds
 * @returns {Promise<() => Promise<{requests: number, failures: number, p50: number, p99: number}>>} what stops the load, and
 *   tells what it was from its beginning; latencies in microseconds
 */
async function beginLoad({ port, targets, file, core, hasWrk, pause }) {
  fs.writeFileSync(file, targets.map((target) => `${target.path}\t${target.cookie}\n`).join(''))
  const [program, ...given] = pinned(core, command(port, file, hasWrk))
  const child = spawn(program, given, {
    env: { ...process.env, BENCH_TARGETS: file, ...(pause === undefined ? {} : { BENCH_PAUSE: String(pause) }) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = outcome(child)
  // Until it has said `READY`, the signal would end it without a word.
  await Promise.race([once(child.stdout, 'data'), ended])
  return () => {
    child.kill('SIGINT')
    return ended
  }
}

/** What a generator says at its end. */
async function outcome(child) {
  let output = ''
  child.stdout.on('data', (chunk) => { output += chunk })
  await once(child, 'close')
  const line = output.split('\n').find((text) => text.startsWith('BENCH '))
  if (line === undefined) throw new Error(`the load generator said: ${output}`)
  return JSON.parse(line.slice('BENCH '.length))
}

module.exports = { CONNECTIONS, isInstalled, pinned, signInAll, beginLoad }
