'use strict'

/*
 * Drives every driver through faults with a secret, ids and payloads that are easy to find, and prints whatever an application
 * or an operator could get to see: errors with their causes and stacks, warnings, events, and what util.inspect and JSON make of every
 * object. What is printed is searched by requirements.canary.spec.js.
 *
 * node canary.child.js ENTRY FOLDER
 */

const fs = require('fs')
const http = require('http')
const path = require('path')
const util = require('util')
const crypto = require('crypto')

const [, , entry, folder] = process.argv
const NodeSession = require(entry)
const root = path.dirname(entry)

const SECRET = 'canary-secret-Zq7Xw9Lk3Vb5Nm1Pq0Rt'
const OLD_SECRET = 'canary-old-secret-Hy6Tg4Fd2Sa8Jk0Lp'
const PAYLOAD = 'canary-payload-Ux8Yb2'
const KEY = 'canary-key-Mc4Ze6'
const canaryId = () => `CANARYID${crypto.randomBytes(24).toString('base64url')}`

/** Prints a value in every way that an application might log it. */
function show(what, value) {
  const texts = []
  for (const depth of [2, 10]) texts.push(util.inspect(value, { depth, showHidden: depth === 10 }))
  texts.push(util.format('%s %o %O', value, value, value))
  try {
    texts.push(JSON.stringify(value))
  } catch {
    // A circle is no way of logging.
  }
  if (value instanceof Error) texts.push(value.stack, value.message, String(value), util.inspect(value.cause), JSON.stringify({ ...value }))
  process.stdout.write(`## ${what}\n${texts.join('\n')}\n`)
}

process.on('warning', (warning) => show('warning', warning))
process.on('uncaughtException', (error) => { show('UNCAUGHT', error); process.exitCode = 9 })
process.on('unhandledRejection', (error) => { show('UNHANDLED', error); process.exitCode = 9 })

const sign = (id, secret = SECRET) => {
  const mac = crypto.createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '')
  return `node_session=${encodeURIComponent(`s:${id}.${mac}`)}`
}

function make(name, config, encrypter) {
  const nodeSession = new NodeSession({
    secret: [SECRET, OLD_SECRET], files: path.join(folder, name), lottery: [1, 1], maxBytes: 4096, maxDepth: 20, ...config,
  }, encrypter)
  for (const event of ['error', 'corrupt', 'gone', 'conflict']) {
    nodeSession.on(event, (error) => show(`event ${event} of ${name}`, error))
  }
  show(`NodeSession ${name}`, nodeSession)
  show(`manager ${name}`, nodeSession.__manager)
  return nodeSession
}

/** One request on a real server; `script(session, req, res)` runs inside. */
function visit(nodeSession, cookie, script) {
  return new Promise((resolve) => {
    const server = http.createServer((req, res) => {
      nodeSession.startSession(req, res, async (error) => {
        if (error) show('startSession', error)
        const { session } = req
        try {
          await script(session, req, res)
        } catch (thrown) {
          show('thrown', thrown)
        }
        show('session', session)
        show('handler', session.getHandler())
        res.end('done')
      })
    })
    server.listen(0, '127.0.0.1', () => {
      http.get({ port: server.address().port, host: '127.0.0.1', agent: false, headers: cookie ? { cookie } : {} }, (res) => {
        res.resume()
        res.on('end', () => server.close(resolve))
      })
    })
  })
}

const fill = (session) => {
  session.put(KEY, PAYLOAD)
  session.put('user', { name: PAYLOAD })
  session.flash(`${KEY}-flash`, PAYLOAD)
}
const nest = (levels) => JSON.parse('['.repeat(levels) + JSON.stringify(PAYLOAD) + ']'.repeat(levels))

const FAULTS = {
  'a save that is too large': (session) => session.put('big', PAYLOAD.repeat(1000)),
  'a save that is too deep': (session) => session.put('deep', nest(40)),
  'a value that JSON refuses': (session) => session.put(KEY, { [KEY]: PAYLOAD, bad: 1n }),
  'a record that is gone': async (session) => {
    session.put(KEY, PAYLOAD)
    await new Promise((resolve) => { session.getHandler().destroy(session.getId(), resolve) })
  },
  'a head that has left': (session, req, res) => {
    res.write('head')
    session.regenerate()
  },
  'a session that is replaced': (session, req) => { req.session = { [KEY]: PAYLOAD } },
  'a save by hand that fails': async (session) => {
    session.put(KEY, { toJSON: () => 1n, [KEY]: PAYLOAD })
    await session.save().catch((error) => show('save()', error))
    session.forget(KEY)
  },
}

/** Puts a text where a session is stored, in the way of a driver that keeps files. */
async function plantFiles(nodeSession, name) {
  const texts = [
    `{"${KEY}":"${PAYLOAD}"`, `${PAYLOAD}`, `{"${KEY}":"${PAYLOAD}","x":${'['.repeat(50)}${']'.repeat(50)}}`, `"${PAYLOAD.repeat(400)}"`,
    Buffer.concat([Buffer.from(`{"${KEY}":"${PAYLOAD}`), Buffer.from([0xff, 0xfe])]), `{"ct":"${PAYLOAD}","mac":"${PAYLOAD}"}`,
  ]
  fs.mkdirSync(path.join(folder, name), { recursive: true })
  for (const text of texts) {
    const id = canaryId()
    fs.writeFileSync(path.join(folder, name, id), text)
    await visit(nodeSession, sign(id), fill)
  }
  const id = canaryId()
  fs.mkdirSync(path.join(folder, name, id))
  await visit(nodeSession, sign(id), fill)
}

async function drive(name, config, encrypter) {
  const nodeSession = make(name, config, encrypter)
  for (const [what, fault] of Object.entries(FAULTS)) {
    process.stdout.write(`# ${name}: ${what}\n`)
    const id = canaryId()
    await visit(nodeSession, '', async (session) => { session.setId(id); fill(session) })
    await visit(nodeSession, sign(id), fault)
    await visit(nodeSession, sign(id, OLD_SECRET), fill)
    await visit(nodeSession, `${sign(id)}x`, fill)
  }
  if (config.driver === 'file') await plantFiles(nodeSession, name)
  // The storage goes away, for reads and for writes.
  const file = config.driver === 'database' ? path.join(folder, `${name}.sqlite`) : path.join(folder, name)
  for (const suffix of ['', '-wal', '-shm']) fs.rmSync(`${file}${suffix}`, { recursive: true, force: true })
  if (config.driver === 'database') fs.mkdirSync(file, { recursive: true })
  else fs.writeFileSync(file, 'in the way')
  await visit(nodeSession, sign(canaryId()), fill)
  await visit(nodeSession, '', async (session) => { session.setId(canaryId()); fill(session) })
  const again = make(name, config, encrypter)
  await visit(again, sign(canaryId()), fill)
}

async function driveHandlers() {
  const throwing = {
    read: (id, done) => done(new Error('read failed')), write: (id, text, done) => done(new Error('write failed')), destroy() {}, gc() {},
  }
  for (const driver of ['reads', 'writes']) {
    const nodeSession = make(`handler ${driver}`, { driver })
    const handler = driver === 'reads' ? throwing : { ...throwing, read: (id, done) => done('') }
    nodeSession.__manager.registerHandler(driver, (config, callback) => callback(nodeSession.__manager.__buildSession(handler)))
    await visit(nodeSession, sign(canaryId()), fill)
  }
  const broken = { encrypt: () => 5, decrypt: () => { throw new Error('no key') } }
  await drive('encrypter', { driver: 'file', encrypt: true }, broken)
}

/** Options that are refused: the secret stands beside the fault. */
function refuse() {
  const bad = [{ lifetime: 'soon' }, { cookie: 'a b' }, { secret: [SECRET, ''] }, { secret: { [SECRET]: SECRET } }, { driver: 'database', table: 'a b' },
    { driver: 'database', connection: { adapter: 'mysql', password: SECRET } }, { trustProxy: 'nowhere' }, { path: 5 }, { secret: [SECRET, 5] }]
  for (const config of bad) {
    try {
      new NodeSession({ secret: SECRET, ...config })
    } catch (error) {
      show('constructor', error)
    }
  }
  try {
    require(path.join(root, 'lib/store/EncryptedStore')).prototype.__prepareForParse.call({}, PAYLOAD)
  } catch {
    // Called on what is no session.
  }
  new NodeSession({ secret: 'canary-short-Qw3', driver: 'memory' })
}

async function main() {
  for (const encrypt of [false, true]) {
    for (const driver of ['memory', 'file', 'database']) await drive(`${driver}-${encrypt}`, { driver, encrypt })
  }
  await driveHandlers()
  refuse()
  await new Promise(setImmediate)
  process.stdout.write('## complete\n')
}

main()
