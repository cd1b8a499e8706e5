'use strict'

/*
 * What an SQL server is reached with and what it refuses, whichever it is: sessions are kept over a connection, or each request is
 * told why not. Each server's own ways are in its own file.
 */

const { ours } = require('./packages')
const { open } = require('./servers')
const { freshId } = require('./cookies')

const PASSWORD = 'hidden-4711 "\\ß'

const freshTable = () => `t${freshId().replace(/\W/g, '').slice(0, 12)}`

/** Trials of connections to a server of the test's own; `database()` gives it, once it runs. */
function trialsOf(database) {
  /** Opens a site on the server, and makes a visit that stores something; gives what was reported. `fields` may be a URL. */
  async function tried(fields, options) {
    const connection = typeof fields === 'string' ? fields : database().connection({ user: 'app', password: PASSWORD, ...fields })
    const site = await open(ours, { driver: 'database', connection, table: freshTable(), ...options })
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const user = (await site.visit(agent, (session) => session.get('user'))).value
    await site.nodeSession.close()
    return { user, errors: site.errors, said: site.errors.map((error) => `${error.message}: ${error.cause?.message}`).join('\n') }
  }

  const works = async (fields, options) => expect(await tried(fields, options)).toMatchObject({ user: 'bob', errors: [] })

  async function fails(fields, text, code) {
    const { user, errors, said } = await tried(fields)
    expect(user).toBeUndefined()
    expect(errors[0].code).toMatch(/^ERR_SESSION_(READ|WRITE)$/)
    expect(said).toMatch(text)
    if (code) expect(errors[0].cause.code).toBe(code)
    expect(said).not.toMatch(/hidden/)
  }

  return { tried, works, fails }
}

/** Tests of a server whose user `safe` has to come by TLS; `pem(name)` gives the text of a certificate or a key. */
function verifies({ works, fails }, pem) {
  test('is reached with its certificate, by its address or its name', async () => {
    await works({ user: 'safe', ssl: { ca: pem('ca') } })
    await works({ user: 'safe', ssl: { ca: [Buffer.from(pem('ca'))], servername: 'localhost' } })
  })

  test('is refused when nobody we trust has signed its certificate, or it is another name\'s', async () => {
    await fails({ ssl: true }, /UnknownIssuer/)
    await fails({ ssl: { ca: pem('ca'), servername: 'db.example' } }, /not valid for name/)
  })

  test('is reached without a proof where that is asked for', async () => {
    await works({ user: 'safe', ssl: { rejectUnauthorized: false } })
  })
}

module.exports = { PASSWORD, trialsOf, verifies }
