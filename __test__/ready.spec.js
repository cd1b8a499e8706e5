'use strict'

/*
 * `ready()` tells whether the storage answers (requirement 114).
 */

const { spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { SECRET } = require('./support/cookies')
const { tempDir } = require('./support/cleanup')

/** Saves a session below something that is no folder. */
const REFUSED = `
  const NodeSession = require(process.argv[1])
  const sessions = new NodeSession({ secret: '${SECRET}', files: process.execPath + '/sessions' })
  const request = { headers: {}, socket: {} }
  const response = new (require('http').ServerResponse)(request)
  sessions.startSession(request, response, () => response.end())
`

const make = (options) => new ours.NodeSession({ secret: SECRET, ...options })

describeOurs('ready', () => {
  test.each(['memory', 'file', 'database'])('is fulfilled where the %s driver answers', async (driver) => {
    const sessions = make({ driver, files: path.join(tempDir(), 'sessions') })
    await expect(sessions.ready()).resolves.toBeUndefined()
    await expect(sessions.ready()).resolves.toBeUndefined()
  })

  test('is rejected with what a request would be told, and fulfilled when the storage is back', async () => {
    const filename = path.join(tempDir(), 'sessions.sqlite')
    fs.writeFileSync(filename, 'this is no database, and as long as a page has to be '.repeat(100))
    const sessions = make({ driver: 'database', connection: { adapter: 'sqlite', filename } })
    await expect(sessions.ready()).rejects.toMatchObject({ code: 'ERR_SESSION_READ' })
    fs.unlinkSync(filename)
    await expect(sessions.ready()).resolves.toBeUndefined()
  })

  test('is rejected where there is no driver of that name', async () => {
    await expect(make({ driver: 'canary' }).ready()).rejects.toMatchObject({ message: 'Driver canary not supported.' })
  })

  test('asks the handler that the application registered', async () => {
    const sessions = make({ driver: 'own' })
    let answer = new Error('not yet')
    const handler = { read: (id, callback) => callback(answer), write() {}, destroy() {}, gc() {} }
    const manager = sessions.__manager
    manager.registerHandler('own', (config, callback) => callback(manager.__buildSession(handler)))
    await expect(sessions.ready()).rejects.toThrow('not yet')
    answer = ''
    await expect(sessions.ready()).resolves.toBeUndefined()
  })
})

describeOurs('a storage that refuses, and that nobody listens for', () => {
  test('is warned of with its own words', async () => {
    const child = spawnSync(process.execPath, ['-e', REFUSED, path.join(__dirname, '..')], { encoding: 'utf8' })
    expect(child.stderr).toContain('SessionWarning: cannot write a session file in ')
    expect(child.stderr).toContain('Not a directory')
    expect(child.status).toBe(0)
  })
})
