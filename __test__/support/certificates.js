'use strict'

/*
 * Certificates of an authority that only a test knows, made by openssl.
 */

const { spawnSync } = require('child_process')
const fs = require('fs')
const path = require('path')

const { tempDir } = require('./cleanup')

const NAMES = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function openssl(...args) {
  const { status, stderr, error } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl: ${error ?? stderr}`)
}

/** The paths `{ca, cert, key}` of an authority's certificate, and of one of its own for `localhost` and 127.0.0.1. */
function makeCertificates(dir = tempDir()) {
  const file = (name) => path.join(dir, name)
  openssl('req', '-x509', ...NEW_KEY, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '2', '-subj', '/CN=test authority')
  openssl('req', ...NEW_KEY, '-keyout', file('key.pem'), '-out', file('request.pem'), '-subj', '/CN=localhost')
  fs.writeFileSync(file('names'), NAMES)
  openssl('x509', '-req', '-in', file('request.pem'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial',
    '-out', file('cert.pem'), '-days', '2', '-extfile', file('names'))
  return { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') }
}

/**
 * The paths `{cert, key}` of a certificate for the same names that nobody else has signed; an authority's by its own word, as
 * openssl makes it unless it is told otherwise.
 */
function makeSelfSigned({ isAuthority = true } = {}) {
  const dir = tempDir()
  const file = (name) => path.join(dir, name)
  const extensions = ['-addext', NAMES, ...(isAuthority ? [] : ['-addext', 'basicConstraints=critical,CA:FALSE'])]
  openssl('req', '-x509', ...NEW_KEY, '-keyout', file('key.pem'), '-out', file('cert.pem'), '-days', '2', '-subj', '/CN=localhost', ...extensions)
  return { cert: file('cert.pem'), key: file('key.pem') }
}

module.exports = { makeCertificates, makeSelfSigned }
