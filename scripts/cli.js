'use strict'

/**
 * The command lines of the tools in this repository: what they were given, or a word on how they are used.
 */

const { parseArgs } = require('node:util')

/** Says how a tool is used, and ends the process: with 0 for who asked, with 1 for who was wrong. */
function tell(usage, mistake) {
  if (mistake === undefined) process.stdout.write(usage)
  else process.stderr.write(`${mistake}\n\n${usage}`)
  process.exit(mistake === undefined ? 0 : 1)
}

/** What is wrong with a value, if anything is. */
function wrong(name, value, allowed) {
  if (value === undefined || allowed === undefined) return undefined
  if (Array.isArray(allowed)) {
    return allowed.includes(value) ? undefined : `--${name} must be one of: ${allowed.join(', ')}`
  }
  return allowed.test(value) ? undefined : `--${name} must be ${allowed.means}`
}

/** A whole number from 1 on. */
const COUNT = { test: (value) => /^[1-9]\d{0,8}$/.test(value), means: 'a whole number from 1 on' }

/**
 * The options of a command line.
 *
 * `--help` prints `usage` and ends the process with 0. An option that there is not, or a value that is not allowed, prints what is
 * wrong and `usage` to stderr and ends it with 1.
 *
 * @param {string} usage
 * @param {object} options as `util.parseArgs` takes them
 * @param {Record<string, string[] | {test: (value: string) => boolean, means: string}>} [allowed] by option, what it may be
 * @returns {Record<string, string | boolean | undefined>}
 */
function optionsOf(usage, options, allowed = {}) {
  let values
  try {
    ({ values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } }))
  } catch (error) {
    tell(usage, error.message)
  }
  if (values.help) tell(usage)
  const mistake = Object.keys(allowed).map((name) => wrong(name, values[name], allowed[name])).find(Boolean)
  if (mistake !== undefined) tell(usage, mistake)
  return values
}

module.exports = { optionsOf, COUNT }
