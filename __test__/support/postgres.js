'use strict'

/*
 * A PostgreSQL server of a test's own, from the installed binaries: with its own data, socket and port, so that it can be killed,
 * stopped and configured. Where the binaries are missing, the tests are skipped; on CI they fail.
 */

const { spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')
const { Client } = require('pg')

const { query } = require('../../torture/postgres')
const { tempDir } = require('./cleanup')
const { Spawned, freePort, ready } = require('./spawned')

const isRoot = process.getuid?.() === 0
/** PostgreSQL refuses to run as root. */
const AS_USER = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : []

/** Small, and quick to start. What was committed survives the end of the process. */
const SETTINGS = ['fsync=off', 'max_connections=40', 'shared_buffers=8MB', 'max_wal_senders=0', 'autovacuum=off', 'logging_collector=off',
  "listen_addresses='127.0.0.1'"]

/** The folder of the newest binaries; `undefined` where there are none. */
function binaries() {
  const root = '/usr/lib/postgresql'
  const versions = fs.existsSync(root) ? fs.readdirSync(root).sort((one, other) => other - one) : []
  return versions.map((version) => path.join(root, version, 'bin')).find((dir) => fs.existsSync(path.join(dir, 'initdb')))
}

const BIN = binaries()
const isInstalled = process.env.CI !== undefined || BIN !== undefined

/** Whether there is a process of that id. */
function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}

/** Who may come from where, and how they prove who they are: `app` by a password, `localhost` by a certificate too. */
const ACCESS = `local all all trust
host all postgres 127.0.0.1/32 trust
hostssl all localhost 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostssl all safe 127.0.0.1/32 scram-sha-256
host all app,crowd 127.0.0.1/32 scram-sha-256
`

class Postgres {
  /** The signal by which it ends as `pg_ctl stop -m fast` lets it. */
  politely = 'SIGINT'

  /** Makes and starts a server with a database `test`; `settings` are further lines of its configuration. */
  static async start(...settings) {
    const server = new Postgres()
    const dir = tempDir()
    fs.chmodSync(dir, 0o755)
    server.dir = dir
    server.data = path.join(dir, 'data')
    fs.mkdirSync(server.data)
    if (isRoot) spawnSync('chown', ['postgres', server.data, dir])
    const made = server.run('initdb', '-D', server.data, '-U', 'postgres', '--auth=trust', '--no-sync', '--locale=C.UTF-8', '-E', 'UTF8')
    if (made.status !== 0) throw new Error(`initdb: ${made.error ?? made.stderr}`)
    server.port = await freePort()
    server.configure(...SETTINGS, `port=${server.port}`, `unix_socket_directories='${dir}'`, ...settings)
    fs.writeFileSync(path.join(server.data, 'pg_hba.conf'), ACCESS)
    server.program = new Spawned([...AS_USER, path.join(BIN, 'postgres'), '-D', server.data])
    await server.begin('postgres')
    await server.sql('CREATE DATABASE test', [], 'postgres')
    return server
  }

  /** Runs one of PostgreSQL's programs to its end. */
  run(program, ...args) {
    const [command, ...rest] = [...AS_USER, path.join(BIN, program), ...args]
    return spawnSync(command, rest, { encoding: 'utf8', cwd: this.dir })
  }

  /** Adds lines to its configuration, which hold from its next start on. */
  configure(...lines) {
    fs.appendFileSync(path.join(this.data, 'postgresql.conf'), `${lines.join('\n')}\n`)
  }

  /** Puts a file beside its data that only it may read. */
  keep(name, text) {
    const file = path.join(this.data, name)
    fs.writeFileSync(file, text, { mode: 0o600 })
    if (isRoot) spawnSync('chown', ['postgres', file])
  }

  /** Starts it, and waits until it answers. */
  begin(database = 'test') {
    return this.program.start(() => this.sql('SELECT 1', [], database))
  }

  /** Runs one statement as its owner. */
  sql(text, values, database = 'test', options = {}) {
    return query(text, values, { host: this.dir, port: this.port, user: 'postgres', database, ...options })
  }

  /** Field `connection` for this server; `fields` replace and add to what it has. */
  connection(fields = {}) {
    return { adapter: 'postgres', host: '127.0.0.1', port: this.port, user: 'postgres', database: 'test', ...fields }
  }

  /** A connection of a user's own, which a test may do with as it likes. */
  async open(fields) {
    const client = new Client({ ...this.connection(fields), adapter: undefined })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  /** Lets a user have so many connections at most, or as many as there may be. */
  limit(user, connections = -1) {
    return this.sql(`ALTER ROLE ${user} CONNECTION LIMIT ${connections}`)
  }

  drop(table) {
    return this.sql(`DROP TABLE "${table}"`)
  }

  /** The text in the row of a session. */
  async payloadOf(table, id) {
    return (await this.sql(`SELECT payload FROM "${table}" WHERE id = $1`, [id]))[0].payload
  }

  /** Holds the row of a session in a transaction; gives what lets it go. */
  async hold(table, id) {
    const client = await this.open()
    await client.query('BEGIN')
    await client.query(`SELECT 1 FROM "${table}" WHERE id = $1 FOR UPDATE`, [id])
    return () => client.end()
  }

  /** Ends connections of a user, in the middle of whatever they do; gives how many. */
  async cut(user) {
    const [{ count }] = await this.sql('SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1', [user])
    return Number(count)
  }

  /** Whether connections may write, unless they insist: `default_transaction_read_only`. */
  async takesWrites(may) {
    const value = may ? 'off' : 'on'
    const insisting = { options: '-c default_transaction_read_only=off' }
    await this.sql(`ALTER SYSTEM SET default_transaction_read_only = ${value}`, [], 'test', insisting)
    await this.sql('SELECT pg_reload_conf()')
    await ready(async () => (await this.sql('SHOW default_transaction_read_only'))[0].default_transaction_read_only === value)
  }

  /** Ends it: by `SIGKILL` as a crash does. */
  async end(signal = 'SIGKILL') {
    const all = this.children()
    if (signal === 'SIGKILL') this.signal('SIGKILL')
    await this.program.kill(signal)
    // Its children notice that it has gone, and it does not start before they have.
    await ready(() => !all.some(isRunning))
  }

  /** Sends a signal to all its processes. PostgreSQL gives each a process group of its own, so each is sent it. */
  signal(name) {
    for (const pid of this.children()) {
      try {
        process.kill(pid, name)
      } catch (error) {
        if (error.code !== 'ESRCH') throw error
      }
    }
  }

  /** The server's process and its children. */
  children() {
    const { pid } = this.program.child
    const lines = spawnSync('ps', ['-e', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n')
    const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number))
    return [pid, ...pairs.filter(([, parent]) => parent === pid).map(([child]) => child)]
  }

  pause() {
    this.signal('SIGSTOP')
  }

  /** Lets it go on, and waits until it answers. */
  async resume() {
    this.signal('SIGCONT')
    await ready(() => this.sql('SELECT 1'))
  }
}

module.exports = { Postgres, describePostgres: isInstalled ? describe : describe.skip }
