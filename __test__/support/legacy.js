'use strict'

/*
 * The text that node-session 1.2.1 stores with `encrypt: true`, made without crypto.createCipher, which left Node with version
 * 22 (compat.md E2): AES-256-CTR under a key and counter that OpenSSL's EVP_BytesToKey gives for the secret, and HMAC-SHA1.
 */

const crypto = require('crypto')

/** Key and counter: MD5 chained over the secret until there are 48 bytes. */
function keyAndCounter(secret) {
  let bytes = Buffer.alloc(0)
  let block = Buffer.alloc(0)
  while (bytes.length < 48) {
    block = crypto.createHash('md5').update(block).update(secret).digest()
    bytes = Buffer.concat([bytes, block])
  }
  return [bytes.subarray(0, 32), bytes.subarray(32, 48)]
}

function legacySeal(text, secret) {
  const cipher = crypto.createCipheriv('aes-256-ctr', ...keyAndCounter(secret))
  const ct = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]).toString('base64')
  return JSON.stringify({ ct, mac: crypto.createHmac('sha1', secret).update(ct).digest('base64') })
}

module.exports = { legacySeal }
