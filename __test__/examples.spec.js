'use strict'

/**
 * Every example starts, does over HTTP what its header says, and ends when it is told to.
 */

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')

const EXAMPLES = path.join(__dirname, '..', 'examples')

jest.setTimeout(30_000)

let folder
const running = new Set()

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-session-examples-'))
})

afterEach(async () => {
  for (const example of running) await example.stop()
})

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

describe('the demo', () => {
  const start = (name, env) => run('demo/server.js', { SECRET: 'of the demo in tests', SESSIONS: path.join(folder, name), ...env })

  test('counts the views of each visitor', async () => {
    const { url } = await start('counts')
    const [ada, ben] = [new Visitor(url), new Visitor(url)]
    expect(views(await ada.get('/'))).toBe(1)
    expect(views(await ada.get('/'))).toBe(2)
    expect(views(await ben.get('/'))).toBe(1)
  })

  test('keeps the tray, and shows its message once', async () => {
    const { url } = await start('tray')
    const ada = new Visitor(url)
    await ada.get('/')
    const added = await ada.send('/tray', { more: 'sencha' })
    expect(added.status).toBe(303)
    expect(added.headers.get('location')).toBe('/#sencha')

    const first = await ada.get('/')
    expect(first.text).toContain('Rain on Sencha is on your tray.')
    const second = await ada.get('/')
    expect(second.text).not.toContain('Rain on Sencha is on your tray.')
    expect(second.text).toContain('Total')

    await ada.send('/tray', { less: 'sencha', from: 'tray' })
    expect((await ada.get('/')).text).toContain('Nothing on it yet')
  })

  test('refuses a form without the token, with a wrong one and with two, and takes it with the right one', async () => {
    const { url } = await start('csrf')
    const ada = new Visitor(url)
    await ada.get('/')
    const right = ada.token
    for (const token of [undefined, '', 'x'.repeat(40), [right, right]]) {
      ada.token = token
      const refused = await ada.send('/tray', { more: 'sencha' })
      expect(refused.status).toBe(403)
      expect(refused.text).toContain('We did not take that form')
    }
    expect((await fetch(`${url}/order`, { method: 'POST' })).status).toBe(403)
    ada.token = right
    expect((await ada.send('/tray', { more: 'sencha' })).status).toBe(303)
  })

  test('renews the session id at sign-in, and the old one is worth nothing', async () => {
    const { url } = await start('sign-in')
    const ada = new Visitor(url)
    await ada.get('/')
    await ada.send('/tray', { more: 'oolong' })
    const old = ada.cookie
    await ada.get('/')
    await ada.send('/sign-in', { name: '  Ada <script>alert(1)</script> ' })
    expect(ada.cookie).not.toBe(old)

    const page = await ada.get('/')
    expect(page.text).toContain('Good to see you, Ada &lt;script&gt;')
    expect(page.text).not.toContain('<script>')
    expect(page.text).toContain('Place the order')

    const thief = new Visitor(url)
    thief.cookie = old
    expect(views(await thief.get('/'))).toBe(1)
  })

  test('takes an order and remembers the last three', async () => {
    const { url } = await start('order')
    const ada = new Visitor(url)
    await ada.get('/')
    expect((await ada.send('/order')).headers.get('location')).toBe('/#tray')
    await ada.send('/sign-in', { name: 'Ada' })
    await ada.get('/')
    for (const tea of ['assam', 'sencha', 'oolong', 'peony']) {
      await ada.send('/tray', { more: tea })
      await ada.send('/order')
    }
    const page = await ada.get('/')
    expect(page.text).toContain('Thank you, Ada. The kettle is on.')
    expect(page.text).toContain('1 × White Peony')
    expect(page.text).not.toContain('1 × First Bell Assam')
  })

  test('forgets everything at sign-out', async () => {
    const { url } = await start('sign-out')
    const ada = new Visitor(url)
    await ada.get('/')
    await ada.send('/sign-in', { name: 'Ada' })
    await ada.get('/')
    await ada.send('/sign-out')
    const page = await ada.get('/')
    expect(page.text).toContain('Signed out.')
    expect(page.text).not.toContain('Good to see you')
    expect(views(page)).toBe(1)
  })

  test('says what is wrong with a name, beside the field, once', async () => {
    const { url } = await start('names')
    const ada = new Visitor(url)
    await ada.get('/')
    for (const [name, problem] of [['   ', 'Please enter a name'], ['n'.repeat(41), 'Please keep it to 40 characters']]) {
      await ada.send('/sign-in', { name })
      expect((await ada.get('/')).text).toContain(problem)
      expect((await ada.get('/')).text).not.toContain(problem)
    }
  })

  test('answers what it does not have, and what it cannot read, with a page', async () => {
    const { url } = await start('errors')
    const ada = new Visitor(url)
    const missing = await ada.get('/nothing-here')
    expect([missing.status, missing.text.includes('No such table')]).toEqual([404, true])
    const large = await ada.send('/order', { padding: 'x'.repeat(20_000) })
    expect([large.status, large.text.includes('We could not read that')]).toEqual([413, true])
    await ada.get('/')
    await ada.send('/tray', { more: '__proto__' })
    expect((await ada.get('/')).text).toContain('That tea is not on the menu.')
  })

  test('keeps visitors over a restart, and shows neither their id nor their token whole', async () => {
    const before = await start('restart')
    const ada = new Visitor(before.url)
    await ada.get('/')
    await ada.send('/sign-in', { name: 'Ada' })
    await before.stop()

    const after = await start('restart')
    ada.url = after.url
    const page = await ada.get('/')
    expect(page.text).toContain('Good to see you, Ada')
    const [, id] = decodeURIComponent(ada.cookie).match(/=s:(.{40})\./)
    expect(page.text).toContain(`${id.slice(0, 4)}…${id.slice(-4)}`)
    expect(page.text).not.toContain(id)
    expect(page.text.match(/<pre[^>]*>([^<]*)<\/pre>/)[1]).not.toContain(ada.token)
  })

  test('makes a secret of its own, for its owner only, and keeps it', async () => {
    const before = await start('secret', { SECRET: '' })
    const ada = new Visitor(before.url)
    await ada.get('/')
    await before.stop()
    const file = path.join(folder, 'secret.secret')
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
    expect(before.output()).not.toContain(fs.readFileSync(file, 'utf8'))

    const after = await start('secret', { SECRET: '' })
    ada.url = after.url
    expect(views(await ada.get('/'))).toBe(2)
  })

  test('ends although a browser holds a connection in reserve', async () => {
    const demo = await start('reserve')
    const socket = net.connect(new URL(demo.url).port, 'localhost')
    await once(socket, 'connect')
    await new Visitor(demo.url).get('/')
    const closed = once(socket, 'close')
    await demo.stop()
    await closed
  })

  test('says so when its port is taken, and ends', async () => {
    const { url } = await start('port')
    const second = spawnExample('demo/server.js', { SECRET: 's', SESSIONS: path.join(folder, 'port'), PORT: new URL(url).port })
    expect(await second.ended).toEqual({ code: 1, signal: null })
    expect(second.output()).toMatch(/Port \d+ is already in use/)
  })
})

test('express.js counts, checks its token and shows its message once', async () => {
  const { url } = await run('express.js')
  const ada = new Visitor(url)
  await ada.get('/')
  expect((await ada.get('/')).text).toContain('Views: 2')
  const token = ada.token
  ada.token = undefined
  expect((await ada.send('/reset')).status).toBe(403)
  ada.token = token
  expect((await ada.send('/reset')).status).toBe(303)
  const page = (await ada.get('/')).text
  expect(page).toContain('Views: 1')
  expect(page).toContain('back at the start')
  expect((await ada.get('/')).text).toContain('No news.')
})

test('plain-http.js counts and shows its message once', async () => {
  const { url } = await run('plain-http.js')
  const ada = new Visitor(url)
  expect((await ada.get('/')).text).toContain('Views: 1')
  await ada.get('/hello')
  expect((await ada.get('/')).text).toBe('Hello from the page before.\nViews: 2\n')
  expect((await ada.get('/')).text).toBe('No news; see /hello.\nViews: 3\n')
})

test('sqlite.js goes on counting after a restart', async () => {
  const env = { SQLITE_FILE: path.join(folder, 'example.sqlite') }
  const before = await run('sqlite.js', env)
  const ada = new Visitor(before.url)
  const first = JSON.parse((await ada.get('/')).text)
  await before.stop()

  const after = await run('sqlite.js', env)
  ada.url = after.url
  const second = JSON.parse((await ada.get('/')).text)
  expect([first.views, second.views]).toEqual([1, 2])
  expect(second.since).toBe(first.since)
})

test('custom-handler.js reads and writes through its handler', async () => {
  const example = await run('custom-handler.js')
  const ada = new Visitor(example.url)
  expect((await ada.get('/')).text).toBe('Views: 1\n')
  expect((await ada.get('/')).text).toBe('Views: 2\n')
  expect(example.output()).toMatch(/read[^]*write \d+ characters/)
})

test('every example but the demo is short enough to take in at a glance', () => {
  for (const file of fs.readdirSync(EXAMPLES).filter((name) => name.endsWith('.js'))) {
    const lines = fs.readFileSync(path.join(EXAMPLES, file), 'utf8').split('\n').length - 1
    expect([file, lines <= 60]).toEqual([file, true])
  }
})

/** Starts an example on a free port; resolves when it has printed its address. */
async function run (file, env = {}) {
  const example = spawnExample(file, { PORT: '0', ...env })
  running.add(example)
  example.url = await example.address
  return example
}

function spawnExample (file, env) {
  const child = spawn(process.execPath, [path.join(EXAMPLES, file)], { env: { ...process.env, ...env }, stdio: 'pipe' })
  let output = ''
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
  const address = new Promise((resolve, reject) => {
    const collect = (chunk) => {
      output += chunk
      const found = output.match(/http:\/\/localhost:\d+/)
      if (found) resolve(found[0])
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    ended.then(() => reject(new Error(`${file} ended before it printed its address:\n${output}`)))
  })
  address.catch(() => {})

  const example = { address, ended, output: () => output, stop }
  return example

  /** Ends the example as a supervisor would, and insists that it went by itself. */
  async function stop () {
    if (!running.delete(example)) return
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), 10_000)
    const end = await ended
    clearTimeout(patience)
    expect(end).toEqual({ code: 0, signal: null })
  }
}

/** A browser, as far as sessions go: keeps its cookie and the token of the last form it saw. */
class Visitor {
  constructor (url) {
    this.url = url
  }

  get (page) {
    return this.#fetch(page, {})
  }

  send (page, fields = {}) {
    const body = new URLSearchParams(fields)
    for (const token of [this.token].flat()) {
      if (token !== undefined) body.append('_token', token)
    }
    return this.#fetch(page, { method: 'POST', body })
  }

  async #fetch (page, options) {
    const headers = this.cookie ? { cookie: this.cookie } : {}
    const answer = await fetch(this.url + page, { ...options, headers, redirect: 'manual' })
    const [cookie] = answer.headers.getSetCookie()
    if (cookie) this.cookie = cookie.split(';')[0]
    const text = await answer.text()
    this.token = text.match(/name="_token" value="([^"]*)"/)?.[1] ?? this.token
    return { status: answer.status, headers: answer.headers, text }
  }
}

function views (page) {
  return Number(page.text.match(/<b>(\d+)<\/b> views?/)[1])
}
