'use strict'

/**
 * The course of one session: made, loaded, saved, ended. What `req.session`'s methods and `startSession` share.
 */

const native = require('./native')
const { kCodec, kEngine, kHandler, kHeadSent, kLive, kName, kNumber, kStage, kWaiting } = require('./symbols')

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
  this[kName] = name
  this[kWaiting] = undefined
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
 * Begins the time in which a session is being loaded.
 *
 * @private
 */
function loading(store) {
  store[kStage] = STAGE.LOADING
  store[kWaiting] = []
}

/**
 * Lets a load that has ended count.
 *
 * @private
 * @param {Store} store
 * @param {(report?: object) => void} done
 */
function loaded(store, done) {
  const report = native.settleSession(store[kNumber], store[kLive])
  store[kStage] = STAGE.STARTED
  const waiting = store[kWaiting]
  store[kWaiting] = undefined
  done(report)
  if (waiting !== undefined) for (const next of waiting) next()
}

/**
 * Runs `next` as soon as the session is not being loaded.
 *
 * @private
 */
function whenLoaded(store, next) {
  if (store[kWaiting] === undefined) next()
  else store[kWaiting].push(next)
}

/**
 * Loads a session from where it is stored.
 *
 * @private
 */
function load(store, done) {
  whenLoaded(store, () => {
    loading(store)
    const reply = native.loadSession(store[kNumber], store[kHandler], store[kCodec]())
    store[kEngine].wait(reply, () => loaded(store, done))
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
  if (store[kWaiting] !== undefined) {
    store[kWaiting].push(() => saveNow(store, last, done))
    return
  }
  const reply = native.saveSession(store[kNumber], store[kLive], last, store[kHandler], store[kCodec]())
  store[kStage] = last ? STAGE.ENDED : STAGE.SAVED
  store[kEngine].wait(reply, (report) => {
    done(report)
    if (last && store[kStage] === STAGE.ENDED) native.retireSession(store[kNumber])
  })
}

module.exports = { STAGE, Opened, init, keepUntilCollected, number, loading, loaded, whenLoaded, load, saveNow }
