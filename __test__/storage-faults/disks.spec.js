'use strict'

/*
 * Disks and folders that stop working under a running server, and come back: full ones, read-only ones, folders that may not be
 * entered or have something else in their place, a process out of file descriptors (faults 109–111 of the requirements).
 *
 * File systems are mounted in a namespace of the server's own, for which nobody has to be root.
 */

const fs = require('fs')
const path = require('path')
const { spawnSync } = require('child_process')

const { describeOurs } = require('../support/packages')
const { driversWith } = require('../support/drivers')
const { tempDir } = require('../support/cleanup')
const { Server, visitDuring, livesThrough } = require('../support/storage')
const { mounting } = require('../support/strace')

jest.setTimeout(60000)

/** Runs a server with a small file system of its own on `dir`. */
const onTmpfs = (dir, size) => ['unshare', '-rm', 'sh', '-c', `mount -t tmpfs -o size=${size} tmpfs "$0" && exec "$@"`, dir]
const NOBODY = 65534
const isRoot = process.getuid() === 0
const limited = spawnSync('prlimit', ['--version']).status === 0 || process.env.CI ? test : test.skip

const isPlain = (driver) => !driver.isSealed && !driver.isLasting

/** A folder that anybody may use, on the way to which nothing is closed to others. */
function openDir() {
  const dir = tempDir()
  fs.chmodSync(dir, 0o777)
  return dir
}

describeOurs.each(driversWith('files'))('the %s driver', (name, driver) => {
  mounting('lives through a disk that is full to the last byte, and leaves nothing half written on it', async () => {
    const dir = tempDir()
    const server = await Server.start({ ...driver.options(dir), wrap: onTmpfs(dir, '512k') })
    const ballast = path.join(dir, 'ballast')
    await livesThrough(server, {
      begins: () => server.ask('fill', ballast),
      ends: async () => {
        expect(driver.leftovers(await server.ask('names', dir))).toEqual(['ballast'])
        await server.ask('unlink', ballast)
      },
      isFelt: 'save',
    })
  })

  if (!isPlain(driver)) return

  limited('lives through a time without file descriptors', async () => {
    const server = await Server.start({ ...driver.options(tempDir()), wrap: ['prlimit', '--nofile=64:64'] })
    await livesThrough(server, {
      begins: async () => { expect(await server.ask('starve')).toBe('EMFILE') },
      ends: () => server.ask('feed'),
      isFelt: driver.faults.includes('database') ? false : 'read',
    })
  })

  limited('waits a little for file descriptors, and then does what it was asked', async () => {
    const server = await Server.start({ ...driver.options(tempDir()), wrap: ['prlimit', '--nofile=64:64'] })
    const agent = server.agent()
    await server.visit(agent, ['put', 'user', 'bob'])
    await server.ask('starve')
    const visit = server.visit(agent, ['put', 'user', 'eve'])
    await server.ask('feed')
    expect((await visit).found).toMatchObject({ user: 'bob' })
    expect((await server.visit(agent)).found.user).toBe('eve')
    expect(await server.told()).toEqual([])
  })
})

describeOurs.each(driversWith('files', (driver) => isPlain(driver) && !driver.faults.includes('database')))('the %s driver', (name, driver) => {
  mounting('lives through a file system that becomes read-only', async () => {
    const dir = tempDir()
    const server = await Server.start({ ...driver.options(dir), wrap: onTmpfs(dir, '4m') })
    const remount = async (how) => { expect(await server.ask('mount', '-o', `remount,${how}`, dir)).toBe('') }
    await livesThrough(server, { begins: () => remount('ro'), ends: () => remount('rw'), isFelt: 'save' })
  })

  test.each([['written to', 0o500, 'save'], ['entered', 0o000, 'read']])('lives through a folder that may not be %s', async (what, mode, isFelt) => {
    const options = driver.options(openDir())
    const server = await Server.start({ ...options, user: isRoot ? NOBODY : undefined })
    const chmod = (to) => () => fs.chmodSync(options.files, to)
    await livesThrough(server, { begins: chmod(mode), ends: chmod(0o700), isFelt })
  })

  test('lives through a plain file in the place of its folder', async () => {
    const { files, ...options } = driver.options(tempDir())
    const server = await Server.start({ files, ...options })
    await livesThrough(server, {
      begins: () => {
        fs.renameSync(files, `${files}.away`)
        fs.writeFileSync(files, 'in the way')
      },
      ends: () => {
        fs.rmSync(files)
        fs.renameSync(`${files}.away`, files)
      },
      isFelt: 'save',
    })
  })
})

describeOurs.each(driversWith('database', isPlain))('the %s driver', (name, driver) => {
  const after = async (server) => {
    const agent = server.agent()
    await server.visit(agent, ['put', 'user', 'bob'])
    expect([(await server.visit(agent)).found.user, await server.told()]).toEqual(['bob', []])
  }

  mounting('goes to work as soon as a file system is writable that was not when it began', async () => {
    const dir = tempDir()
    const server = await Server.start({ ...driver.options(dir), wrap: onTmpfs(dir, '4m') })
    expect(await server.ask('mount', '-o', 'remount,ro', dir)).toBe('')
    const known = await visitDuring(server, server.agent('k'.repeat(40)))
    expect(known.found.error).toBe('ERR_SESSION_READ')
    const { cookies, told } = await visitDuring(server, server.agent(), ['put', 'user', 'bob'])
    expect([cookies, told]).toEqual([[], ['error ERR_SESSION_WRITE']])
    expect(await server.ask('mount', '-o', 'remount,rw', dir)).toBe('')
    await after(server)
  })

  test('goes to work as soon as its folder may be entered', async () => {
    const options = driver.options(openDir())
    const folder = path.dirname(options.files)
    const server = await Server.start({ ...options, user: isRoot ? NOBODY : undefined })
    fs.chmodSync(folder, 0o000)
    const { cookies, told } = await visitDuring(server, server.agent(), ['put', 'user', 'bob'])
    expect([cookies, told]).toEqual([[], ['error ERR_SESSION_WRITE']])
    fs.chmodSync(folder, 0o777)
    await after(server)
  })
})
