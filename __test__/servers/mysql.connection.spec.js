'use strict'

/*
 * How a MySQL (MariaDB) server is reached: by TCP and TLS, by a socket, by any of its ways to log in; and what is told when it is not.
 */

const fs = require('fs')
const path = require('path')

const { ours, describeOurs } = require('../support/packages')
const { MariaDB, describeMariaDB } = require('../support/mariadb')
const { PASSWORD, trialsOf, verifies } = require('../support/reached-servers')
const { makeCertificates, makeSelfSigned } = require('../support/certificates')
const { open } = require('../support/servers')

jest.setTimeout(60000)

let database
let files

const pem = (name) => fs.readFileSync(files[name], 'utf8')
const trials = trialsOf(() => database)
const { works, fails } = trials

const describeBoth = describeOurs === describe ? describeMariaDB : describe.skip

describeBoth('a MySQL server with TLS of an authority of its own', () => {
  beforeAll(async () => {
    files = makeCertificates()
    // The server runs as another user.
    fs.chmodSync(path.dirname(files.key), 0o755)
    fs.chmodSync(files.key, 0o644)
    const tls = Object.entries(files).map(([what, file]) => `--ssl-${what}=${file}`)
    database = await MariaDB.start(...tls, '--max-allowed-packet=65536')
    const plugin = await database.sql("INSTALL SONAME 'auth_ed25519'").then(() => 'ed25519', () => undefined)
    const users = { app: '', safe: ' REQUIRE SSL', certified: ' REQUIRE X509' }
    for (const [name, requires] of Object.entries(users)) {
      await database.sql(`CREATE USER '${name}'@'%' IDENTIFIED BY ?${requires}`, [PASSWORD])
    }
    await database.sql(`CREATE USER 'edward'@'%' IDENTIFIED ${plugin ? 'VIA ed25519 USING PASSWORD(?)' : 'BY ?'}`, [PASSWORD])
    for (const name of [...Object.keys(users), 'edward']) await database.sql(`GRANT ALL ON test.* TO '${name}'@'%'`)
  })

  verifies(trials, pem)

  test('refuses who comes without TLS or without a certificate', async () => {
    await fails({ user: 'safe' }, /Access denied/, 'ER_ACCESS_DENIED_ERROR')
    await fails({ user: 'certified', ssl: { ca: pem('ca') } }, /Access denied/, 'ER_ACCESS_DENIED_ERROR')
    await works({ user: 'certified', ssl: { ca: pem('ca'), cert: pem('cert'), key: pem('key') } })
  })

  test('is reached with the certificate that it signed for itself, unless that is an authority\'s', async () => {
    const kept = ['cert', 'key'].map((name) => [files[name], pem(name)])
    try {
      for (const isAuthority of [false, true]) {
        const own = makeSelfSigned({ isAuthority })
        for (const name of ['cert', 'key']) fs.writeFileSync(files[name], fs.readFileSync(own[name]))
        await database.sql('FLUSH SSL')
        const ca = pem('cert')
        if (isAuthority) await fails({ user: 'safe', ssl: { ca } }, /CaUsedAsEndEntity/)
        else await works({ user: 'safe', ssl: { ca } })
        await fails({ user: 'safe', ssl: { ca, servername: 'db.example' } }, isAuthority ? /CaUsedAsEndEntity/ : /not valid for name/)
      }
    } finally {
      for (const [file, text] of kept) fs.writeFileSync(file, text)
      await database.sql('FLUSH SSL')
    }
  })

  test('is reached by a socket, by a URL, and with a password that ed25519 proves', async () => {
    await works({ host: undefined, port: undefined, socketPath: database.socket })
    const { port } = database
    await works(`mysql://app:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/test`)
    await works({ user: 'edward' })
    await works({ adapter: 'sails-mysql', pool: true })
  })

  test('tells why it refuses a password, a database or a table, and the password is not told', async () => {
    await fails({ password: 'hidden-other' }, /Access denied for user 'app'/, 'ER_ACCESS_DENIED_ERROR')
    await fails({ database: 'nowhere' }, /nowhere/)
    await database.sql("CREATE USER 'reader'@'%' IDENTIFIED BY ?", [PASSWORD])
    await database.sql("GRANT SELECT ON test.* TO 'reader'@'%'")
    await fails({ user: 'reader' }, /denied to user 'reader'/, 'ER_TABLEACCESS_DENIED_ERROR')
  })

  test('tells that a session is longer than its max_allowed_packet, and keeps what it had', async () => {
    const site = await open(ours, { driver: 'database', connection: database.connection({ user: 'app', password: PASSWORD }), table: 'packets' })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    await site.visit(agent, (session) => session.put('long', 'secret'.repeat(20000)))
    const [error] = site.errors
    expect([error.code, error.cause.code]).toEqual(['ERR_SESSION_WRITE', 'ER_NET_PACKET_TOO_LARGE'])
    expect(error.cause.message).toMatch(/max_allowed_packet is 65536/)
    expect(error.cause.message).not.toMatch(/secret/)
    expect((await site.visit(agent, (session) => [session.get('user'), session.has('long')])).value).toEqual(['bob', false])
    // Another process may have a longer one stored.
    await site.visit(agent, (session) => session.put('half', 'x'.repeat(50000)))
    expect((await site.visit(agent, (session) => session.get('half').length)).value).toBe(50000)
    await site.nodeSession.close()
  })

  test('stores sessions when it logs statements too', async () => {
    await database.end(database.politely)
    database.program.command.push('--log-bin=log', '--binlog-format=STATEMENT', '--server-id=1')
    await database.begin()
    await works()
  })
})
