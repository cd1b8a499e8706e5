'use strict'

/*
 * What a NodeSession tells of itself, and what it does with listeners that misbehave (requirements 62, 112, 113, 119, 123, 127), and
 * with ways of ending a response that servers.spec.js leaves out (requirements 59–61).
 */

const { execFile } = require('child_process')
const fs = require('fs')
const http = require('http')
const net = require('net')

const { ours, describeOurs } = require('./support/packages')
const { open, openFiles } = require('./support/servers')
const { until } = require('./support/waiting')
const { tempDir } = require('./support/cleanup')
const { SECRET } = require('./support/cookies')

const GOOD = '{"_token":"T","user":"bob","flash":{"old":[],"new":[]}}'
const user = (session) => session.get('user')

describeOurs('an event', () => {
  /** Faults that emit, by event: what a request does. */
  const FAULTS = {
    error: (session) => session.put('bad', 1n),
    gone: async (session) => {
      session.put('user', 'eve')
      await new Promise((resolve) => { session.getHandler().destroy(session.getId(), resolve) })
    },
  }

  test.each(Object.keys(FAULTS))('%s comes once, with the error, the request and the response, before the answer is out', async (event) => {
    const site = await openFiles(ours)
    const agent = site.agent()
    await site.visit(agent, (session) => session.put('user', 'bob'))
    const seen = []
    site.nodeSession.on(event, (error, req, res) => seen.push([error instanceof Error, req.method, res.writableFinished]))
    const { body } = await site.visit(agent, FAULTS[event], { method: 'POST' })
    expect([body, seen]).toEqual(['done', [[true, 'POST', false]]])
  })

  test('corrupt comes with the error and the request, before the request goes on', async () => {
    const site = await openFiles(ours)
    const order = []
    site.nodeSession.on('corrupt', (error, req) => order.push([error.code, req.method]))
    await site.visit(site.plant('half'), () => order.push('runs'))
    expect(order).toEqual([['ERR_SESSION_CORRUPT', 'GET'], 'runs'])
  })

  test.each(['corrupt', 'gone'])('%s without a listener is silent, and no fault', async (event) => {
    const site = await openFiles(ours)
    site.nodeSession.removeAllListeners()
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const agent = event === 'corrupt' ? site.plant('half') : site.agent()
    if (event === 'gone') await site.visit(agent, (session) => session.put('user', 'bob'))
    const { body } = await site.visit(agent, event === 'gone' ? FAULTS.gone : () => {})
    const warnings = warn.mock.calls
    warn.mockRestore()
    expect([body, warnings]).toEqual(['done', []])
  })

  test.each(['memory', 'file', 'database'])('of the %s driver whose listener throws does not keep the response from ending',
    async (driver) => {
    const script = `
      const http = require('http')
      const sessions = new (require(${JSON.stringify(ours.entry)}))(${JSON.stringify({ secret: SECRET, driver, files: `${tempDir()}/s` })})
      process.on('uncaughtException', (error) => console.log('uncaught', error.message))
      sessions.on('error', () => { throw new Error('listener') })
      const server = http.createServer((req, res) => sessions.startSession(req, res, () => {
        req.session.put('bad', 1n)
        try { res.end('done') } catch (error) { console.log('end threw', error.message) }
      }))
      server.listen(0, '127.0.0.1', () => http.get({ port: server.address().port, host: '127.0.0.1', agent: false }, (res) => {
        res.on('data', (data) => console.log(String(data))).on('end', () => process.exit())
      }))
      setTimeout(() => { console.log('never answered'); process.exit() }, 1500)
    `
    const said = await new Promise((resolve) => { execFile(process.execPath, ['-e', script], { timeout: 10000 },
      (error, stdout) => resolve(stdout)) })
    expect(said).toContain('done')
    expect(said).not.toContain('end threw')
  })
})

describeOurs('a response', () => {
  test('ended with a text, its encoding and a callback arrives in that encoding', async () => {
    const site = await openFiles(ours)
    const called = []
    const { body } = await site.visit(site.agent(), (session, req, res) => res.end('616263', 'hex', () => called.push('end')), { ends: true })
    await until(() => called.length === 1)
    expect(body).toBe('abc')
  })

  test('whose length was written before the end is saved by that end', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    const { body } = await site.visit(agent, (session, req, res) => {
      session.put('user', 'bob')
      res.setHeader('content-length', 3)
      res.write('abc')
      res.end()
    }, { ends: true })
    expect(body).toBe('abc')
    await until(async () => (await site.visit(agent, user)).value === 'bob')
  })

  test('with trailers, and a piped file, arrives whole', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    const { body } = await site.visit(agent, (session, req, res) => {
      session.put('user', 'bob')
      res.setHeader('trailer', 'x-sum')
      res.addTrailers({ 'x-sum': '1' })
      fs.createReadStream(__filename).pipe(res)
    }, { ends: true })
    expect(body).toBe(fs.readFileSync(__filename, 'utf8'))
    expect((await site.visit(agent, user)).value).toBe('bob')
  })

  test('to HTTP/1.0, and to requests that are sent one behind the other, comes whole and in order', async () => {
    const site = await openFiles(ours)
    const paths = []
    site.serve = (req, res) => site.nodeSession.startSession(req, res, () => {
      paths.push(req.url)
      req.session.put('path', req.url)
      res.end(`path ${req.url};`)
    })
    const { port } = site.host.server.address()
    const ask = (text) => new Promise((resolve, reject) => {
      let got = ''
      const socket = net.connect(port, '127.0.0.1', () => socket.write(text))
      socket.setEncoding('utf8').on('data', (data) => { got += data }).on('end', () => resolve(got)).on('error', reject)
    })
    const one = await ask('GET /old HTTP/1.0\r\nHost: a\r\n\r\n')
    expect([one.match(/set-cookie/gi).length, one.endsWith('path /old;')]).toEqual([1, true])
    const many = await ask('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(many.match(/path \/\d;/g)).toEqual(['path /1;', 'path /2;', 'path /3;'])
    expect(many.match(/set-cookie/gi)).toHaveLength(3)
  })

  test('to a request that waits for 100 Continue is saved', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    const { body } = await site.visit(agent, async (session, req) => {
      for await (const chunk of req) session.push('chunks', String(chunk))
    }, { method: 'POST', headers: { expect: '100-continue' }, body: 'sent' })
    expect(body).toBe('done')
    expect((await site.visit(agent, (session) => session.get('chunks').join(''))).value).toBe('sent')
  })

  test('whose application sets the session\'s cookie itself carries one of that name', async () => {
    const site = await openFiles(ours)
    const agent = site.agent()
    const { setCookies } = await site.visit(agent, (session, req, res) => {
      res.setHeader('Set-Cookie', ['node_session=mine; Path=/', 'other=1'])
      session.put('user', 'bob')
    })
    expect(setCookies.map((header) => header.split('=')[0]).sort()).toEqual(['node_session', 'other'])
    expect((await site.visit(agent, user)).value).toBe('bob')
  })

  test('of a second startSession inside the first one\'s load is the same one\'s', async () => {
    const site = await openFiles(ours)
    const agent = site.plant(GOOD)
    site.serve = (req, res) => {
      const seen = []
      const done = () => {
        seen.push(req.session)
        if (seen.length === 3) res.end(String(new Set(seen).size + user(req.session)))
      }
      for (let i = 0; i < 3; i += 1) site.nodeSession.startSession(req, res, done)
    }
    const { body, setCookies } = await agent.request('/')
    expect([body, setCookies.length]).toEqual(['1bob', 1])
  })

  test('of two NodeSessions carries a cookie of each, and both are saved', async () => {
    const one = await open(ours, { cookie: 'one' })
    const two = ours.create({ secret: one.config.secret, driver: 'memory', cookie: 'two' })
    const agent = one.agent()
    one.serve = (req, res) => one.nodeSession.startSession(req, res, () => {
      const first = req.session
      first.put('n', first.get('n', 0) + 1)
      two.startSession(req, res, () => {
        req.session.put('n', req.session.get('n', 10) + 1)
        res.end(`${first.get('n')} ${req.session.get('n')}`)
      })
    })
    expect((await agent.request('/')).setCookies.map((header) => header.split('=')[0]).sort()).toEqual(['one', 'two'])
    const { body } = await agent.request('/')
    expect(body).toMatch(/^\d+ 12$/)
  })

  test('that an application never ends harms no other', async () => {
    const site = await openFiles(ours)
    const agent = site.plant(GOOD)
    const { port } = site.host.server.address()
    const never = new Promise((resolve) => site.scripts.set('never', resolve))
    const hanging = http.get({ port, host: '127.0.0.1', agent: false, headers: { cookie: agent.cookieHeader(), 'x-script': 'never' } })
    hanging.on('error', () => {})
    await never
    for (let i = 0; i < 3; i += 1) expect((await site.visit(agent.twin(),
      (session) => { session.put('i', i); return user(session) })).value).toBe('bob')
    hanging.destroy()
  })
})
