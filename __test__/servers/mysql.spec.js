'use strict'

/*
 * A MySQL (MariaDB) server of the test's own that fails: what every SQL server can do, and what only this one can.
 */

const { describeOurs } = require('../support/packages')
const { MariaDB, describeMariaDB } = require('../support/mariadb')
const { APP, describeFailures, inTime, heals } = require('../support/failing-servers')
const { ready } = require('../support/spawned')

jest.setTimeout(60000)

const describeBoth = describeOurs === describe ? describeMariaDB : describe.skip

describeBoth('a MySQL server', () => {
  let database

  beforeAll(async () => {
    database = await MariaDB.start()
    await database.sql(`CREATE USER '${APP.user}'@'%' IDENTIFIED BY '${APP.password}'`)
    await database.sql(`GRANT ALL ON test.* TO '${APP.user}'@'%'`)
  })

  describeFailures(() => database, ({ known }) => {
    test('all connections, since others have taken them', async () => {
      const { server, agent, id } = await known()
      const before = (await database.sql('SELECT @@max_connections AS n'))[0].n
      await database.sql('SET GLOBAL max_connections = 10')
      const others = []
      try {
        await database.cut(APP.user)
        for (;;) others.push(await database.open(APP))
      } catch (error) {
        expect(error.code).toMatch(/CON_COUNT|ECONNRESET/)
      }
      const { found, cookies } = await inTime(server, agent)
      expect([found.error, cookies]).toEqual([expect.stringMatching(/^ERR_SESSION_(READ|TIMEOUT)$/), []])
      for (const other of others) other.destroy()
      await ready(() => database.sql(`SET GLOBAL max_connections = ${before}`))
      await heals(server, agent, id)
    })
  })
})
