import type NodeSession = require('../../index')
import type { Checked, ElementAt, KnownPath, ValueAt } from '../paths'

/**
 * The session of one visitor during one request: the class behind `req.session`.
 *
 * A key is a path: `'user'`, `'user.name'`, `'items[0].id'` or `'items.0.id'`; it is never code. Values are kept as
 * JSON: after the save a `Date` is a string, and `undefined` and functions are gone. What `get` and `all` give is live:
 * changing it changes the session.
 */
declare class Store {
  /**
   * @param name name of the session's cookie.
   * @param handler where the session is read from and written to.
   * @param id 40 characters of `[A-Za-z0-9_-]`; anything else, or nothing, gives a new id.
   */
  constructor(name: string, handler: NodeSession.SessionHandler, id?: string | null)

  /** The value at `key`, or `undefined`. A flat key of that very name is found too, when the path leads nowhere. */
  get<K extends Name>(key: K): NodeSession.SessionData[K] | undefined
  get<P extends Key>(key: Checked<Attributes, P>): Value<P> | undefined
  /**
   * The value at `key`, or `defaultValue` when that is `undefined`; `null`, `0`, `''` and `false` are values.
   * The default is not stored.
   */
  get<P extends Key>(key: Checked<Attributes, P>, defaultValue: Present<P>): Present<P>
  get<P extends Key, D>(key: Checked<Attributes, P>, defaultValue: D): Present<P> | D

  /** Whether there is a value at `key` that is neither `undefined` nor `null`. */
  has<P extends Key>(key: Checked<Attributes, P>): boolean

  /** All attributes, as the live object. */
  all(): Partial<Attributes> & { [key: string]: any }

  /** Stores `value` at `key`; missing parents are made. */
  set<P extends Key>(key: Checked<Attributes, P>, value: Value<P>): void

  /** Stores each member of `values` under its own name, which is a path like any other key. */
  put<T extends object>(values: T & Values<T>): void
  /** Stores `value` at `key`; missing parents are made. */
  put<K extends Name>(key: K, value: NodeSession.SessionData[K]): void
  put<P extends Key>(key: Checked<Attributes, P>, value: Value<P>): void

  /** Appends `value` to the array at `key`, which is made when missing. Does nothing when something else is there. */
  push<P extends Key>(key: Checked<Attributes, P>, value: ElementAt<Attributes, P>): void

  /**
   * Adds `by` to the number at `key`, where nothing and `null` count as 0. The increments of requests that overlap all
   * count, and no lock is needed for that.
   *
   * @param by Default 1.
   * @returns the sum, as this request sees it.
   * @throws {TypeError} where there is something else than a number, or the sum is not finite.
   */
  increment<P extends Key>(key: Checked<Attributes, P>, by?: number): number
  /** Subtracts `by` from the number at `key`. Otherwise as `increment`. */
  decrement<P extends Key>(key: Checked<Attributes, P>, by?: number): number

  /** Removes the value at `key` and gives it; `null` when there is none. */
  pull<P extends Key>(key: Checked<Attributes, P>): Present<P> | null
  /** Removes the value at `key` and gives it; `defaultValue` when there is none. */
  pull<P extends Key>(key: Checked<Attributes, P>, defaultValue: Present<P>): Present<P>
  pull<P extends Key, D>(key: Checked<Attributes, P>, defaultValue: D): Present<P> | D

  /** Removes what is at the keys. */
  forget<P extends Key[]>(...keys: { [I in keyof P]: Checked<Attributes, P[I]> }): void
  /** Removes what is at the keys. */
  forget(keys: readonly string[]): void

  /** Removes everything, the CSRF token and the flash data too. The id stays; the next request gets a new token. */
  flush(): void

  /** Stores `value` at `key` for this request and the next one. */
  flash<P extends Key>(key: Checked<Attributes, P>, value: Value<P>): void
  /** Flashes form input, as an array, under `_old_input`. */
  flashInput(value: any): void
  /** Keeps all flash data for one request more. */
  reflash(): void
  /** Keeps the flash data of these keys for one request more. */
  keep(...keys: string[]): void
  /** Keeps the flash data of these keys for one request more. */
  keep(keys: readonly string[]): void
  /** Removes the flash data of the request before and ages that of this one. Done by itself once a request, at its save. */
  ageFlashData(): void

  /** The CSRF token, 40 characters; `undefined` before the session is started and after `flush`. */
  getToken(): string | undefined
  /** Makes a new CSRF token. */
  regenerateToken(): void

  /** The session id, 40 characters of `[A-Za-z0-9_-]`. It belongs in no log. */
  getId(): string
  /** Sets the id; anything but 40 characters of `[A-Za-z0-9_-]`, or nothing, gives a new one. */
  setId(id?: string | null): void
  /** The name of the session's cookie. */
  getName(): string
  /** Where the session is read from and written to. */
  getHandler(): NodeSession.SessionHandler
  /** Passes `exists` on to the handler's `setExists`, when it has one. */
  setExists(exists: boolean): void

  /**
   * Gives the session a new id; attributes and CSRF token stay.
   *
   * Call `regenerate(true)` at every log-in: an id that an attacker knows is then worth nothing. What other requests have
   * stored under the old id by the time of the save is taken along. Requests that are still using the old id when its
   * record is removed store nothing more, and cause the event `'gone'`.
   *
   * @param destroy removes what is stored under the old id. Default `false`: it stays valid until it has been idle for `lifetime`.
   * @returns whether the id changed. Once the headers have been sent it cannot: the visitor would not learn it.
   */
  regenerate(destroy?: boolean): boolean
  /**
   * The same, saved at once.
   *
   * @param callback gets the error of that save; `ERR_SESSION_WRITE` when the headers have been sent.
   */
  regenerate(destroy: boolean, callback: NodeSession.Callback): void
  /** The same as `regenerate(true, callback)`. */
  regenerate(callback: NodeSession.Callback): void
  /** The same as `regenerate`. */
  migrate(destroy?: boolean): boolean
  migrate(destroy: boolean, callback: NodeSession.Callback): void
  migrate(callback: NodeSession.Callback): void

  /**
   * Logs the visitor out: removes all attributes, gives the session a new id and a new CSRF token, and removes the old
   * record, all at once. Requests that are still using the old session store nothing more. Once the headers have been
   * sent the id stays, with a warning, and only the attributes go.
   *
   * @param callback gets the error of the save.
   */
  invalidate(callback: NodeSession.Callback): void
  /** The same without a callback. */
  invalidate(): Promise<void>

  /**
   * Ends the session: removes its record, and its cookie with this response. What is put into it afterwards is not stored.
   * Requests that are still using it store nothing more, and cause the event `'gone'`.
   *
   * @param callback gets the error when the record could not be removed; that is tried once more when the response ends.
   */
  destroy(callback: NodeSession.Callback): void
  /** The same without a callback. */
  destroy(): Promise<void>

  /**
   * Loads the session and makes its CSRF token if it has none. `startSession` has done this for `req.session`.
   *
   * @param callback gets an error when the session cannot be loaded, as that of `startSession` does.
   */
  start(callback: NodeSession.Callback): void
  /** The same without a callback. */
  start(): Promise<void>

  /**
   * Saves the session now. The end of the response does it by itself; call it before you stream, or to see the error.
   * An application may put its own function in its place: the end of the response then calls that.
   *
   * @param callback gets `ERR_SESSION_WRITE`, `_TOO_LARGE`, `_DEPTH`, `_SERIALIZE`, `_GONE` or `_LOCK_LOST`; what is stored
   * is then unchanged. After `ERR_SESSION_TIMEOUT` it may have been stored or not.
   */
  save(callback: NodeSession.Callback): void
  /** The same without a callback. */
  save(): Promise<void>

  /** Turns stored text into JSON. May be overridden; gives it back as it is. */
  __prepareForParse(data: string): string
  /** Turns JSON into the text to store. May be overridden; gives it back as it is. */
  __prepareForStorage(data: string): string

  /** Fields of node-session 1.x, kept for code that reads them; the methods above are the way to them. */
  readonly __id: string
  readonly __name: string
  readonly __handler: NodeSession.SessionHandler
  readonly __attributes: { [key: string]: any }
  readonly __started: boolean
}

/** What a session holds: the application's data, and what the session itself keeps there. */
type Attributes = NodeSession.SessionData & { _token: string }

/** A declared name. The overloads for it alone serve functions that are generic over it. */
type Name = keyof NodeSession.SessionData & string

/** Any text; the declared paths are spelt out so that editors offer them. */
type Key = KnownPath<Attributes> | (string & {})

type Value<P extends string> = ValueAt<Attributes, P>

type Present<P extends string> = Exclude<Value<P>, undefined>

type Values<T> = { [K in keyof T]: K extends string ? Value<K> : any }

export = Store
