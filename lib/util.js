'use strict'

/**
 * Helpers that applications reach by their path.
 *
 * Compat: `lib/util.js` of node-session 1.2.1.
 */

const native = require('./native')
const { toError } = require('./errors')

/**
 * Makes the objects on the way to a dotted name; a parent that is no object is replaced.
 *
 * @public
 * @param {object} object
 * @param {string} name as `a.b.c`, for which `a` and `a.b` are made
 */
function defineMember(object, name) {
  let at = object
  for (const part of name.split('.').slice(0, -1)) {
    const own = Object.hasOwn(at, part) ? at[part] : undefined
    if (typeof own !== 'object' || own === null) {
      Object.defineProperty(at, part, { value: {}, writable: true, enumerable: true, configurable: true })
    }
    at = at[part]
  }
}

/**
 * A function that says whether a proxy is believed.
 *
 * @public
 * @param {boolean | number | string | string[] | Function} value `true` for all, a number of hops, addresses and ranges
 * @returns {(address: string, hop: number) => boolean}
 * @throws {Error} naming an address that is none
 */
function compileTrust(value) {
  if (typeof value === 'function') return value
  if (value === true) return () => true
  if (typeof value === 'number') return (address, hop) => hop < value
  const trust = new native.Trust(typeof value === 'string' ? value.split(/ *, */) : value || [])
  const refused = trust.refused()
  if (refused !== undefined) throw toError(refused)
  return (address) => trust.trusts(String(address))
}

module.exports = { defineMember, compileTrust }
