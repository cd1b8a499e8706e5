'use strict'

/*
 * Watches what an attack would change: the prototypes and globals of Jest's realm and of Node's own, where the addon lives.
 */

const vm = require('vm')

const LOOK = `(() => {
  const own = (value) => Reflect.ownKeys(value).map(String).sort();
  const prototypes = [Object, Array, Function, String, Number, Boolean, Symbol, Error, Date, RegExp, Map, Set, Promise];
  return JSON.stringify([...prototypes.map((type) => own(type.prototype)), own(globalThis)]);
})()`

/** A text that differs when any builtin prototype or global has gained, lost or renamed a member. */
function fingerprint() {
  // eslint-disable-next-line no-eval -- the other realm's global object is what has to be looked at
  return `${vm.runInThisContext(LOOK)}\n${(0, eval)(LOOK)}\n${process.exitCode}\n${Object.keys(process.env).length}`
}

module.exports = { fingerprint }
