'use strict'

/**
 * Where the face keeps its own state on the application's objects.
 */

module.exports = {
  /** On a session: the number by which the addon knows it. */
  kNumber: Symbol('number'),
  /** On a session: the object that holds its live attributes. */
  kLive: Symbol('live'),
  /** On a session: the cookie's name. */
  kName: Symbol('name'),
  /** On a session: its engine. */
  kEngine: Symbol('engine'),
  /** On a session: `undefined`, or the handler of the application's own that stores it. */
  kHandler: Symbol('handler'),
  /** On a session: whether the response's head has left, with its id. */
  kHeadSent: Symbol('headSent'),
  /** On a session: how far it has come; see `lib/store/Store.js`. */
  kStage: Symbol('stage'),
  /** On a session: who waits for it to be loaded; `undefined` while it is not being loaded. */
  kWaiting: Symbol('waiting'),
  /** On a session: the encrypter of the application's own, or `undefined`. */
  kEncrypter: Symbol('encrypter'),
  /** On a session: gives the object whose payload hooks have to be called, or `undefined`. */
  kCodec: Symbol('codec'),
  /** On a response, and on a connection: the sessions of the (latest) request. */
  kVisits: Symbol('visits'),
}
