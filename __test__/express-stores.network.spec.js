'use strict'

/*
 * Stores that were made for express-session, when the network to their servers goes and comes back: every request is answered in
 * time, the process lives, and nobody is logged out.
 */

const { ours, describeOurs } = require('./support/packages')
const { open } = require('./support/servers')
const { isThere, remote } = require('./support/express-stores')
const { ready } = require('./support/spawned')
const { timed } = require('./support/hanging')

const LIMIT = 500
/** What a loaded machine may add to a time limit. Units: milliseconds. */
const SLACK = 1500
const FAILED = /^ERR_SESSION_(READ|WRITE|TIMEOUT)$/

jest.setTimeout(30000)

describeOurs.each(remote)('the network of %s', (name, make) => {
  let isSkipped
  const there = (title, work) => test(title, async () => {
    isSkipped ??= !(await isThere(name, make))
    if (isSkipped) return
    const { store, proxy } = await make()
    const site = await open(ours, { driver: undefined, store, readTimeout: LIMIT, saveTimeout: LIMIT })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    await work({ site, agent, proxy })
  })
  const user = async (site, agent) => (await site.visit(agent, (session) => session.get('user'))).value

  there('loses everything: each request ends in time, and the visitor is known again when it is back', async ({ site, agent, proxy }) => {
    proxy.silence(true)
    for (let i = 0; i < 3; i += 1) {
      const [{ started, setCookies }, took] = await timed(() => site.visit(agent))
      expect([started[0].code, setCookies]).toEqual([expect.stringMatching(FAILED), []])
      expect(took).toBeLessThan(2 * LIMIT + SLACK)
    }
    const fresh = await site.visit(site.agent(), (session) => session.put('user', 'ann'))
    expect([fresh.status, fresh.setCookies]).toEqual([200, []])
    expect(site.errors.map((error) => error.code)).toEqual([expect.stringMatching(FAILED)])
    proxy.silence(false)
    await ready(async () => await user(site, agent) === 'bob')
  })

  there('is cut in the middle of a save: it is reported or done, and the session is whole', async ({ site, agent, proxy }) => {
    for (let i = 0; i < 5; i += 1) {
      const reported = site.errors.length
      await ready(async () => await user(site, agent) !== undefined)
      await site.visit(agent, (session) => {
        session.put('user', `bob${i}`)
        proxy.cutAfter(10 * i)
      })
      await ready(async () => await user(site, agent) !== undefined)
      const stored = await user(site, agent)
      if (site.errors.length === reported) expect(stored).toBe(`bob${i}`)
      else expect(stored).toMatch(/^bob\d?$/)
    }
  })
})
