'use strict'

/*
 * Holds the write lock of an SQLite database until its input ends: `node holding.child.js FILE`.
 */

const Database = require('better-sqlite3')

const database = new Database(process.argv[2])
database.exec('BEGIN EXCLUSIVE')
process.stdout.write('held\n')
process.stdin.on('end', () => {
  database.exec('ROLLBACK')
  database.close()
}).resume()
