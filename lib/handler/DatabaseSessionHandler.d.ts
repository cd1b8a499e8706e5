import type NodeSession = require('../../index')

/** Keeps sessions in a table, through a Waterline-style model that the application brings. */
declare class DatabaseSessionHandler implements NodeSession.SessionHandler {
  constructor(model: DatabaseSessionHandler.Model)
  read(id: string, callback: (payload: string | Error) => void): void
  write(id: string, payload: string, callback?: (error?: Error | null) => void): void
  destroy(id: string, callback?: (error?: Error | null) => void): void
  /** @param maxAge idle time in milliseconds, from `lastActivity`. */
  gc(maxAge: number): void
  /** @param exists whether `write` is to update a row that is there. */
  setExists(exists: boolean): this
}

declare namespace DatabaseSessionHandler {
  /** A row. `payload` is the session's text as a JSON string; `lastActivity` is in milliseconds since 1970. */
  interface Row {
    id: string
    payload: string
    lastActivity: number
  }

  /** The four calls that are made on a Waterline model. */
  interface Model {
    findOne(id: string, callback: (error: any, row?: Row | null) => void): unknown
    create(row: Row, callback: (error?: any, row?: any) => void): unknown
    update(id: string, values: Omit<Row, 'id'>, callback: (error?: any, rows?: any) => void): unknown
    destroy(criteria: string | { lastActivity: { '<': number } }, callback: (error?: any) => void): unknown
  }
}

export = DatabaseSessionHandler
