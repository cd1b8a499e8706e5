import type NodeSession = require('../../index')

/** Keeps each session in a file of its own, named by the session id. */
declare class FileSessionHandler implements NodeSession.SessionHandler {
  /** @param path the folder, made when it is missing. */
  constructor(path: string)
  read(id: string, callback: (payload: string | Error) => void): void
  write(id: string, payload: string, callback?: (error?: Error | null) => void): void
  destroy(id: string, callback?: (error?: Error | null) => void): void
  /** @param maxAge idle time in milliseconds, from the last write. */
  gc(maxAge: number): void
}

export = FileSessionHandler
