/** Drivers written in JavaScript, and the manager that knows them. */
import NodeSession = require('node-session')

class MapHandler implements NodeSession.SessionHandler {
  private readonly payloads = new Map<string, string>()
  read(id: string, callback: (payload: string) => void) { callback(this.payloads.get(id) ?? '') }
  write(id: string, payload: string, callback: (error?: Error) => void) {
    this.payloads.set(id, payload)
    callback()
  }
  destroy(id: string, callback?: () => void) {
    this.payloads.delete(id)
    callback?.()
  }
  gc(maxAge: number) { void maxAge }
  setExists(exists: boolean) { return exists ? this : null }
}

/** The least a handler has to have, written for node-session 1.x. */
const old: NodeSession.SessionHandler = {
  read(id, callback) { callback(new Error(`no connection for ${id.length} characters`)) },
  write(id, payload, callback) { callback(null) },
  destroy(id) { void id },
}

const touching: NodeSession.SessionHandler = { ...old, touch(id, payload, callback) { callback(id === payload ? new Error('no') : null) } }
void touching

// @ts-expect-error a handler destroys too
const incomplete: NodeSession.SessionHandler = { read() {}, write() {} }
void incomplete

const sessions = new NodeSession({ secret: 'text', driver: 'map' })
const manager = sessions.__manager
manager
  .registerHandler('map', (options, callback) => {
    callback(manager.__buildSession(options.encrypt ? old : new MapHandler()))
  })
  .registerHandler('old', (_options, callback) => callback(new NodeSession.Store('node_session', old)))
// @ts-expect-error a creator calls back with a session, not with a handler
manager.registerHandler('bare', (_options, callback) => callback(old))

manager.driver(null, (session) => session.start(() => session.all()))
manager.driver('map', (session) => session.getHandler().gc?.(1_000))
manager.setEncrypter({ encrypt: String, decrypt: String })
manager.getDefaultDriver().length
new NodeSession.SessionManager({ driver: 'memory' }).driver('memory', () => {})

new NodeSession({ secret: 'text', driver: 'database', connection: { adapter: 'sails-mongo', host: 'localhost', port: 27017 } })
// @ts-expect-error the engine's own databases are checked
new NodeSession({ secret: 'text', driver: 'database', connection: { adapter: 'sqlite', filename: 5 } })

const model: ConstructorParameters<typeof NodeSession.DatabaseSessionHandler>[0] = {
  findOne(id, callback) { callback(null, { id, payload: '"{}"', lastActivity: 0 }) },
  create(_row, callback) { callback() },
  update(_id, _values, callback) { callback() },
  destroy(_criteria, callback) { callback() },
}
new NodeSession.DatabaseSessionHandler(model).setExists(true).gc(1_000)
