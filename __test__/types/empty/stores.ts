/** Stores that were made for express-session, as they are declared, in place of a driver. */
import { EventEmitter } from 'events'
import NodeSession = require('node-session')

interface SessionData {
  cookie: { expires?: Date | null, originalMaxAge: number | null }
}

/** As `@types/express-session` declares a store. */
abstract class Store extends EventEmitter {
  abstract get(sid: string, callback: (err: any, session?: SessionData | null) => void): void
  abstract set(sid: string, session: SessionData, callback?: (err?: any) => void): void
  abstract destroy(sid: string, callback?: (err?: any) => void): void
  touch?(sid: string, session: SessionData, callback?: () => void): void
}

/** As connect-redis does: promises besides. */
class RedisStore extends Store {
  async get(_sid: string, callback?: (err: unknown, session?: any) => void): Promise<any> { callback?.(null, null) }
  async set(_sid: string, _session: SessionData, callback?: (err?: unknown) => void): Promise<any> { callback?.() }
  async destroy(_sid: string, callback?: (err?: unknown) => void): Promise<any> { callback?.() }
  async touch(_sid: string, _session: SessionData, callback?: (err?: unknown) => void): Promise<any> { callback?.() }
}

declare const any: Store
new NodeSession({ secret: 'text', store: any })
new NodeSession({ secret: 'text', store: new RedisStore() })
new NodeSession({ secret: 'text', store: process.env.REDIS_URL ? new RedisStore() : undefined })
// @ts-expect-error a store, and not its class
new NodeSession({ secret: 'text', store: RedisStore })
// @ts-expect-error a store destroys too
new NodeSession({ secret: 'text', store: { get() {}, set() {} } })
