'use strict'

/*
 * A process that ends while it saves, for exits.js.
 *
 * node exits.child.js WAY FOLDER SEED DELAY
 *
 * It ends by `exit` with code 7, by an `uncaught` exception, by a signal that somebody sends (`killed`), or at that signal as a
 * server does (`drained`): with `close()`, and code 0. The last writes the ids of what it had begun to save when that came.
 */

const { make, random, save, state, visit } = require('./saver')

/** Saves that are under way when `close()` is called. */
const SAVES = 20

const [way, folder, seed, delay] = process.argv.slice(2)

/** Begins saves, and ends when `close()` says that they have ended. */
async function drain() {
  const sessions = ['file', 'database'].map((driver) => make(driver, folder))
  const cookies = []
  await new Promise((resolve) => {
    let begun = 0
    const use = (session) => {
      session.put('state', state(begun))
      begun += 1
      // Its response ends as soon as this returns.
      if (begun === SAVES) queueMicrotask(resolve)
    }
    for (let n = 0; n < SAVES; n += 1) visit(sessions[n % 2], undefined, use).then((cookie) => cookies.push(cookie))
  })
  await Promise.all(sessions.map((nodeSession) => nodeSession.close()))
  const ids = cookies.map((cookie) => decodeURIComponent(cookie).slice('node_session=s:'.length).split('.')[0])
  console.log(JSON.stringify({ begun: SAVES, ids }))
  process.exit(0)
}

if (way === 'drained') process.once('SIGTERM', drain)
save(folder, random(Number(seed)))
process.send('busy')
if (way === 'exit') setTimeout(() => process.exit(7), Number(delay))
if (way === 'uncaught') setTimeout(() => { throw new Error('on purpose') }, Number(delay))
