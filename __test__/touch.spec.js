'use strict'

/*
 * How a handler learns that a session is still in use, and how old a session has to be before it is removed.
 */

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { MapHandler, useHandler } = require('./support/handlers')
const { freshId } = require('./support/cookies')

const STORED = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'

class TouchHandler extends MapHandler {
  touch(id, payload, callback) {
    this.calls.push(['touch', id, payload])
    process.nextTick(callback, this.fault)
  }
}

/** A class with a method of that name that is something else. */
class OtherHandler extends MapHandler {
  touch(id) {
    throw new Error(`this is for files like ${id}`)
  }
}

async function siteOver(Handler, config) {
  const handler = new Handler()
  const site = await open(ours, { driver: 'custom', ...config })
  useHandler(site, () => handler)
  const id = freshId()
  handler.map.set(id, STORED)
  return { site, handler, agent: site.agentFor(id), id }
}

const asked = (handler) => handler.calls.map(([method]) => method).filter((method) => method !== 'setExists')

describeOurs('a request that changes nothing', () => {
  test('is recorded by the touch of a handler that has one, without a write', async () => {
    const { site, handler, agent, id } = await siteOver(TouchHandler)
    await site.visit(agent)
    expect(asked(handler)).toEqual(['read', 'read', 'touch'])
    expect(handler.calls.at(-1)).toEqual(['touch', id, STORED])
    await site.visit(agent)
    expect(asked(handler)).toEqual(['read', 'read', 'touch', 'read'])
  })

  test('is recorded by a write where touch is missing, or is something else', async () => {
    for (const Handler of [MapHandler, OtherHandler]) {
      const { site, handler, agent, id } = await siteOver(Handler)
      await site.visit(agent)
      expect(asked(handler)).toEqual(['read', 'read', 'write'])
      expect(handler.map.get(id)).toBe(STORED)
      expect(site.errors).toEqual([])
    }
  })

  test('reports a touch that failed', async () => {
    const { site, handler, agent } = await siteOver(TouchHandler)
    handler.fault = new Error('no')
    await site.visit(agent)
    expect(site.errors.map((error) => [error.code, error.cause.message])).toEqual([['ERR_SESSION_WRITE', 'no']])
  })

  test('of a session that is not there any more is none to touch', async () => {
    const { site, handler, agent, id } = await siteOver(TouchHandler)
    await site.visit(agent, () => handler.map.delete(id))
    expect(asked(handler)).toEqual(['read', 'read'])
    expect(handler.map.size).toBe(0)
  })
})

describeOurs('gc of a handler', () => {
  test('leaves the sessions of cookies that last until the browser closes a day', async () => {
    const { site, handler, agent } = await siteOver(MapHandler, { lifetime: 0, lottery: [1, 1] })
    await site.visit(agent)
    expect(handler.calls.filter(([method]) => method === 'gc')).toEqual([['gc', 24 * 60 * 60 * 1000]])
  })
})
