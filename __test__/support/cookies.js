'use strict'

/*
 * The tests' own cookie arithmetic: signing, verifying and reading Set-Cookie, written from RFC 6265 and compat.md 1.3, so
 * that neither package is measured with its own ruler.
 */

const crypto = require('crypto')

const SECRET = 'Q3UBzdH9GEfiRCTKbi5MTPyChpzXLsTD'
const NAME = 'node_session'
const ID = /^[A-Za-z0-9_-]{40}$/

/** The id that compat.md gives its vectors for, and what travels for it under `SECRET`. */
const VECTOR = {
  id: '6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx',
  signed: 's:6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEXFLiTRPTe38j/A4D0yZlLVkNuZeym1KAu6s',
  wire: 's%3A6nZA4-UavYvomaz5oBUyBpQ9d2KynAqb4FUKdkRx.fr0UgyjEXFLiTRPTe38j%2FA4D0yZlLVkNuZeym1KAu6s',
}

/** A session id nobody has used. */
function freshId() {
  return crypto.randomBytes(30).toString('base64url')
}

/** `value.mac`, the mac in base64 without padding. */
function sign(value, secret = SECRET) {
  const mac = crypto.createHmac('sha256', secret).update(value).digest('base64')
  return `${value}.${mac.replace(/=+$/, '')}`
}

/** The cookie value of an id as it travels: url-encoded, with the `s:` of signed cookies. */
function wire(id, secret = SECRET) {
  return encodeURIComponent(`s:${sign(id, secret)}`)
}

/** The id inside a cookie value, or null when its signature does not hold. */
function idOf(value, secret = SECRET) {
  const text = decodeURIComponent(value)
  if (!text.startsWith('s:')) return null
  const id = text.slice(2, text.lastIndexOf('.'))
  return `s:${sign(id, secret)}` === text ? id : null
}

/** A Set-Cookie header as `{name, value, attributes}`, attributes in their order as `[name, value]`. */
function parseSetCookie(header) {
  const [pair, ...attributes] = header.split('; ')
  const at = pair.indexOf('=')
  return {
    name: pair.slice(0, at),
    value: pair.slice(at + 1),
    attributes: attributes.map((text) => {
      const eq = text.indexOf('=')
      return eq < 0 ? [text, true] : [text.slice(0, eq), text.slice(eq + 1)]
    }),
  }
}

/** The value of one attribute of a Set-Cookie header; undefined when it is not there. */
function attribute(header, name) {
  const found = parseSetCookie(header).attributes.find(([key]) => key === name)
  return found && found[1]
}

module.exports = { SECRET, NAME, ID, VECTOR, freshId, sign, wire, idOf, parseSetCookie, attribute }
