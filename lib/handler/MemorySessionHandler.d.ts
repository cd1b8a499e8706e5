import type NodeSession = require('../../index')

/** Keeps sessions in an object, by session id. Every callback runs at once. */
declare class MemorySessionHandler implements NodeSession.SessionHandler {
  /** @param sessions the object; best one without a prototype, `Object.create(null)`. */
  constructor(sessions: { [id: string]: string })
  read(id: string, callback: (payload: string | Error) => void): void
  write(id: string, payload: string, callback: (error?: Error | null) => void): void
  destroy(id: string, callback?: (error?: Error | null) => void): void
}

export = MemorySessionHandler
