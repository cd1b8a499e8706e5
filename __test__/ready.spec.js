'use strict'

/*
 * `ready()` tells whether the storage answers (requirement 114).
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { SECRET } = require('./support/cookies')
const { tempDir } = require('./support/cleanup')

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
