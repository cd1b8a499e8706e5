'use strict'

/**
 * Errors of code that others wrote (adapters, stores, their databases), as causes that may be logged: without ids, payloads
 * and passwords.
 */

/** A secret of fewer characters could be guessed from what is missing. */
const GUESSABLE = 8
/** Longest message that is repeated. */
const LONGEST = 300
/** How deep the settings of a connection are looked through. */
const DEPTH = 4

const WITHHELD = 'its message is withheld, because it holds something secret'

/**
 * An error to be told in the place of one that others made.
 *
 * Only the message, the code and the places in the source are taken over: other fields hold whole statements and rows. Never
 * throws, also where reading the error does.
 *
 * @private
 * @param {unknown} thrown
 * @param {string[]} secrets texts that must not appear
 * @returns {Error & {code?: string}}
 */
function told(thrown, secrets) {
  try {
    return retold(thrown, secrets)
  } catch {
    return new Error('what went wrong cannot be read')
  }
}

function retold(thrown, secrets) {
  const error = new Error(withoutSecrets(messageOf(thrown), secrets))
  const code = thrown?.code
  if (typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) && !secrets.includes(code)) error.code = code
  const places = String(thrown?.stack ?? '').split('\n').filter((line) => /^ {4}at /.test(line))
  if (places.length > 0) error.stack = [`Error: ${error.message}`, ...places].join('\n')
  return error
}

function messageOf(thrown) {
  // V8 quotes the text that it could not parse.
  if (thrown?.name === 'SyntaxError') return 'what is stored is not JSON'
  const message = thrown?.message ?? thrown
  return typeof message === 'string' ? message : 'it gave no reason'
}

function withoutSecrets(message, secrets) {
  let told = message
  // The longest first: what is left of one after a part of it was taken out would be told.
  for (const secret of [...secrets].sort((one, other) => other.length - one.length)) {
    if (secret === '' || !told.includes(secret)) continue
    if (secret.length < GUESSABLE) return WITHHELD
    told = told.replaceAll(secret, '…')
  }
  return told.length > LONGEST ? `${told.slice(0, LONGEST)}…` : told
}

/**
 * What an error about one record must not repeat.
 *
 * @private
 * @param {string} id
 * @param {string} [payload]
 * @returns {string[]}
 */
function secretsOfRecord(id, payload) {
  if (payload === undefined || payload === '') return [id]
  // Who quotes a payload quotes its beginning, as it is or as a JSON string.
  return [id, payload, payload.slice(0, 16), JSON.stringify(payload).slice(1, 17)]
}

/**
 * The passwords in the settings of a connection: fields that are named so, and those of URLs.
 *
 * @private
 * @param {unknown} settings
 * @returns {string[]}
 */
function secretsOfConnection(settings, depth = DEPTH) {
  if (typeof settings !== 'object' || settings === null || depth === 0) return []
  return Object.entries(settings).flatMap(([name, value]) => {
    if (typeof value !== 'string') return secretsOfConnection(value, depth - 1)
    const isNamed = /pass|pwd|secret|token|credential|key/i.test(name)
    return [...(isNamed ? [value] : []), ...passwordsOf(value)].flatMap(spellings)
  })
}

/** What can be the password in a URL: one that is not encoded may hold `@` and `/` itself. */
function passwordsOf(url) {
  const patterns = [/^[a-z][a-z0-9+.-]*:\/\/[^:/@]*:([^@]*)@/i, /^[a-z][a-z0-9+.-]*:\/\/[^:/@]*:(.*)@/i]
  return patterns.map((pattern) => pattern.exec(url)?.[1]).filter(Boolean)
}

function spellings(secret) {
  try {
    return [secret, encodeURIComponent(secret), decodeURIComponent(secret)]
  } catch {
    return [secret]
  }
}

module.exports = { told, secretsOfRecord, secretsOfConnection }
