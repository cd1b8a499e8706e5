'use strict'

/*
 * The machine's clock jumps while a process runs: backward nobody is lost or swept, forward who is idle is gone, and afterwards
 * sessions end again when they should (requirements 46 and 118).
 *
 * The wall clock of a child is shifted by a few lines of C in front of libc; where they cannot be compiled, this is skipped.
 */

const { spawnSync } = require('child_process')
const path = require('path')

const { ours, describeOurs } = require('./support/packages')
const { tempDir } = require('./support/cleanup')
const { SECRET } = require('./support/cookies')

const HOUR = 3600
const library = path.join(tempDir(), 'clock.so')
const compiled = process.platform === 'linux'
  && spawnSync('cc', ['-shared', '-fPIC', '-o', library, path.join(__dirname, 'support', 'clock.c'), '-ldl']).status === 0
// In CI what is missing is a failure.
const onLinux = compiled || process.env.CI ? describeOurs : describe.skip

/** Runs steps in a child; gives for each whether the session was found. */
function run(driver, steps) {
  const dir = tempDir()
  const config = { secret: SECRET, driver, files: path.join(dir, 'sessions'), lifetime: 60000, touchInterval: 0, lottery: [0, 100] }
  const env = { ...process.env, LD_PRELOAD: library, CLOCK_SHIFT: path.join(dir, 'shift') }
  const args = [path.join(__dirname, 'support', 'clock.child.js'), ours.entry, JSON.stringify(config), JSON.stringify(steps)]
  const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8', timeout: 20000 })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout)
}
const found = (driver, steps) => run(driver, steps).map(([what, isThere]) => `${what} ${isThere}`)

onLinux.each(['memory', 'file', 'database'])('with the %s driver, a clock that jumps', (driver) => {
  test('forward ends who is idle', () => {
    expect(found(driver, [[0, 'save'], [50, 'look'], [62, 'look']])).toEqual(['save true', 'look true', 'look false'])
  })

  test('backward loses nobody, and sweeps nobody', () => {
    const steps = [[0, 'save'], [-HOUR, 'read'], [-HOUR, 'sweep'], [-HOUR, 'save'], [-24 * HOUR, 'sweep'], [0, 'read']]
    expect(found(driver, steps)).toEqual(['save true', 'read true', 'sweep true', 'save true', 'sweep true', 'read true'])
  })

  test('forward and back again leaves nobody alive for as long as it jumped', () => {
    const steps = [[HOUR, 'renew'], [0, 'read', 1], [0, 'look', 50], [0, 'look', 120]]
    expect(found(driver, steps)).toEqual(['renew true', 'read true', 'look true', 'look false'])
  })
})
