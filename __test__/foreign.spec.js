'use strict'

/*
 * What is told of errors that adapters, stores and their databases made: nothing secret.
 */

const { describeOurs, ours } = require('./support/packages')

describeOurs('an error of code that others wrote', () => {
  const { told, secretsOfConnection, secretsOfRecord } = require('../lib/foreign')
  const ID = 'A'.repeat(40)

  test('is told with its message, its code and its places in the source, and no other field', () => {
    const cause = Object.assign(new Error('no such table'), { code: 'ER_NO_SUCH_TABLE', sql: 'SELECT 1', sqlMessage: 'x' })
    const error = told(cause, [])
    expect([error.message, error.code, Object.keys(error)]).toEqual(['no such table', 'ER_NO_SUCH_TABLE', ['code']])
    expect(error.stack).toContain('foreign.spec.js')
  })

  test.each([
    ['an id', () => secretsOfRecord(ID), `no file ${ID}.json`, 'no file ….json'],
    ['a payload', () => secretsOfRecord(ID, '{"_token":"T","a":1}'), 'cannot store {"_token":"T","a":1}', 'cannot store …'],
    ['a field that is a password', () => secretsOfConnection({ user: 'bob', password: 'correct horse' }), 'bob/correct horse', 'bob/…'],
    ['a field further down', () => secretsOfConnection({ auth: { passwd: 'correct horse' } }), 'correct horse', '…'],
    ['the password of a URL', () => secretsOfConnection({ url: 'mongodb://bob:staple%2Fbattery@h1,h2/db' }), 'staple/battery', '…'],
    ['the same, not encoded', () => secretsOfConnection({ url: 'mongodb://bob:staple/it@battery@h1/db' }), 'x staple/it@battery y', 'x … y'],
    ['the same, as it was', () => secretsOfConnection({ url: 'mongodb://bob:staple%2Fbattery@h1/db' }), 'a:staple%2Fbattery@h1', 'a:…@h1'],
  ])('does not repeat %s', (what, secrets, message, expected) => {
    expect(told(new Error(message), secrets()).message).toBe(expected)
  })

  test('is not told at all where what is missing could be guessed', () => {
    const { message } = told(new Error('cannot log in as root'), secretsOfConnection({ password: 'root' }))
    expect(message).toBe('its message is withheld, because it holds something secret')
    expect(told(Object.assign(new Error('x'), { code: 'ROOT' }), ['ROOT']).code).toBeUndefined()
  })

  test('about JSON does not quote it', () => {
    let thrown
    try {
      JSON.parse('{"card":4111-1111')
    } catch (error) {
      thrown = error
    }
    expect(told(thrown, []).message).toBe('what is stored is not JSON')
  })

  test.each([[undefined], [null], [''], [5], [{ message: 7 }], [Object.create(null)]])('may be %p', (thrown) => {
    expect(told(thrown, ['secret']).message).toMatch(/^(it gave no reason|)$/)
  })

  test.each(['message', 'name', 'code', 'stack'])('may throw when its %s is read', (field) => {
    const get = () => { throw new Error('hidden') }
    expect(told(Object.defineProperty(new Error('x'), field, { get }), []).message).toBe('what went wrong cannot be read')
  })

  test('is cut where it is long', () => {
    expect(told('x'.repeat(5000), []).message.length).toBeLessThan(400)
  })

  test('is an error of the application\'s', () => {
    expect(told('no', [])).toBeInstanceOf(Error)
    expect(ours).not.toBeNull()
  })
})
