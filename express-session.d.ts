/// <reference types="node" />

import { EventEmitter } from 'events'
import type NodeSession = require('./index')

/**
 * A store for express-session and `@fastify/session` over the drivers of this package.
 *
 * Each method calls back, never at once, or gives a promise where there is no callback. The last `set` of a session stands.
 *
 * @example
 * const session = require('express-session')
 * const Store = require('node-session/express-session')
 * app.use(session({ secret, store: new Store({ driver: 'database' }), resave: false, saveUninitialized: false }))
 */
declare class Store extends EventEmitter<Store.Events> {
  /**
   * @param options where and how sessions are stored; or a NodeSession, whose storage is then used
   * @throws {NodeSession.SessionError} `ERR_SESSION_CONFIG`, naming the option and what it must be
   */
  constructor(options?: Store.Options | NodeSession)

  /** The session of an id; `undefined` when there is none, or when it has expired. */
  get(id: string): Promise<Store.Stored | undefined>
  get(id: string, callback: (error: Store.Failure, session?: any) => void): void

  /**
   * Stores a session as it is now, in the place of what is stored; also one that was destroyed meanwhile. It expires with its
   * cookie (`expires`, else `maxAge`), and after the option `lifetime` when that tells no end.
   */
  set(id: string, session: Store.Stored): Promise<void>
  set(id: string, session: Store.Stored, callback?: (error?: any) => void): void

  /** Lets a session live on until its cookie expires. What is stored of it is not written again. */
  touch(id: string, session: Store.Stored): Promise<void>
  touch(id: string, session: Store.Stored, callback?: (error?: any) => void): void

  /** Removes a session. */
  destroy(id: string): Promise<void>
  destroy(id: string, callback?: (error?: any) => void): void

  /** All sessions that have not expired, each with its `id`. */
  all(): Promise<Store.Listed[]>
  all(callback: (error: Store.Failure, sessions?: any) => void): void

  /** The ids of all sessions that have not expired. */
  ids(): Promise<string[]>
  ids(callback: (error: Store.Failure, ids?: string[]) => void): void

  /** How many sessions have not expired. Reads them all. */
  length(): Promise<number>
  length(callback: (error: Store.Failure, length?: number) => void): void

  /** Removes all sessions of this store. */
  clear(): Promise<void>
  clear(callback?: (error?: any) => void): void

  /** Ends a request's session and begins another one. For express-session. */
  regenerate(request: any, callback: (error?: any) => any): void
  /** The session of an id, with its methods. */
  load(id: string, callback: (error: any, session?: any) => any): void
  /** Makes a request's session of what was stored. For express-session. */
  createSession(request: any, session: any): any

  /**
   * Waits for what is under way, but not for longer than five seconds, and closes connections to a server, unless they are a
   * NodeSession's.
   */
  close(): Promise<void>
}

declare namespace Store {
  export { Store }

  /** The options of a NodeSession that tell where and how sessions are stored. */
  export interface Options extends Pick<
    NodeSession.Options,
    | 'driver' | 'files' | 'connection' | 'table' | 'durability' | 'maxSessions' | 'maxBytes' | 'lottery' | 'readTimeout'
    | 'saveTimeout' | 'encrypt' | 'onCorrupt'
  > {
    /**
     * How long a session lives whose cookie tells no end, in milliseconds since it was last stored or touched.
     * @default 86400000
     */
    lifetime?: number | undefined
    /**
     * Shortest time between two records of a session's activity, in milliseconds. A session may outlive its cookie by as much.
     * @default 0
     */
    touchInterval?: number | undefined
    /** Seals what is stored when `encrypt` is on; not needed otherwise. It does not sign the cookie, which is not the store's. */
    secret?: NodeSession.Options['secret'] | undefined
  }

  /** What a store keeps of a session. */
  export interface Stored {
    cookie: any
    [key: string]: any
  }

  /** A session among others. */
  export interface Listed extends Stored {
    id: string
  }

  /** What a callback gets in its first place. */
  export type Failure = NodeSession.SessionError | null

  export interface Events {
    /** The storage answers: after the start, and again after each `'disconnect'`. */
    connect: []
    /** The storage does not answer. express-session then goes on without sessions. */
    disconnect: []
    /** What is stored of a session cannot be used; the visitor gets a new one. */
    corrupt: [error: NodeSession.SessionError]
  }
}

export = Store
