'use strict'

/**
 * The course of one session: made, loaded, saved, ended. What `req.session`'s methods and `startSession` share.
 */

const { AsyncResource } = require('node:async_hooks')
const native = require('./native')
const { SessionError } = require('./errors')
const { kCodec, kEngine, kHandler, kHeadSent, kLive, kName, kNumber, kStage, kWaiting } = require('./symbols')

/** How far a session has come. */
const STAGE = { NEW: 0, LOADING: 1, STARTED: 2, SAVED: 3, ENDED: 4, RETIRED: 5, LINGERS: 6 }

/** When a session is saved: its id leaves with the head, the application asks, the response ends, or it ends right after. */
const MOMENT = { ANNOUNCED: 0, BY_HAND: 1, ENDED: 2, LAST: 3 }

/** Nobody waits for a session that is being loaded. One list for all of them: what is made per request is not made by literals. */
const NOBODY = Object.freeze([])

/** Gives up the native half of sessions that nobody holds any more. */
const abandoned = new FinalizationRegistry((number) => giveUp(native.forgetSession, number))

/**
 * Gives a session, or its lock, up in one of the addon's ways; nobody is there to be told that this failed.
 *
 * @private
 */
function giveUp(way, number) {
  try {
    way(number)
  } catch {
    // The session stays with the engine, for good.
  }
}

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
  if (store[kStage] >= STAGE.ENDED) {
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
  store[kWaiting] = NOBODY
}

/**
 * Lets a load that has ended count.
 *
 * @private
 * @param {Store} store
 * @param {(report?: object) => void} done
 */
function loaded(store, done) {
  const report = settle(store)
  store[kStage] = STAGE.STARTED
  const waiting = store[kWaiting]
  store[kWaiting] = undefined
  try {
    done(report)
  } finally {
    if (waiting !== undefined && waiting !== NOBODY) for (const next of waiting) next()
  }
}

function settle(store) {
  try {
    return native.settleSession(store[kNumber], store[kLive])
  } catch (error) {
    lose(store)
    return error
  }
}

/**
 * Makes a session that the engine could not open one that is empty, and never saved.
 *
 * @private
 */
function lose(store) {
  giveUp(native.forgetSession, store[kNumber])
  store[kNumber] = 0
}

/**
 * What there is to report of saving or ending a session that the engine could not open.
 *
 * @private
 * @returns {SessionError | undefined} `undefined` for any other session
 */
function lossOf(store) {
  if (store[kNumber] !== 0) return undefined
  return new SessionError('ERR_SESSION_INTERNAL', 'a session that could not be opened cannot be saved')
}

/**
 * Runs `next` as soon as the session is not being loaded, in the asynchronous context of who asks for that.
 *
 * @private
 */
function whenLoaded(store, next) {
  if (store[kWaiting] === undefined) {
    next()
    return
  }
  const inContext = AsyncResource.bind(next)
  if (store[kWaiting] === NOBODY) store[kWaiting] = [inContext]
  else store[kWaiting].push(inContext)
}

/**
 * Loads a session from where it is stored.
 *
 * @private
 */
function load(store, done) {
  whenLoaded(store, () => {
    loading(store)
    // What keeps the load from being begun is reported as a load that found nothing out.
    store[kEngine].begin(
      () => native.loadSession(store[kNumber], store[kHandler], store[kCodec]()),
      () => loaded(store, done)
    )
  })
}

/**
 * Saves a session once it is loaded.
 *
 * @private
 * @param {Store} store
 * @param {number} moment one of `MOMENT`
 * @param {(report?: object) => void} done
 */
function saveNow(store, moment, done) {
  if (store[kWaiting] !== undefined) {
    whenLoaded(store, () => saveNow(store, moment, done))
    return
  }
  if (store[kNumber] === 0) {
    // When it was opened the application was told.
    done(moment === MOMENT.ENDED ? undefined : lossOf(store))
    return
  }
  whenSaved(store, beginSave(store, moment), done)
}

/**
 * Begins the save of a session that is loaded.
 *
 * @private
 * @param {number} [cookieOf] the number of the engine whose cookie is wanted, where the head leaves right after the save
 * @returns {unknown} `undefined`, or that cookie, when it is saved, and with `MOMENT.LAST` retired, too; or else the reply for
 *   `whenSaved`
 */
function beginSave(store, moment, cookieOf) {
  let reply
  try {
    reply = native.saveSession(store[kNumber], store[kLive], moment, store[kHandler], store[kCodec](), cookieOf)
  } catch (error) {
    reply = error
  }
  if (moment < MOMENT.ENDED) store[kStage] = STAGE.SAVED
  else store[kStage] = moment === MOMENT.LAST && isSaved(reply) ? STAGE.RETIRED : STAGE.ENDED
  return reply
}

/**
 * Whether a save is over, with nothing to tell but perhaps a cookie.
 *
 * @private
 */
function isSaved(reply) {
  return reply === undefined || typeof reply === 'string'
}

/**
 * Waits for a save that has been begun.
 *
 * @private
 */
function whenSaved(store, reply, done) {
  if (reply === undefined) done(undefined)
  else store[kEngine].wait(reply, done)
}

/**
 * The session's response has been ended and saved, and has all left: it is given up when enough others are, too.
 *
 * @private
 */
function retire(store) {
  if (store[kStage] !== STAGE.ENDED && store[kStage] !== STAGE.LINGERS) return
  store[kStage] = STAGE.RETIRED
  giveUp(native.retireSession, store[kNumber])
}

/**
 * The same, but not all of the response has left: the session is kept for whoever hears of its `finish`, until `retire`.
 *
 * @private
 */
function linger(store) {
  if (store[kStage] === STAGE.RETIRED) giveUp(native.pinSession, store[kNumber])
  if (store[kStage] >= STAGE.ENDED) store[kStage] = STAGE.LINGERS
}

module.exports = {
  MOMENT,
  STAGE,
  Opened,
  beginSave,
  init,
  isSaved,
  giveUp,
  keepUntilCollected,
  linger,
  load,
  loaded,
  loading,
  lose,
  lossOf,
  number,
  retire,
  saveNow,
  whenLoaded,
  whenSaved,
}
