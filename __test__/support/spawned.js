'use strict'

/*
 * Programs that a test starts for itself (database servers), and the network between them and this package.
 *
 * A program runs until the file's last test; it can be killed, stopped and let go on by the test. `Proxy` hands bytes on, or not.
 */

const { spawn } = require('child_process')
const net = require('net')

const { later } = require('./cleanup')

/** How long a program may take until it is ready. Units: milliseconds. */
const PATIENCE = 20000

/** A port of the loopback that nobody listens on. */
async function freePort() {
  const server = net.createServer()
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address()
  await new Promise((resolve) => { server.close(resolve) })
  return port
}

/** Resolves when `isReady()` gives something truthy, with it; asks again after a while as long as it does not, or throws. */
async function ready(isReady, patience = PATIENCE) {
  const end = Date.now() + patience
  for (;;) {
    const answer = await Promise.resolve().then(isReady).catch((error) => (Date.now() > end ? Promise.reject(error) : undefined))
    if (answer) return answer
    if (Date.now() > end) throw new Error(`this was not so in time: ${isReady}`)
    await new Promise((resolve) => { setTimeout(resolve, 5) })
  }
}

/** A program in a process of its own. */
class Spawned {
  /** @param {string[]} command the program and its arguments; `options` are those of `child_process.spawn` */
  constructor(command, options = {}) {
    this.command = command
    this.options = { stdio: ['ignore', 'ignore', 'pipe'], ...options }
    later(() => this.kill())
  }

  /** Starts it, and waits until `isReady()`. */
  async start(isReady) {
    const [program, ...args] = this.command
    const child = spawn(program, args, this.options)
    let said = ''
    child.stderr.on('data', (text) => { said = (said + text).slice(-4000) })
    this.child = child
    this.ended = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message))
      child.on('exit', (code, signal) => resolve(signal || code))
    })
    const gone = this.ended.then((how) => { throw new Error(`${program} ended: ${how}\n${said}`) })
    await Promise.race([gone, ready(isReady)])
    gone.catch(() => {})
  }

  /** Ends it by a signal, and waits for its end. */
  async kill(signal = 'SIGKILL') {
    if (this.child === undefined) return
    this.child.kill(signal)
    // A stopped process hears no other signal.
    this.child.kill('SIGCONT')
    await this.ended
  }

  /** Stops it where it is. */
  pause() {
    this.child.kill('SIGSTOP')
  }

  resume() {
    this.child.kill('SIGCONT')
  }
}

/** A proxy on a port of its own that hands bytes on to another port. */
class Proxy {
  /** @param {number} target the port */
  static async start(target) {
    const proxy = new Proxy()
    proxy.target = target
    proxy.pairs = new Set()
    proxy.left = Infinity
    proxy.isSilent = false
    proxy.lost = new Set()
    proxy.each = undefined
    proxy.server = net.createServer((socket) => proxy.accept(socket))
    await new Promise((resolve) => { proxy.server.listen(0, '127.0.0.1', resolve) })
    proxy.port = proxy.server.address().port
    later(() => proxy.stop())
    return proxy
  }

  accept(socket) {
    const pair = [socket, net.connect(this.target, '127.0.0.1')]
    this.pairs.add(pair)
    for (const end of pair) {
      end.on('error', () => {})
      end.on('close', () => this.cut(pair))
    }
    socket.on('data', (bytes) => { if (!this.loses(pair)) pair[1].write(bytes) })
    pair[1].on('data', (bytes) => this.reply(pair, bytes))
  }

  loses(pair) {
    return this.isSilent || this.lost.has(pair)
  }

  reply(pair, bytes) {
    if (this.loses(pair)) return
    if (this.each !== undefined) this.left = this.each
    const handed = bytes.subarray(0, this.left)
    this.left -= handed.length
    pair[0].write(handed)
    if (handed.length === bytes.length) return
    this.left = Infinity
    this.cut(pair)
  }

  cut(pair) {
    this.pairs.delete(pair)
    for (const end of pair) end.destroy()
  }

  /** Ends every connection. */
  cutAll() {
    for (const pair of this.pairs) this.cut(pair)
  }

  /** Cuts, once, the connection on which the reply comes that goes beyond so many bytes from now on. */
  cutAfter(bytes) {
    this.left = bytes
  }

  /** Cuts every connection so many bytes into its next reply; `undefined` ends that. */
  cutEach(bytes) {
    this.each = bytes
    if (bytes === undefined) this.left = Infinity
  }

  /** What is sent over the connections that there are is lost from now on; new ones are well. */
  lose() {
    for (const pair of this.pairs) this.lost.add(pair)
  }

  /** Whether what is sent is lost, as behind a router that has gone. */
  silence(isSilent) {
    this.isSilent = isSilent
    if (!isSilent) this.cutAll()
  }

  async stop() {
    this.cutAll()
    await new Promise((resolve) => { this.server.close(resolve) })
  }
}

module.exports = { Spawned, Proxy, freePort, ready }
