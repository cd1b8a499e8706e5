'use strict'

/*
 * A process that saves sessions until it is stopped, or ends by itself, for requirements.process.spec.js.
 *
 * node process.child.js ENTRY JOB CONFIG [ARGUMENTS…]
 */

const crypto = require('crypto')
const http = require('http')

const [, , entry, job, config, ...args] = process.argv
const NodeSession = require(entry)
const nodeSession = new NodeSession(JSON.parse(config))
const { secret } = JSON.parse(config)

const cookie = (id) => {
  const mac = crypto.createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '')
  return `node_session=${encodeURIComponent(`s:${id}.${mac}`)}`
}
const load = (id) => new Promise((resolve, reject) => {
  nodeSession.getSession({ headers: { cookie: cookie(id) } }, (session) => {
    session.start((error) => (error ? reject(error) : resolve(session)))
  })
})
const say = (text) => process.stdout.write(`${text}\n`)
/** Some are saved on the calling thread, some, of more than 64 kB, on another. */
const letters = (n) => String.fromCharCode(97 + (n % 26)).repeat(1 + ((n * 7919) % 120000))

/** Saves one session over and over, with texts whose length and letters tell of one another. */
async function write(id) {
  const session = await load(id)
  for (let n = 0; ; n += 1) {
    session.put('state', { n, text: letters(n), length: letters(n).length })
    await session.save()
    if (n === 3) say('writing')
    // Saves that never wait would keep the timers waiting.
    await new Promise(setImmediate)
  }
}

const JOBS = {
  write: ([id]) => write(id),

  async exit([id, delay]) {
    setTimeout(() => process.exit(5), Number(delay))
    await write(id)
  },

  async fill([id]) {
    nodeSession.on('error', (error) => say(`error ${error.code} ${error.cause && error.cause.code}`))
    const session = await load(id)
    session.put('state', { n: 1 })
    await session.save()
    session.put('big', 'x'.repeat(500000))
    await session.save().then(() => say('saved'), (error) => say(`${error.code} ${error.cause && error.cause.code}`))
    say(JSON.stringify((await load(session.getId())).get('state')))
  },

  async count([id, times]) {
    say('ready')
    await new Promise((resolve) => { process.stdin.once('data', resolve) })
    const session = await load(id)
    for (let i = 0; i < Number(times); i += 1) {
      session.put(`${process.pid}-${i}`, i)
      await session.save()
    }
    say(String(process.pid))
    process.stdin.destroy()
  },

  serve() {
    const server = http.createServer((req, res) => {
      nodeSession.startSession(req, res, () => {
        req.session.put('n', 1)
        res.end('served')
      })
    })
    server.listen(0, '127.0.0.1', () => {
      http.get({ port: server.address().port, host: '127.0.0.1', agent: false }, (res) => {
        res.resume()
        res.on('end', () => server.close(() => say('closed')))
      })
    })
  },
}

JOBS[job](args)
