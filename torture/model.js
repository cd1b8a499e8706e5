'use strict'

/**
 * What must become of sessions whose requests overlap, in a few lines: the reference that the real thing is compared with.
 *
 * Follows the design's table of changes word by word, with plain objects, one thing after the other, without storage, time or
 * flash data. Programs must not change in place what the same request has put.
 */

/** A deep copy of plain data; `structuredClone` takes ten times as long. */
function clone(value) {
  if (Array.isArray(value)) return value.map(clone)
  if (typeof value !== 'object' || value === null) return value
  const copy = {}
  for (const name in value) copy[name] = clone(value[name])
  return copy
}

/** The object that holds the last segment of a path, and that segment; `undefined` where a path leads nowhere. */
function place(root, path, isMade) {
  const segments = path.split('.')
  const name = segments.pop()
  let object = root
  for (const segment of segments) {
    if (!(segment in object) && isMade) object[segment] = {}
    object = object[segment]
    if (typeof object !== 'object' || object === null) return undefined
  }
  return { object, name }
}

function valueAt(root, path) {
  return path.split('.').reduce((found, segment) => found?.[segment], root)
}

/** The recorded changes: each applied to whatever is stored by then. */
const RECORDED = {
  put: (stored, path, value) => {
    const { object, name } = place(stored, path, true)
    object[name] = clone(value)
  },
  push: (stored, path, value) => {
    const { object, name } = place(stored, path, true)
    object[name] = [...(object[name] ?? []), clone(value)]
  },
  increment: (stored, path, by, mine) => {
    const { object, name } = place(stored, path, true)
    const count = object[name] ?? 0
    object[name] = typeof count === 'number' ? count + by : mine
  },
  forget: (stored, path) => {
    const found = place(stored, path, false)
    if (found !== undefined) delete found.object[found.name]
  },
  flush: (stored) => {
    for (const name of Object.keys(stored)) delete stored[name]
  },
}

/** A member set in place; dropped where the object has gone, or the member that was there when the request loaded the session. */
function change(stored, base, path, name, value) {
  const object = valueAt(stored, path)
  const isObject = typeof object === 'object' && object !== null
  const existed = valueAt(base, `${path}.${name}`) !== undefined
  if (!isObject || (existed && !(name in object))) return
  object[name] = clone(value)
}

/** The records that there are, by id. */
class Model {
  constructor() {
    this.records = new Map()
  }

  /** A request that loads the session `id`. */
  load(id) {
    return new Visit(this, id)
  }
}

/** One request. */
class Visit {
  constructor(model, id) {
    this.model = model
    this.id = id
    this.recorded = []
    this.inPlace = []
    this.newId = undefined
    const stored = model.records.get(id)
    this.isGone = stored === undefined
    this.view = clone(stored ?? {})
    this.base = clone(this.view)
  }

  /** Changes the session as this request sees it, and notes what it did. */
  do([what, ...given]) {
    if (what === 'regenerate') this.newId = given[0]
    else if (what === 'destroy') this.destroy()
    else if (what === 'save') this.save()
    else if (what === 'change') this.change(...given)
    else {
      RECORDED[what](this.view, ...given)
      const mine = what === 'increment' ? [valueAt(this.view, given[0])] : []
      this.recorded.push([what, ...given, ...mine])
      if (what === 'flush') this.inPlace = []
    }
  }

  change(path, name, value) {
    const object = valueAt(this.view, path)
    if (object === undefined) return
    object[name] = value
    this.inPlace.push([path, name, value])
  }

  destroy() {
    this.model.records.delete(this.id)
    this.isGone = true
  }

  /** Applies what this request did since its last save to what is stored now. */
  save() {
    const stored = this.model.records.get(this.id)
    if (this.isGone || stored === undefined) {
      this.isGone = true
      return
    }
    const result = clone(stored)
    for (const [what, ...given] of this.recorded) RECORDED[what](result, ...given)
    for (const given of this.inPlace) change(result, this.base, ...given)
    if (this.newId !== undefined) this.model.records.delete(this.id)
    this.id = this.newId ?? this.id
    this.newId = undefined
    this.model.records.set(this.id, result)
    this.recorded = []
    this.inPlace = []
    this.base = clone(this.view)
  }
}

module.exports = { Model, clone }
