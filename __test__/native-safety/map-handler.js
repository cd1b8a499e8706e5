'use strict'

/*
 * A handler over a Map that answers later, for processes without Jest.
 */

class MapHandler {
  constructor() {
    this.map = new Map()
  }

  read(id, callback) {
    setImmediate(() => callback(this.map.get(id) ?? ''))
  }

  write(id, text, callback) {
    setImmediate(() => {
      this.map.set(id, text)
      callback()
    })
  }

  destroy(id, callback) {
    this.map.delete(id)
    setImmediate(callback)
  }

  gc() {}
}

module.exports = { MapHandler }
