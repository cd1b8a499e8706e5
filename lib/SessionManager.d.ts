import type NodeSession = require('../index')
import type Store = require('./store/Store')

/** Makes sessions for a driver, and knows the JavaScript handlers. A NodeSession has one as `__manager`. */
declare class SessionManager {
  /** @param options the same as NodeSession's, except that `secret` may be missing where nothing is signed or sealed. */
  constructor(options: SessionManager.Options, encrypter?: NodeSession.Encrypter | null)

  /** The driver named by the options. */
  getDefaultDriver(): string

  /**
   * Gives a new session, not yet loaded, on a driver.
   *
   * @param name `null` for the default driver.
   * @throws {Error} `Driver x not supported.`
   */
  driver(name: string | null | undefined, callback: (session: Store) => void): void

  /**
   * Makes a JavaScript handler known as a driver; it comes before a built-in driver of the same name.
   *
   * @example
   * sessions.__manager.registerHandler('mine', (options, callback) => {
   *   callback(sessions.__manager.__buildSession(new MyHandler(options)))
   * })
   */
  registerHandler(name: string, creator: SessionManager.Creator): this

  /** Makes the session that a creator calls back with: sealed when `encrypt` is on. */
  __buildSession(handler: NodeSession.SessionHandler): Store

  /** Replaces the encrypter of sessions that are made from now on. */
  setEncrypter(encrypter: NodeSession.Encrypter): void
}

declare namespace SessionManager {
  type Options = Omit<NodeSession.Options, 'secret'> & Partial<Pick<NodeSession.Options, 'secret'>>

  /** Calls back with a session (not with a bare handler) for each request. */
  type Creator = (options: NodeSession.Options, callback: (session: Store) => void) => void
}

export = SessionManager
