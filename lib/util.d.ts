import type NodeSession = require('../index')

declare const util: {
  /** Makes the missing parents of a dotted path: `'a.b.c'` gives `object` an `a` with a `b`. */
  defineMember(object: object, path: string): void

  /**
   * Turns a value of the option `trustProxy` into a function.
   * @throws {TypeError} `invalid IP address: …`
   */
  compileTrust(value?: NodeSession.Options['trustProxy']): NodeSession.TrustProxy
}

export = util
