import type NodeSession = require('../../index')
import Store = require('./Store')

/** A session whose payload is sealed before it is stored: what `encrypt: true` makes. */
declare class EncryptedStore extends Store {
  /**
   * @param encrypter seals and opens payloads; `null` for the built-in encryption, which uses `secret`.
   * @param id 40 characters of `[A-Za-z0-9_-]`; anything else, or nothing, gives a new id.
   */
  constructor(
    name: string,
    handler: NodeSession.SessionHandler,
    encrypter: NodeSession.Encrypter | null | undefined,
    secret?: NodeSession.Secret | readonly NodeSession.Secret[],
    id?: string | null
  )
}

export = EncryptedStore
