'use strict'

/*
 * The command lines of the tools: they say how they are used, to who asks and to who is wrong.
 */

const { spawnSync } = require('child_process')
const path = require('path')

jest.setTimeout(60000)

function run(tool, ...given) {
  return spawnSync(process.execPath, [path.join(__dirname, '..', tool), ...given], { encoding: 'utf8' })
}

describe.each([['bench/run.js'], ['torture/run.js']])('%s', (tool) => {
  test.each([['--help'], ['-h']])('says with %s how it is used, and does nothing else', (option) => {
    const { status, stdout, stderr } = run(tool, option)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Usage: npm run (bench|torture) -- /)
  })

  test.each([
    ['an option that there is not', ['--nope'], /'--nope'/],
    ['a driver that there is not', ['--driver', 'floppy'], /^--driver must be one of: memory, file, /],
    ['an option without its value', ['--driver'], /--driver/],
    ['a word that belongs to no option', ['quick'], /'quick'/],
  ])('says what is wrong with %s, and how it is used', (_, given, message) => {
    const { status, stdout, stderr } = run(tool, ...given)
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(message)
    expect(stderr).toContain('\n\nUsage: npm run ')
    expect(stderr).not.toContain('\n    at ')
  })
})

test('the benchmark wants a number of sessions', () => {
  const { status, stderr } = run('bench/run.js', '--scale', '--sessions', '1e6')
  expect(status).toBe(1)
  expect(stderr).toMatch(/^--sessions must be a whole number from 1 on\n/)
})
