'use strict'

/*
 * A MariaDB server of a test's own, from the installed binaries: with its own data, socket and port, so that it can be killed,
 * stopped and configured. Where the binaries are missing, the tests are skipped; on CI they fail.
 */

const { spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')
const { createConnection } = require('mysql2/promise')

const { query } = require('../../torture/mysql')
const { tempDir } = require('./cleanup')
const { Spawned, freePort, ready } = require('./spawned')

const isRoot = process.getuid?.() === 0
/** MariaDB refuses to run as root. */
const USER = isRoot ? ['--user=mysql'] : []

/** Small, and quick to start. What was committed survives the end of the process. */
const SETTINGS = ['--innodb-buffer-pool-size=8M', '--innodb-log-file-size=4M', '--innodb-flush-log-at-trx-commit=2', '--skip-name-resolve',
  '--performance-schema=OFF', '--bind-address=127.0.0.1']

/** Whether there are the binaries. */
const isInstalled = process.env.CI !== undefined || spawnSync('mariadb-install-db', ['--help']).error === undefined

function install(data) {
  const args = ['--no-defaults', ...USER, `--datadir=${data}`, '--skip-test-db', '--auth-root-authentication-method=normal']
  const { status, stderr, error } = spawnSync('mariadb-install-db', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mariadb-install-db: ${error ?? stderr}`)
}

class MariaDB {
  /** The signal by which it ends as `mariadb-admin shutdown` lets it. */
  politely = 'SIGTERM'

  /** Makes a server with a database `test`; `settings` are further arguments. It does not run yet. */
  static async make(...settings) {
    const server = new MariaDB()
    const dir = tempDir()
    fs.chmodSync(dir, 0o755)
    server.data = path.join(dir, 'data')
    fs.mkdirSync(server.data)
    if (isRoot) spawnSync('chown', ['mysql', server.data])
    install(server.data)
    fs.mkdirSync(path.join(server.data, 'test'))
    if (isRoot) spawnSync('chown', ['mysql', path.join(server.data, 'test')])
    server.port = await freePort()
    server.socket = path.join(server.data, 's')
    const own = [`--datadir=${server.data}`, `--socket=${server.socket}`, `--port=${server.port}`, `--pid-file=${server.data}/pid`]
    server.program = new Spawned(['mariadbd', '--no-defaults', ...USER, ...own, ...SETTINGS, ...settings])
    return server
  }

  /** Starts it, and waits until it answers. */
  begin() {
    return this.program.start(() => this.sql('SELECT 1'))
  }

  /** Makes and starts one. */
  static async start(...settings) {
    const server = await MariaDB.make(...settings)
    await server.begin()
    return server
  }

  /** Runs one statement as root. */
  sql(text, values) {
    return query(text, values, { socketPath: this.socket, user: 'root', database: 'test' })
  }

  /** Field `connection` for this server; `fields` replace and add to what it has. */
  connection(fields = {}) {
    return { adapter: 'mysql', host: '127.0.0.1', port: this.port, user: 'root', database: 'test', ...fields }
  }

  /** A connection of a user's own, which a test may do with as it likes. */
  open(fields) {
    const given = { ...this.connection(fields) }
    delete given.adapter
    return createConnection(given)
  }

  /** Lets a user have so many connections at most, or as many as there may be. */
  limit(user, connections = 0) {
    return this.sql(`ALTER USER '${user}'@'%' WITH MAX_USER_CONNECTIONS ${connections}`)
  }

  /** Whether it may be written to by all who are not its owner. */
  takesWrites(may) {
    return this.sql(`SET GLOBAL read_only = ${may ? 'OFF' : 'ON'}`)
  }

  drop(table) {
    return this.sql('DROP TABLE ??', [table])
  }

  /** The text in the row of a session. */
  async payloadOf(table, id) {
    return (await this.sql('SELECT payload FROM ?? WHERE id = ?', [table, id]))[0].payload
  }

  /** Holds the row of a session in a transaction; gives what lets it go. */
  async hold(table, id) {
    const connection = await this.open()
    await connection.query('START TRANSACTION')
    await connection.query('SELECT 1 FROM ?? WHERE id = ? FOR UPDATE', [table, id])
    return () => connection.end()
  }

  /** Ends connections of a user, in the middle of whatever they do. */
  async cut(user) {
    const rows = await this.sql('SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ? AND ID <> connection_id()', [user])
    for (const { ID } of rows) await this.sql(`KILL ${ID}`).catch(() => {})
    return rows.length
  }

  /** Ends it: by `SIGKILL` as a crash does. */
  end(signal) {
    return this.program.kill(signal)
  }

  pause() {
    this.program.pause()
  }

  /** Lets it go on, and waits until it answers. */
  async resume() {
    this.program.resume()
    await ready(() => this.sql('SELECT 1'))
  }
}

module.exports = { MariaDB, describeMariaDB: isInstalled ? describe : describe.skip }
