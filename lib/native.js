'use strict'

/**
 * The native addon: its functions and classes, in which a panic becomes `ERR_SESSION_INTERNAL`; and one sentence for
 * platforms that have none.
 */

const { SessionError } = require('./errors')

const binding = load()

function load() {
  try {
    return require('../binding')
  } catch (cause) {
    const { platform, arch } = process
    throw new SessionError(
      'ERR_SESSION_INTERNAL',
      `node-session has no native addon for ${platform} ${arch}; build it with "npm run build" in its folder (Rust needed)`,
      cause
    )
  }
}

/** What the application sees of something thrown: all of it, but of a panic no more than that there was one. */
function told(thrown) {
  return binding.takePanic() ? new SessionError('ERR_SESSION_INTERNAL', 'the session engine panicked') : thrown
}

/** A function of the addon. What is left out reads as `undefined` there; measured, the detour costs 5 ns. */
function guarded(call) {
  return function (a, b, c, d, e, f, g, h) {
    try {
      return call.call(this, a, b, c, d, e, f, g, h)
    } catch (thrown) {
      throw told(thrown)
    }
  }
}

function guardedClass(Class) {
  class Guarded extends Class {
    constructor(a, b, c) {
      try {
        super(a, b, c)
      } catch (thrown) {
        throw told(thrown)
      }
    }
  }
  for (const [name, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(Class.prototype))) {
    if (name === 'constructor') continue
    const own = get === undefined ? { value: guarded(value) } : { get: guarded(get) }
    Object.defineProperty(Guarded.prototype, name, { configurable: true, ...own })
  }
  return Guarded
}

// From here on panics are told to stderr without their message, which may quote a visitor's data.
binding.takePanic()

for (const [name, value] of Object.entries(binding)) {
  if (typeof value !== 'function') continue
  module.exports[name] = /^[A-Z]/.test(name) ? guardedClass(value) : guarded(value)
}
