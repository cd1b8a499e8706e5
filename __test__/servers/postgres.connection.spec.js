'use strict'

/*
 * How a PostgreSQL server is reached: by TCP and TLS, by a socket, by a URL; and what is told when it is not.
 */

const { spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('../support/packages')
const { Postgres, describePostgres } = require('../support/postgres')
const { tempDir } = require('../support/cleanup')
const { open } = require('../support/servers')
const { freshId } = require('../support/cookies')

jest.setTimeout(60000)

const PASSWORD = 'hidden-4711 "\\ß'

let dir
let database

function openssl(...args) {
  const { status, stderr } = spawnSync('openssl', args, { cwd: dir, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** A certificate that the test's own authority has signed. */
function certify(name, ...extensions) {
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
  fs.writeFileSync(path.join(dir, `${name}.ext`), extensions.join('\n'))
  const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`]
  openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...by)
}

const pem = (name) => fs.readFileSync(path.join(dir, name), 'utf8')
const table = () => `t${freshId().replace(/\W/g, '').slice(0, 12)}`

/** Opens a site on the server, and makes a visit that stores something; gives what was reported. */
async function tried(fields) {
  const connection = database.connection({ user: 'app', password: PASSWORD, ...fields })
  const site = await open(ours, { driver: 'database', connection, table: table() })
  const agent = site.agent()
  await site.visit(agent, (session) => session.put('user', 'bob'))
  const user = (await site.visit(agent, (session) => session.get('user'))).value
  await site.nodeSession.close()
  return { user, errors: site.errors, said: site.errors.map((error) => `${error.message}: ${error.cause?.message}`).join('\n') }
}

const works = async (fields) => expect(await tried(fields)).toMatchObject({ user: 'bob', errors: [] })

async function fails(fields, text, code) {
  const { user, errors, said } = await tried(fields)
  expect(user).toBeUndefined()
  expect(errors[0].code).toMatch(/^ERR_SESSION_(READ|WRITE)$/)
  expect(said).toMatch(text)
  if (code) expect(errors[0].cause.code).toBe(code)
  expect(said).not.toMatch(/hidden/)
}

const describeBoth = describeOurs === describe ? describePostgres : describe.skip

function certifyAll() {
  dir = tempDir()
  fs.chmodSync(dir, 0o755)
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Own CA')
  certify('server', 'subjectAltName=IP:127.0.0.1,DNS:db.internal')
  certify('certified', 'extendedKeyUsage=clientAuth')
}

describeBoth('a PostgreSQL server with TLS of an authority of its own', () => {
  beforeAll(async () => {
    certifyAll()
    database = await Postgres.start()
    database.keep('server.key', pem('server.key'))
    for (const name of ['server.pem', 'ca.pem']) database.keep(name, pem(name))
    database.configure('ssl=on', "ssl_cert_file='server.pem'", "ssl_key_file='server.key'", "ssl_ca_file='ca.pem'")
    await database.end('SIGINT')
    await database.begin()
    for (const name of ['app', 'safe', 'certified']) {
      await database.sql(`CREATE ROLE ${name} LOGIN PASSWORD '${PASSWORD}'`)
      await database.sql(`GRANT ALL ON SCHEMA public TO ${name}`)
    }
  })

  test('is reached with its certificate, by its address or its name', async () => {
    await works({ user: 'safe', ssl: { ca: pem('ca.pem') } })
    await works({ user: 'safe', ssl: { ca: [Buffer.from(pem('ca.pem'))], servername: 'db.internal' } })
  })

  test('is refused when nobody we trust has signed its certificate, or it is another name\'s', async () => {
    await fails({ ssl: true }, /UnknownIssuer/)
    await fails({ ssl: { ca: pem('ca.pem'), servername: 'db.example' } }, /not valid for name/)
  })

  test('is reached without a proof where that is asked for', async () => {
    await works({ user: 'safe', ssl: { rejectUnauthorized: false } })
  })

  test('refuses who comes without TLS or without a certificate', async () => {
    await fails({ user: 'safe' }, /no pg_hba.conf entry/, '28000')
    await fails({ user: 'certified', ssl: { ca: pem('ca.pem') } }, /certificate/)
    await works({ user: 'certified', ssl: { ca: pem('ca.pem'), cert: pem('certified.pem'), key: pem('certified.key') } })
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

  test('is asked for nothing with certificates that cannot be read: the constructor says which', () => {
    const made = (ssl) => () => new ours.NodeSession({ secret: 'x'.repeat(32), driver: 'database', connection: database.connection({ ssl }) })
    const broken = '-----BEGIN CERTIFICATE-----\naGlkZGVu\n-----END CERTIFICATE-----\n'
    expect(made({ ca: broken })).toThrow(expect.objectContaining({ code: 'ERR_SESSION_CONFIG', message: expect.stringMatching(/connection\.ssl\.ca/) }))
    expect(made({ cert: pem('certified.pem'), key: pem('server.key') })).toThrow(/connection\.ssl\.key/)
    expect(made({ cert: pem('certified.pem'), key: pem('certified.key') })).not.toThrow()
  })
})
