'use strict'

/*
 * A PostgreSQL server of the test's own that fails: what every SQL server can do, and what only this one can.
 */

const { describeOurs } = require('../support/packages')
const { Postgres, describePostgres } = require('../support/postgres')
const { APP, describeFailures, inTime, heals } = require('../support/failing-servers')
const { ready } = require('../support/spawned')

jest.setTimeout(60000)

const describeBoth = describeOurs === describe ? describePostgres : describe.skip

describeBoth('a PostgreSQL server', () => {
  let database

  beforeAll(async () => {
    database = await Postgres.start()
    for (const { user, password } of [APP, { user: 'crowd', password: 'crowd' }]) {
      await database.sql(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'`)
    }
    await database.sql('ALTER DATABASE test OWNER TO app')
    await database.sql('ALTER SCHEMA public OWNER TO app')
  })

  describeFailures(() => database, ({ known }) => {
    test('all connections, since others have taken them', async () => {
      const { server, agent, id } = await known()
      const others = []
      const limit = Number((await database.sql('SHOW max_connections'))[0].max_connections)
      await database.limit(APP.user, 0)
      await database.cut(APP.user)
      const refused = await (async () => {
        while (others.length < limit) others.push(await database.open({ user: 'crowd', password: 'crowd' }))
      })().catch((error) => error.code)
      expect(refused).toBe('53300')
      for (let visit = 0; visit < 4; visit += 1) {
        const { found, cookies } = await inTime(server, agent)
        expect([found.error, cookies]).toEqual(['ERR_SESSION_READ', []])
      }
      await Promise.all(others.map((other) => other.end()))
      await ready(() => database.limit(APP.user).then(() => true))
      await heals(server, agent, id)
    })
  })
})
