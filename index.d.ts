/// <reference types="node" />

import { EventEmitter } from 'events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'http'
import type { Http2ServerRequest, Http2ServerResponse } from 'http2'
import SessionManager = require('./lib/SessionManager')
import Store = require('./lib/store/Store')
import EncryptedStore = require('./lib/store/EncryptedStore')
import FileSessionHandler = require('./lib/handler/FileSessionHandler')
import MemorySessionHandler = require('./lib/handler/MemorySessionHandler')
import DatabaseSessionHandler = require('./lib/handler/DatabaseSessionHandler')
import type {
  ConnectionTls, RedisAddress, RedisConnection, SqlConnection, SqliteConnection, WaterlineConnection,
} from './lib/connection'

/**
 * Sessions for Express, Connect and plain `http` servers: one object serves all requests of an application.
 *
 * @example
 * const NodeSession = require('node-session')
 * const sessions = new NodeSession({ secret: process.env.SESSION_SECRET })
 * app.use((req, res, next) => sessions.startSession(req, res, next))
 */
declare class NodeSession extends EventEmitter<NodeSession.Events> {
  /**
   * Checks the options and opens nothing: storage is first used by the first request.
   *
   * @param encrypter replaces the built-in encryption of `encrypt: true`.
   * @throws {NodeSession.SessionError} `ERR_SESSION_CONFIG`, naming the option and what it must be. Only the driver's
   * name is checked later, at the first request, since `registerHandler` may still add it.
   */
  constructor(options: NodeSession.Options, encrypter?: NodeSession.Encrypter | null)

  /**
   * Loads the session of a request into `request.session` and sees to it that it is saved before the response ends.
   *
   * Calling it twice for one request is the same as calling it once. With the memory driver the callback runs before
   * `startSession` returns; with the other built-in drivers it always runs later.
   *
   * @param callback called once, when the session can be used. It gets an error when the session cannot be loaded:
   * `ERR_SESSION_READ`, `_TIMEOUT`, `_LOCK_TIMEOUT`, or what `onCorrupt: 'error'` reports. If the application goes on all
   * the same, `request.session` is detached: it works during this request, is not saved, and sends no cookie.
   */
  startSession(request: NodeSession.Request, response: NodeSession.Response, callback: NodeSession.Callback): void
  /**
   * The same without a callback.
   *
   * @returns the session, which is `request.session` too.
   * @throws {NodeSession.SessionError} (as a rejection) the same errors.
   */
  startSession(request: NodeSession.Request, response: NodeSession.Response): Promise<NodeSession.Store>
  /**
   * The same, locked otherwise than the options of the NodeSession say.
   *
   * @param options those of this call. Only the first call for a request decides.
   * @throws {NodeSession.SessionError} `ERR_SESSION_CONFIG` at once, for options that there are not or that cannot be so.
   */
  startSession(
    request: NodeSession.Request,
    response: NodeSession.Response,
    options: NodeSession.LockOptions | null | undefined,
    callback: NodeSession.Callback,
  ): void
  startSession(
    request: NodeSession.Request,
    response: NodeSession.Response,
    options: NodeSession.LockOptions | null | undefined,
  ): Promise<NodeSession.Store>

  /**
   * Gives a session with the id that the request's cookie names, or a new id; not loaded yet: call `start` on it.
   *
   * Touches no response, so it serves where there is none, such as a WebSocket upgrade.
   */
  getSession(request: NodeSession.CookieSource, callback: (session: NodeSession.Store) => void): void

  /** Replaces the encrypter of sessions that are opened from now on. */
  setEncrypter(encrypter: NodeSession.Encrypter): void

  /** What has happened since this NodeSession was made, as counts. */
  stats(): NodeSession.Stats

  /**
   * Asks the storage whether it answers, within `readTimeout`: for health checks, and for an application that would rather not
   * listen before its storage is there. Requests do not need it. May be called again.
   *
   * @throws {SessionError} as a rejection: what a request would be told, such as `ERR_SESSION_READ` or `ERR_SESSION_TIMEOUT`
   */
  ready(): Promise<void>

  /**
   * Waits until the saves that are under way have ended, but not for longer than five seconds, and closes connections to
   * database servers. May be called again; what is stored or loaded after it makes new connections.
   */
  close(): Promise<void>

  /** The options with their defaults. Kept for code written against node-session 1.x; holds the secret, so never log it. */
  readonly __config: NodeSession.Options

  /** The manager, which is where JavaScript handlers are registered. */
  readonly __manager: NodeSession.SessionManager
}

declare namespace NodeSession {
  export { Store, EncryptedStore, SessionManager, FileSessionHandler, MemorySessionHandler, DatabaseSessionHandler }
  export { SqliteConnection, WaterlineConnection, RedisConnection, RedisAddress, SqlConnection, ConnectionTls }

  /**
   * What the application keeps in its sessions. Empty here; declare yours, and `get`, `put`, `pull`, `push`, `flash`
   * and `all` are typed by it. Keys that are not declared stay `any`.
   *
   * @example
   * declare module 'node-session' {
   *   interface SessionData {
   *     user: { id: number, name: string }
   *     views: number
   *   }
   * }
   */
  export interface SessionData {}

  /** The options of `new NodeSession(options)`. One that is `undefined` has its default. */
  export interface Options extends LockOptions {
    /**
     * Signs the cookie, and seals payloads when `encrypt` is on. Required.
     *
     * Use at least 32 random bytes; fewer are accepted with a warning. A string counts as UTF-8. In an array the first
     * secret signs and seals, and every one of them verifies and opens: put a new secret in front to change it.
     */
    secret: Secret | readonly Secret[]

    /**
     * Where sessions are stored: a built-in driver, or a name given to `registerHandler`.
     * `'native'` is another name for `'file'`.
     * @default what `connection` asks for, `'redis'` or `'database'`; without one, or with that of a Waterline adapter, `'file'`
     */
    driver?: 'file' | 'memory' | 'database' | 'redis' | 'native' | (string & {}) | undefined

    /**
     * Where sessions are stored, in place of a `driver`: a store that was made for express-session. Its records live for
     * `lifetime` and a tenth of it, at most a minute more. The store is the application's: `close()` leaves it open.
     */
    store?: ExpressStore | false | null | undefined

    /**
     * Idle time, in milliseconds since the session's last request, after which the session ends.
     *
     * It is also the cookie's `Max-Age`, in whole seconds, and its `Expires`, unless `expireOnClose` is set. `0` gives
     * a cookie that lasts until the browser closes, and an idle time of 24 hours.
     * @default 300000
     */
    lifetime?: number | undefined

    /**
     * Leaves `Max-Age` and `Expires` out, so that the cookie lasts until the browser closes. `lifetime` goes on
     * limiting the idle time on the server.
     * @default false
     */
    expireOnClose?: boolean | undefined

    /**
     * Folder of the file driver, made when it is missing. Only files whose name is a session id are ever touched.
     * @default `${process.cwd()}/sessions`
     */
    files?: string | undefined

    /**
     * Database of the drivers `'database'` and `'redis'`: its fields, or a URL such as `'postgres://user:password@host/database'`.
     * @default false, which is an SQLite database in the file `<files>.sqlite`; with the driver `'redis'`, Redis on this machine
     */
    connection?: false | string | SqliteConnection | RedisConnection | SqlConnection | WaterlineConnection | undefined

    /**
     * Table of the database driver, made when it is missing. A letter or `_`, then up to 62 letters, digits, `_` and `$`.
     * @default 'sessions'
     */
    table?: string | undefined
    /** Whether a missing `table` is made, or is an error of each request. @default true */
    createTable?: boolean | undefined

    /**
     * Odds that a request starts the removal of idle sessions, as `[hits, outOf]`. `false` switches it off; idle
     * sessions are never loaded in either case.
     * @default [2, 100]
     */
    lottery?: readonly [hits: number, outOf: number] | false | undefined

    /**
     * Name of the cookie. `__Host-` and `__Secure-` names need the options that browsers ask of them.
     * @default 'node_session'
     */
    cookie?: string | undefined

    /**
     * `Path` of the cookie. `''` leaves the attribute out.
     * @default '/'
     */
    path?: string | null | undefined

    /**
     * `Domain` of the cookie. Unset, the cookie belongs to the one host that sent it.
     * @default null
     */
    domain?: string | null | undefined

    /**
     * Sends the cookie over https only. On a request that is not secure (see `trustProxy`) no cookie is sent at all.
     * @default false
     */
    secure?: boolean | undefined

    /**
     * Hides the cookie from JavaScript in the browser.
     * @default true
     */
    httpOnly?: boolean | undefined

    /**
     * `SameSite` of the cookie. `true` is `'strict'`; `'none'` needs `secure`.
     * @default unset, as with `false`: the attribute is left out, and the browser decides
     */
    sameSite?: 'lax' | 'strict' | 'none' | boolean | undefined

    /**
     * `Partitioned`: a cookie jar for each top-level site. Needs `secure`.
     * @default false
     */
    partitioned?: boolean | undefined

    /**
     * `Priority` of the cookie, for browsers that evict by it.
     * @default unset: the attribute is left out
     */
    priority?: 'low' | 'medium' | 'high' | undefined

    /**
     * Seals stored payloads with AES-256-GCM, or with the `encrypter` given to the constructor.
     * @default false
     */
    encrypt?: boolean | undefined

    /**
     * With `encrypt`, also reads payloads that node-session 1.x encrypted; they are sealed anew at their next save.
     * @default true
     */
    legacyPayloads?: boolean | undefined

    /**
     * Which proxies may say, by `X-Forwarded-Proto`, that a request came over https: all (`true`), the nearest so many,
     * addresses and networks (`'loopback'`, `'10.0.0.0/8'`, `'loopback, 10.0.0.1'`, or an array of these; also
     * `'linklocal'` and `'uniquelocal'`), or a function.
     * @default false
     */
    trustProxy?: boolean | number | string | readonly string[] | TrustProxy | undefined

    /** Used in place of what `trustProxy` says, when `trustProxy` is set. */
    trustProxyFn?: TrustProxy | undefined

    /**
     * Deepest nesting of objects and arrays that is saved, in levels. Deeper: `ERR_SESSION_DEPTH`.
     * @default 1000
     */
    maxDepth?: number | undefined

    /**
     * Largest payload that is saved or loaded, in bytes of its stored text. Larger: `ERR_SESSION_TOO_LARGE`.
     * @default 1048576
     */
    maxBytes?: number | undefined

    /**
     * Most sessions that the memory driver holds; beyond it, those idle the longest go first.
     * @default 1000000
     */
    maxSessions?: number | undefined

    /**
     * What a save that was reported as done survives: the end of the process, or (`'disk'`) also a loss of power.
     * For the file and database drivers. With `'process'` a loss of power can undo the saves of the last seconds, and cost a session
     * file that was saved in the last of them.
     * @default 'process'
     */
    durability?: 'process' | 'disk' | undefined

    /**
     * What happens when the stored session is damaged, cannot be decrypted or is too large: the visitor gets a new session
     * under a new id (`'fresh'`), or the callback of `startSession` gets the error and the session is detached (`'error'`).
     * The record is left as it is either way.
     * @default 'fresh'
     */
    onCorrupt?: 'fresh' | 'error' | undefined

    /**
     * Sends the cookie with every response. Otherwise only with those of a session that is new, changed or renamed, or
     * whose activity was recorded; `touchInterval` then is a tenth of `lifetime`, at most 60000 ms, for every driver.
     * @default true
     */
    rolling?: boolean | undefined

    /**
     * Answers 500 when the session cannot be saved and the headers have not been sent. Otherwise the response is
     * delivered as it is and the `'error'` event tells of the loss.
     * @default false
     */
    strictSave?: boolean | undefined

    /**
     * Shortest time between two records of a session's activity, in milliseconds since the last one. A session may
     * outlive `lifetime` by as much, and is never cut short.
     * @default 0 for the memory and file drivers; for the database driver, and without `rolling`, a tenth of `lifetime`, at most 60000
     */
    touchInterval?: number | undefined

    /**
     * Longest time that `startSession` waits for the storage, in milliseconds from 1 to 2147483647. Then its callback gets
     * `ERR_SESSION_TIMEOUT`, and the session is detached.
     * @default 2000
     */
    readTimeout?: number | undefined

    /**
     * Longest time that a save waits for the storage and for earlier saves of the session, in milliseconds from 1 to
     * 2147483647. Then the response is delivered, and the `'error'` event tells of `ERR_SESSION_TIMEOUT`. What was being
     * written may be stored or not.
     * @default 2000
     */
    saveTimeout?: number | undefined
  }

  /** How the requests of one session take turns. */
  export interface LockOptions {
    /**
     * Lets a request have its session to itself, from `startSession` to the end of its response, among those that want the
     * same: for values that are read, worked on and written back.
     * @default false
     */
    lock?: boolean | undefined

    /**
     * Longest time that a request has its session to itself, in milliseconds from 1 to 2147483647, counted from when it got
     * the lock. Then the next may have it; if one takes it, what the first still saves is `ERR_SESSION_LOCK_LOST`.
     * @default 10000
     */
    lockLease?: number | undefined

    /**
     * Longest time that a request waits for the lock, in milliseconds from 1 to 2147483647. Then the callback of
     * `startSession` gets `ERR_SESSION_LOCK_TIMEOUT`, and the session is detached.
     * @default 10000
     */
    lockWait?: number | undefined
  }

  /** What is asked of a store that was made for express-session. One that emits `'disconnect'` and `'connect'` is listened to. */
  export interface ExpressStore {
    get(sid: string, callback: (error?: any, session?: any) => void): unknown
    set(sid: string, session: any, callback?: (error?: any) => void): unknown
    destroy(sid: string, callback?: (error?: any) => void): unknown
    /** Lets a session live longer; without it, it is stored again. */
    touch?(sid: string, session: any, callback?: (error?: any) => void): unknown
  }

  /** Text, taken as UTF-8, or bytes (a `Buffer` is a `Uint8Array`). */
  export type Secret = string | Uint8Array

  /** Whether to believe the proxy at `address`, which is `hop` steps away; the socket's peer is hop 0. */
  export type TrustProxy = (address: string, hop: number) => boolean

  /** Seals payloads in place of the built-in encryption. Both functions are synchronous; `decrypt` throws when it cannot. */
  export interface Encrypter {
    encrypt(text: string): string
    decrypt(text: string): string
  }

  /** A request of `http`, `https` or the HTTP/2 compatibility interface, so those of Express and Connect too. */
  export type Request = IncomingMessage | Http2ServerRequest
  export type Response = ServerResponse | Http2ServerResponse

  /** What is needed to find a session: headers, and `signedCookies` where cookie-parser has run. */
  export interface CookieSource {
    headers: IncomingHttpHeaders
    signedCookies?: any
  }

  /**
   * A request after `startSession`.
   *
   * Express applications import `node-session/express` instead, which declares `req.session` once and for all.
   */
  export type WithSession<R extends object = IncomingMessage> = R & { session: Store }

  /** Gets an error, or nothing. */
  export type Callback = (error?: SessionError | null) => void

  /** Events of a NodeSession, with the arguments of their listeners. */
  export interface Events {
    /** A session could not be saved or destroyed, or a detached one was changed. The response was delivered. */
    error: [error: SessionError, request: Request, response: Response]
    /** What is stored under the visitor's id cannot be read as a session; it was left alone, the visitor got a new one. */
    corrupt: [error: SessionError, request: Request]
    /** The record was removed while the request ran; what the request changed was not stored. */
    gone: [error: SessionError, request: Request, response: Response]
    /**
     * The request changed a value in place that another request had removed meanwhile: that change was dropped, so that a
     * log-out is not undone. All else that the request did was stored. The error's code is `ERR_SESSION_GONE`.
     */
    conflict: [error: SessionError, request: Request, response: Response]
  }

  /** What has happened since a NodeSession was made. Each count only grows. */
  export interface Stats {
    /** Records created. */
    created: number
    /** Records removed by `regenerate(true)`, `migrate(true)`, `invalidate()` and `destroy()`. */
    destroyed: number
    /** Saves that were done again on top of another request's save. They lose nothing; the event `'conflict'` is another thing. */
    conflicts: number
    /** Saves whose record had been removed. */
    gone: number
    /** Records that could not be used. */
    corrupt: number
    /** Loads that failed. */
    readErrors: number
    /** Saves that failed. */
    writeErrors: number
    /** Idle records removed by sweeps. */
    swept: number
  }

  /** `error.code`: why something failed. */
  export type ErrorCode =
    /** An option is missing or not one of the allowed values. */
    | 'ERR_SESSION_CONFIG'
    /** The storage could not be read. */
    | 'ERR_SESSION_READ'
    /** The storage could not be written. */
    | 'ERR_SESSION_WRITE'
    /** The storage did not answer in time. */
    | 'ERR_SESSION_TIMEOUT'
    /**
     * The record was destroyed or renamed while the request ran; nothing was written. With the event `'conflict'`, only
     * what the request changed in place was removed.
     */
    | 'ERR_SESSION_GONE'
    /** A stored payload is not the text of a session. */
    | 'ERR_SESSION_CORRUPT'
    /** A stored payload does not authenticate under any of the secrets. */
    | 'ERR_SESSION_DECRYPT'
    /** A payload is larger than `maxBytes`. */
    | 'ERR_SESSION_TOO_LARGE'
    /** Attributes are nested deeper than `maxDepth`. */
    | 'ERR_SESSION_DEPTH'
    /** A value cannot be turned into JSON. */
    | 'ERR_SESSION_SERIALIZE'
    /** The session's lock was not free in time, or the connection closed while the request waited. */
    | 'ERR_SESSION_LOCK_TIMEOUT'
    /** The lock ran out and another request had the session since; nothing was written. */
    | 'ERR_SESSION_LOCK_LOST'
    /** A CSRF token is missing or wrong. */
    | 'ERR_SESSION_CSRF'
    /** A fault of this package. */
    | 'ERR_SESSION_INTERNAL'

  /** Every error this package reports. The message never holds a session id, a secret or a payload. */
  export class SessionError extends Error {
    private constructor()
    readonly code: ErrorCode
    /** What went wrong further down; its `code` is the system's or the database's own, such as `ENOSPC`. */
    readonly cause?: Error & { code?: string }
  }

  /**
   * A driver written in JavaScript. `registerHandler` makes it known.
   *
   * A payload is text; `id` is always 40 characters of `[A-Za-z0-9_-]`. Every callback is called once.
   */
  export interface SessionHandler {
    /** Gives the payload, `''` when there is none, or an `Error` when the storage cannot be read. */
    read(id: string, callback: (payload: string | Error | null | undefined) => void): void
    /** Stores the payload in place of what is there. */
    write(id: string, payload: string, callback: (error?: Error | null) => void): void
    /** Removes the payload; one that is not there is a success. Awaited when it takes a second parameter. */
    destroy(id: string, callback?: (error?: Error | null) => void): void
    /**
     * Records that the session was active just now; `payload` is what is stored. Asked in place of `write` where nothing else
     * has changed, if it takes three parameters.
     */
    touch?(id: string, payload: string, callback: (error?: Error | null) => void): void
    /** Removes sessions that have been idle for longer than `maxAge`, in milliseconds. */
    gc?(maxAge: number): void
    /** Told `false` when the session goes on under a new id. */
    setExists?(exists: boolean): unknown
  }
}

export = NodeSession
