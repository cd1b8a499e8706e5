'use strict'

/*
 * Callbacks of a session run in the asynchronous context in which they were given, whoever else waits for the same.
 */

const { AsyncLocalStorage } = require('async_hooks')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { listen } = require('./support/servers')
const { SECRET } = require('./support/cookies')

describeOurs('of callbacks that wait for one session, each runs in its own asynchronous context:', () => {
  const contexts = new AsyncLocalStorage()

  /** What the contexts were in which callbacks ran that `ask` gives to a session while it is being loaded. */
  async function seenBy(ask) {
    const sessions = ours.create({ secret: SECRET, driver: 'file', files: tempDir() })
    const seen = []
    const note = () => seen.push(contexts.getStore())
    const { agent } = await listen((req, res) => {
      contexts.run('first', () => sessions.startSession(req, res, note))
      contexts.run('second', () => ask(sessions, req, res, note))
      contexts.run('third', () => ask(sessions, req, res, () => {
        note()
        res.end('answer')
      }))
    })
    expect((await agent().request('/')).body).toBe('answer')
    return seen
  }

  test('those of further calls of startSession', async () => {
    expect(await seenBy((sessions, req, res, done) => sessions.startSession(req, res, done))).toEqual(['first', 'second', 'third'])
  })

  test('those of save', async () => {
    expect(await seenBy((sessions, req, res, done) => req.session.save(done))).toEqual(['first', 'second', 'third'])
  })
})
