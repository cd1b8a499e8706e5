'use strict'

/*
 * How a PostgreSQL server is reached: by TCP and TLS, by a socket, by a URL; and what is told when it is not.
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('../support/packages')
const { Postgres, describePostgres } = require('../support/postgres')
const { PASSWORD, trialsOf, verifies } = require('../support/reached-servers')
const { makeCertificates, makeSelfSigned } = require('../support/certificates')
const { ready } = require('../support/spawned')

jest.setTimeout(60000)

let database
let files

const pem = (name) => fs.readFileSync(files[name], 'utf8')
const trials = trialsOf(() => database)
const { tried, works, fails } = trials

const describeBoth = describeOurs === describe ? describePostgres : describe.skip

describeBoth('a PostgreSQL server with TLS of an authority of its own', () => {
  beforeAll(async () => {
    files = makeCertificates()
    files.other = path.join(path.dirname(files.ca), 'ca.key')
    database = await Postgres.start()
    for (const name of ['ca', 'cert', 'key']) database.keep(`${name}.pem`, pem(name))
    database.configure('ssl=on', "ssl_cert_file='cert.pem'", "ssl_key_file='key.pem'", "ssl_ca_file='ca.pem'")
    await database.end('SIGINT')
    await database.begin()
    for (const name of ['app', 'safe', 'localhost']) {
      await database.sql(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`)
      await database.sql(`GRANT ALL ON SCHEMA public TO ${name}`)
    }
  })

  verifies(trials, pem)

  test('refuses who comes without TLS or without a certificate', async () => {
    await fails({ user: 'safe' }, /no pg_hba.conf entry/, '28000')
    await fails({ user: 'localhost', ssl: { ca: pem('ca') } }, /certificate/)
    await works({ user: 'localhost', ssl: { ca: pem('ca'), cert: pem('cert'), key: pem('key') } })
  })

  test('is reached by a socket and by a URL', async () => {
    await works({ host: undefined, socketPath: database.dir })
    await works({ host: database.dir, password: undefined })
    const url = `postgres://app:${encodeURIComponent(PASSWORD)}@127.0.0.1:${database.port}/test`
    await works({ url, host: undefined, port: undefined, user: undefined, password: undefined, database: undefined, adapter: undefined })
    await works({ adapter: 'sails-postgresql', schema: true })
  })

  test('tells why it refuses a password or a database, and the password is not told', async () => {
    await fails({ password: 'hidden-other' }, /password authentication failed for user "app"/, '28P01')
    await fails({ database: 'nowhere' }, /database "nowhere" does not exist/, '3D000')
    await fails({ password: undefined }, /password/)
  })

  test('tells that a user may make no table, and uses one that is there', async () => {
    await database.sql(`CREATE ROLE crowd LOGIN PASSWORD '${PASSWORD}'`)
    await database.sql('REVOKE CREATE ON SCHEMA public FROM public')
    await fails({ user: 'crowd' }, /permission denied for schema public/, '42501')
  })

  test('is reached with the certificate that it signed for itself, for its own names, and for nobody else', async () => {
    const read = ({ cert, key }) => [cert, key].map((file) => fs.readFileSync(file, 'utf8'))
    for (const isAuthority of [true, false]) {
      const [[own, key], [other]] = [read(makeSelfSigned({ isAuthority })), read(makeSelfSigned({ isAuthority }))]
      database.keep('cert.pem', own)
      database.keep('key.pem', key)
      await database.sql('SELECT pg_reload_conf()')
      await ready(async () => (await tried({ user: 'safe', ssl: { ca: own } })).user === 'bob')
      await works({ user: 'safe', ssl: { ca: [pem('ca'), own], servername: 'localhost' } })
      await fails({ user: 'safe', ssl: { ca: own, servername: 'db.example' } }, /not valid for name/)
      await fails({ user: 'safe', ssl: { ca: [other, pem('ca')] } }, /invalid peer certificate/)
      await fails({ user: 'safe', ssl: true }, /invalid peer certificate/)
    }
  })

  test('is asked for nothing with certificates that cannot be read: the constructor says which', () => {
    const made = (ssl) => () => new ours.NodeSession({ secret: 'x'.repeat(32), driver: 'database', connection: database.connection({ ssl }) })
    const broken = '-----BEGIN CERTIFICATE-----\naGlkZGVu\n-----END CERTIFICATE-----\n'
    expect(made({ ca: broken })).toThrow(expect.objectContaining({ code: 'ERR_SESSION_CONFIG', message: expect.stringMatching(/connection\.ssl\.ca/) }))
    expect(made({ ca: broken, rejectUnauthorized: false })).toThrow(/connection\.ssl\.ca/)
    expect(made({ cert: pem('cert'), key: pem('other') })).toThrow(/connection\.ssl\.key/)
    expect(made({ cert: pem('cert'), key: pem('key') })).not.toThrow()
  })
})
