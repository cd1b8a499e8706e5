'use strict'

/**
 * What a request may do with its session, by name; once for sessions with methods, once for sessions that are plain objects.
 *
 * Each operation gets the request and its arguments, which are plain data, and gives what the response is to tell of it, or
 * a promise of that. Knows nothing of servers and gates.
 */

/** The object at a path below `root`, or `undefined`. */
function objectAt(root, path) {
  let value = root
  for (const segment of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = value[segment]
  }
  return typeof value === 'object' && value !== null ? value : undefined
}

/** A promise of what calls back. */
function called(run) {
  return new Promise((resolve, reject) => {
    run((error) => (error ? reject(error) : resolve()))
  })
}

/** Lets whatever else is ready run first. */
function turn() {
  return new Promise(setImmediate)
}

/** All attributes but those that the library keeps for itself. */
function visible(attributes, hidden) {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !hidden.includes(name)))
}

const byMethods = {
  id: ({ session }) => session.getId(),
  get: ({ session }, path) => session.get(path),
  all: ({ session }) => visible(session.all(), ['_token', 'flash']),
  put: ({ session }, path, value) => session.put(path, value),
  push: ({ session }, path, value) => session.push(path, value),
  forget: ({ session }, path) => session.forget(path),
  pull: ({ session }, path) => session.pull(path),
  increment: ({ session }, path, by) => session.increment(path, by),
  decrement: ({ session }, path, by) => session.decrement(path, by),
  flush: ({ session }) => session.flush(),
  flash: ({ session }, name, value) => session.flash(name, value),
  keep: ({ session }, name) => session.keep(name),
  reflash: ({ session }) => session.reflash(),
  token: ({ session }) => session.getToken(),
  regenerateToken: ({ session }) => {
    session.regenerateToken()
    return session.getToken()
  },
  /** A new id that takes effect at the end. */
  regenerate: ({ session }, destroy) => session.regenerate(destroy),
  migrate: ({ session }, destroy) => session.migrate(destroy),
  /** A new id that is stored at once. */
  regenerateNow: ({ session }, destroy) => called((done) => session.regenerate(destroy, done)),
  invalidate: ({ session }) => session.invalidate(),
  destroy: ({ session }) => session.destroy(),
  save: ({ session }) => called((done) => session.save(done)),
  /** Sets a member of a stored object in place. */
  change: ({ session }, path, name, value) => {
    const object = path === '' ? session.all() : session.get(path)
    if (typeof object === 'object' && object !== null) object[name] = value
  },
  /** Removes a member of a stored object in place. */
  remove: ({ session }, path, name) => {
    const object = path === '' ? session.all() : session.get(path)
    if (typeof object === 'object' && object !== null) delete object[name]
  },
  /** Appends to a stored array in place. */
  append: ({ session }, path, value) => session.get(path)?.push(value),
  /** Reads, lets others run, and writes one more. */
  readModifyWrite: async ({ session }, path) => {
    const count = session.get(path) ?? 0
    await turn()
    session.put(path, count + 1)
  },
  /** Log-out as far as the library has one. */
  logOut: ({ session }) => {
    if (typeof session.destroy === 'function') return session.destroy()
    session.flush()
    return session.regenerate(true)
  },
}

/** The parent of a path, made where it is missing, and the last segment. */
function parentOf(session, path) {
  const segments = path.replaceAll('[', '.').replaceAll(']', '').split('.')
  const last = segments.pop()
  let object = session
  for (const segment of segments) object = object[segment] ??= {}
  return { object, last }
}

const byProperties = {
  id: (req) => req.sessionID,
  get: ({ session }, path) => {
    const { object, last } = parentOf(session, path)
    return object[last]
  },
  all: ({ session }) => visible(session, ['cookie']),
  put: ({ session }, path, value) => {
    if (typeof path === 'object') {
      Object.assign(session, path)
      return
    }
    const { object, last } = parentOf(session, path)
    object[last] = value
  },
  forget: ({ session }, path) => {
    const { object, last } = parentOf(session, path)
    delete object[last]
  },
  flush: ({ session }) => {
    for (const name of Object.keys(session)) if (name !== 'cookie') delete session[name]
  },
  invalidate: ({ session }) => called((done) => session.regenerate(done)),
  destroy: ({ session }) => called((done) => session.destroy(done)),
  save: ({ session }) => called((done) => session.save(done)),
  change: ({ session }, path, name, value) => {
    const object = path === '' ? session : objectAt(session, path)
    if (object !== undefined) object[name] = value
  },
  remove: ({ session }, path, name) => {
    const object = path === '' ? session : objectAt(session, path)
    if (object !== undefined) delete object[name]
  },
  append: ({ session }, path, value) => objectAt(session, path)?.push(value),
  readModifyWrite: async ({ session }, path) => {
    const count = session[path] ?? 0
    await turn()
    session[path] = count + 1
  },
  logOut: ({ session }) => called((done) => session.destroy(done)),
}

module.exports = { byMethods, byProperties }
