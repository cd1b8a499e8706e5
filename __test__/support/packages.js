'use strict'

/*
 * The two packages that the compatibility suites drive: node-session 1.2.1 from npm, and this one.
 *
 * NODE_SESSION_UNDER_TEST names another folder than the repository's root to take this package from; the word `none` leaves
 * it out, so that the suites can be checked against the original alone.
 */

const path = require('path')

const ORIGINAL = 'node-session-original'
const UNDER_TEST = process.env.NODE_SESSION_UNDER_TEST || path.join(__dirname, '..', '..')

/** One package: its constructor, and its modules by the paths that applications reach them by. */
function load(name, root, entry) {
  const NodeSession = require(entry)
  return {
    name,
    entry: require.resolve(entry),
    NodeSession,
    create: (config, encrypter) => new NodeSession(config, encrypter),
    deep: (file) => require(`${root}/${file}`),
  }
}

const original = load('node-session 1.2.1', ORIGINAL, ORIGINAL)
const ours = UNDER_TEST === 'none' ? null : load('this package', UNDER_TEST, UNDER_TEST)

/** For `describe.each` and `test.each`: every package, by name. */
const packages = [original, ours].filter(Boolean).map((pkg) => [pkg.name, pkg])

/** `describe` for what only this package does. */
const describeOurs = ours ? describe : describe.skip

module.exports = { original, ours, packages, describeOurs }
