'use strict'

/*
 * What the tour of panics.child.js does with records that no session of ours opens.
 */

const Store = require('../../express-session')
const { Records } = require('../../lib/express-session/records')
const { Engine } = require('../../lib/engine')

/** A store for express-session, and what is moved to another storage. */
async function useRecords(own, { attempt, within, take }) {
  const store = attempt('new Store', () => new Store(own))
  if (store === undefined) return
  store.on('corrupt', (error) => take(error, 'event corrupt'))
  const session = (ms) => ({ cookie: { expires: new Date(Date.now() + ms) } })
  const calls = {
    set: (done) => store.set('a', session(60000), done),
    get: (done) => store.get('a', done),
    touch: (done) => store.touch('a', session(90000), done),
    'touch that cuts short': (done) => store.touch('a', session(30000), done),
    all: (done) => store.all(done),
    load: (done) => store.load('a', done),
    destroy: (done) => store.destroy('a', done),
    clear: (done) => store.clear(done),
  }
  for (const [name, call] of Object.entries(calls)) await within(name, (done) => call((error) => done(take(error, name))))
  await within('close a store', (done) => store.close().then(done))
  const records = attempt('new Engine', () => new Records(new Engine(own)))
  if (records === undefined) return
  const id = 'B'.repeat(40)
  for (const [method, ...more] of [['carry', '{}', 5], ['carryOver', '{}', 6], ['takeAlong'], ['remove']]) {
    const done = records.keep(method, id, ...more)
    await within(method, (end) => done.then(end, (error) => end(take(error, method))))
  }
}

module.exports = { useRecords }
