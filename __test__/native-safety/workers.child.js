'use strict'

/*
 * A process whose worker threads are ended while they save, for workers.js.
 *
 * node workers.child.js WORKERS FOLDER SEED
 *
 * Four of them run at a time. Then the addon is loaded here, too, and has to work. The last line is a report.
 */

const { Worker, isMainThread, parentPort, workerData } = require('worker_threads')

const { make, random, save, state, visit } = require('./saver')

/** How a worker ends. */
const WAYS = ['terminate', 'exit', 'throw', 'return']

function work({ folder, seed, way, delay }) {
  const stop = save(folder, random(seed))
  parentPort.postMessage('busy')
  setTimeout(() => {
    if (way === 'exit') process.exit(0)
    if (way === 'throw') throw new Error('on purpose')
    if (way === 'return') stop()
  }, delay)
}

/** Runs one worker to its end; gives how that was. */
function run(folder, next) {
  const [way, delay, seed] = [WAYS[next(WAYS.length)], next(60), next(2 ** 31)]
  const worker = new Worker(__filename, { workerData: { folder, seed, way, delay }, stderr: true })
  worker.stderr.resume()
  return new Promise((resolve) => {
    let error
    // Some are ended before they have begun.
    if (way === 'terminate' && delay < 10) setTimeout(() => worker.terminate(), delay * 5)
    worker.once('message', () => {
      if (way === 'terminate') setTimeout(() => worker.terminate(), delay)
    })
    worker.on('error', (thrown) => { error = thrown })
    worker.on('exit', (code) => {
      const isWanted = way === 'throw' ? error?.message === 'on purpose' : error === undefined
      resolve({ way, isClean: isWanted && (code === 0 || code === 1), error: `ended with ${code}, ${error && error.stack}` })
    })
  })
}

async function main([workers, folder, seed]) {
  const next = random(Number(seed))
  const ended = { clean: 0 }
  const bad = []
  let left = Number(workers)
  const lane = async () => {
    while (left > 0) {
      left -= 1
      const { way, isClean, error } = await run(folder, next)
      ended[way] = (ended[way] ?? 0) + 1
      if (isClean) ended.clean += 1
      else bad.push(`${way}: ${error}`)
    }
  }
  await Promise.all(Array.from({ length: 4 }, lane))
  for (const driver of ['memory', 'file', 'database']) {
    const nodeSession = make(driver, folder)
    let read
    const cookie = await visit(nodeSession, undefined, (session) => session.put('state', state(7)))
    await visit(nodeSession, cookie, (session) => { read = session.get('state') })
    if (read?.text !== state(7).text) bad.push(`the main thread cannot use ${driver}`)
    await nodeSession.close()
  }
  console.log(JSON.stringify({ ...ended, bad }))
}

if (isMainThread) main(process.argv.slice(2))
else work(workerData)
