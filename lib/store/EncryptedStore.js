'use strict'

/**
 * A session whose payload is encrypted: by the engine, or by an encrypter of the application's own.
 *
 * Compat: `lib/store/EncryptedStore.js` of node-session 1.2.1.
 */

const Store = require('./Store')
const native = require('../native')
const { Engine } = require('../engine')
const { toError } = require('../errors')
const { Opened, init, keepUntilCollected } = require('../session')
const { kCodec, kEncrypter, kEngine } = require('../symbols')

/** Engines of sessions that are made one by one; as many as an application is likely to have secrets. */
const MAX_ENGINES = 16
const engines = new Map()

function engineFor(name, secret) {
  const bytes = [].concat(secret).map((one) => (typeof one === 'string' ? one : { bytes: Buffer.from(one).toString('hex') }))
  const key = JSON.stringify([name, bytes])
  let engine = engines.get(key)
  if (engine === undefined) {
    engine = new Engine({ driver: 'memory', cookie: name, secret, encrypt: true })
    if (engines.size >= MAX_ENGINES) engines.delete(engines.keys().next().value)
    engines.set(key, engine)
  }
  return engine
}

/**
 * @public
 * @param {string} name the cookie's name
 * @param {object} handler where the session is stored
 * @param {{encrypt(text: string): string, decrypt(text: string): string} | null} encrypter `null` for the engine's own
 * @param {string} secret what the engine encrypts with
 * @param {string} [id] kept if it is a valid id
 */
function EncryptedStore(name, handler, encrypter, secret, id) {
  if (encrypter) {
    Store.call(this, name, handler, id)
  } else {
    const engine = engineFor(name, secret)
    init(this, engine, native.newSession(engine.number, typeof id === 'string' ? id : undefined), name, handler)
    keepUntilCollected(this)
  }
  this[kEncrypter] = encrypter || undefined
}

EncryptedStore.prototype = Object.create(Store.prototype, {
  constructor: { value: EncryptedStore, writable: true, configurable: true },
})

/** A session that the engine has opened; made without the work of `new EncryptedStore`. */
function OpenedEncrypted(engine, number, name, live, encrypter) {
  Opened.call(this, engine, number, name, live)
  this[kEncrypter] = encrypter
}
OpenedEncrypted.prototype = EncryptedStore.prototype

Object.defineProperty(EncryptedStore, 'opened', {
  value: (...fields) => new OpenedEncrypted(...fields),
})

function recode(store, seal, text) {
  const result = native.recode(store[kEngine].number, seal, store.getId(), text)
  if (typeof result !== 'string') throw toError(result)
  return result
}

EncryptedStore.prototype.__prepareForParse = function __prepareForParse(data) {
  return this[kEncrypter] ? this[kEncrypter].decrypt(data) : recode(this, false, data)
}

EncryptedStore.prototype.__prepareForStorage = function __prepareForStorage(data) {
  return this[kEncrypter] ? this[kEncrypter].encrypt(data) : recode(this, true, data)
}

EncryptedStore.prototype[kCodec] = function codec() {
  const own =
    this[kEncrypter] ||
    this.__prepareForParse !== EncryptedStore.prototype.__prepareForParse ||
    this.__prepareForStorage !== EncryptedStore.prototype.__prepareForStorage
  return own ? this : undefined
}

/** Compat: a field of the original's encrypted sessions; out of listings, as an encrypter may show its key. */
Object.defineProperty(EncryptedStore.prototype, '__encrypter', {
  get() {
    return this[kEncrypter]
  },
  set(encrypter) {
    this[kEncrypter] = encrypter
  },
})

module.exports = EncryptedStore
