'use strict'

/**
 * The course of one session: made, loaded, saved, ended. What `req.session`'s methods and `startSession` share.
 */

const native = require('./native')
const { kNumber, kLive, kEngine, kHandler, kHeadSent, kStage, kCodec } = require('./symbols')

/** How far a session has come. */
const STAGE = { NEW: 0, LOADING: 1, STARTED: 2, SAVED: 3, ENDED: 4 }

/** Gives up the native half of sessions that nobody holds any more. */
const abandoned = new FinalizationRegistry((number) => native.forgetSession(number))

/**
 * A session that the engine has opened, made without the work of `new Store`, whose prototype it has.
 *
 * @private
 */
function Opened(engine, number, name, live) {
  this[kNumber] = number
  this[kLive] = live
  this[kEngine] = engine
  this[kHandler] = undefined
  this[kStage] = STAGE.NEW
  this[kHeadSent] = false
  this.__name = name
  this.__waiting = undefined
}

/**
 * Makes `store` a session of an engine.
 *
 * @private
 */
function init(store, engine, number, name, handler) {
  Opened.call(store, engine, number, name, {})
  store[kHandler] = handler
}

/**
 * Lets the native half of a session live as long as the session is held. Costs more than a request's session should, so
 * the sessions of responses that end are given up by the engine instead.
 *
 * @private
 */
function keepUntilCollected(store) {
  abandoned.register(store, store[kNumber])
}

/**
 * The number for a read. A session that is read after its response has ended stays readable as long as it is held.
 *
 * @private
 */
function number(store) {
  if (store[kStage] === STAGE.ENDED) {
    store[kStage] = STAGE.SAVED
    native.pinSession(store[kNumber])
    keepUntilCollected(store)
  }
  return store[kNumber]
}

/**
 * Completes a load whose reply is on its way.
 *
 * @private
 * @param {Store} store
 * @param {unknown} reply of the addon
 * @param {(report?: object) => void} done
 */
function awaitLoad(store, reply, done) {
  store[kStage] = STAGE.LOADING
  store.__waiting = []
  store[kEngine].wait(reply, (report) => {
    native.settleSession(store[kNumber], store[kLive])
    store[kStage] = STAGE.STARTED
    const waiting = store.__waiting
    store.__waiting = undefined
    done(report)
    for (const next of waiting) next()
  })
}

/**
 * Runs `next` as soon as the session is not being loaded.
 *
 * @private
 */
function whenLoaded(store, next) {
  if (store.__waiting === undefined) next()
  else store.__waiting.push(next)
}

/**
 * Loads a session from where it is stored.
 *
 * @private
 */
function load(store, done) {
  whenLoaded(store, () => {
    awaitLoad(store, native.loadSession(store[kNumber], store[kHandler], store[kCodec]()), done)
  })
}

/**
 * Saves a session once it is loaded.
 *
 * @private
 * @param {Store} store
 * @param {boolean} last whether the response ends
 * @param {(report?: object) => void} done
 */
function saveNow(store, last, done) {
  if (store.__waiting !== undefined) {
    store.__waiting.push(() => saveNow(store, last, done))
    return
  }
  const reply = native.saveSession(store[kNumber], store[kLive], last, store[kHandler], store[kCodec]())
  store[kStage] = last ? STAGE.ENDED : STAGE.SAVED
  store[kEngine].wait(reply, done)
}

module.exports = { STAGE, Opened, init, keepUntilCollected, number, awaitLoad, whenLoaded, load, saveNow }
