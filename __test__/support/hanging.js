'use strict'

/*
 * A handler that keeps its callbacks, and a clock for how long something takes.
 */

const { MapHandler, useHandler } = require('./handlers')

/** A handler over a Map whose methods keep their callbacks while they are named in `hanging`. */
class HangingHandler extends MapHandler {
  constructor(...hanging) {
    super()
    this.hanging = new Set(hanging)
    /** The calls that were not answered: each answers its own when it is called. */
    this.kept = []
  }

  read(id, callback) {
    if (this.hanging.has('read')) this.kept.push(() => super.read(id, callback))
    else super.read(id, callback)
  }

  write(id, text, callback) {
    if (this.hanging.has('write')) this.kept.push(() => super.write(id, text, callback))
    else super.write(id, text, callback)
  }

  destroy(id, callback) {
    if (this.hanging.has('destroy')) this.kept.push(() => super.destroy(id, callback))
    else super.destroy(id, callback)
  }

  /** Answers what was asked so far, and what will be. */
  release() {
    this.hanging.clear()
    for (const answer of this.kept.splice(0)) answer()
  }
}

/** Lets a site keep its sessions with one handler for all its requests; gives that. */
function useHanging(site, ...hanging) {
  const handler = new HangingHandler(...hanging)
  useHandler(site, () => handler, site.config.driver)
  return handler
}

/** What `work` gives, and how many milliseconds it took. */
async function timed(work) {
  const begin = performance.now()
  const result = await work()
  return [result, performance.now() - begin]
}

module.exports = { useHanging, timed }
