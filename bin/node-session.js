#!/usr/bin/env node
'use strict'

/**
 * The command `node-session`.
 */

require('../lib/migrate/command').run(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})
