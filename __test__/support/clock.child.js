'use strict'

/*
 * Visits a session while the wall clock jumps, for requirements.clock.spec.js. Prints what each visit found as JSON.
 *
 * node clock.child.js ENTRY CONFIG STEPS
 *
 * A step is `[shift, what, elapsed]`: by how many seconds the clock is off, what to do (save, read, sweep, look, or renew, which is to save
 * a new session), and how many seconds have truly passed.
 */

const fs = require('fs')
const { setTimeout: later } = require('timers/promises')

const [, , entry, config, steps] = process.argv
const NodeSession = require(entry)
const nodeSession = new NodeSession(JSON.parse(config))
const tell = (report) => report && process.stderr.write(`${report.message}\n`)

let id
const open = () => new Promise((resolve) => {
  nodeSession.getSession({ headers: {} }, (session) => {
    if (id) session.setId(id)
    session.start(() => resolve(session))
  })
})

async function main() {
  const found = []
  for (const [shift, what, elapsed = 0] of JSON.parse(steps)) {
    fs.writeFileSync(process.env.CLOCK_SHIFT, `${shift + elapsed} ${elapsed}`)
    // The engine looks at the wall clock once in a millisecond.
    await later(3)
    if (what === 'renew') id = undefined
    const session = await open()
    id = id || session.getId()
    if (what === 'save' || what === 'renew') session.put('user', 'bob')
    if (what !== 'look') await session.save().catch(tell)
    if (what === 'sweep') {
      session.getHandler().gc(60000)
      await later(100)
    }
    found.push([what, session.get('user') === 'bob'])
  }
  process.stdout.write(JSON.stringify(found))
}

main()
