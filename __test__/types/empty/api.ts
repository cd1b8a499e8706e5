/** The constructor, its options, events, errors, and the classes that hang on it. */
import NodeSession = require('node-session')
import type { IncomingMessage, ServerResponse } from 'http'
import type { Http2ServerRequest, Http2ServerResponse } from 'http2'
import type { Equal, Expect } from '../expect'

declare const request: IncomingMessage
declare const response: ServerResponse
declare const request2: Http2ServerRequest
declare const response2: Http2ServerResponse

const encrypter: NodeSession.Encrypter = { encrypt: (text) => text.trim(), decrypt: (text) => text.trim() }

const sessions = new NodeSession({
  secret: ['new', Buffer.from('old'), new Uint8Array(32)],
  driver: 'database',
  lifetime: 300_000,
  expireOnClose: false,
  files: '/var/lib/app/sessions',
  connection: { adapter: 'sqlite', filename: '/var/lib/app/sessions.sqlite' },
  table: 'sessions',
  lottery: [2, 100],
  cookie: '__Host-session',
  path: '/',
  domain: null,
  secure: true,
  httpOnly: true,
  sameSite: 'lax',
  partitioned: false,
  priority: 'high',
  encrypt: true,
  legacyPayloads: false,
  trustProxy: ['loopback', '10.0.0.0/8'],
  trustProxyFn: (address, hop) => address.startsWith('10.') && hop < 1,
  maxDepth: 1_000,
  maxBytes: 1_048_576,
  maxSessions: 1_000_000,
  durability: 'disk',
  strictSave: true,
  touchInterval: 0,
  readTimeout: 2_000,
  saveTimeout: 2_000,
}, encrypter)

new NodeSession({ secret: 'text', driver: 'mine' })
new NodeSession({ secret: Buffer.alloc(32), connection: false, trustProxy: 1 })
new NodeSession({ secret: 'text', driver: 'redis', connection: 'rediss://web:password@cache:6380/1?prefix=shop:' })
new NodeSession({ secret: 'text', driver: 'redis', connection: { nodes: ['a:7000', { host: 'b' }], ssl: { ca: Buffer.from('') } } })
new NodeSession({ secret: 'text', driver: 'database', connection: { adapter: 'sails-redis', path: '/run/redis.sock', db: 1 } })
new NodeSession({ secret: 'text', driver: 'redis', connection: { sentinels: ['a', 'b'], name: 'main', password: 'pw' } })
new NodeSession({ secret: 'text', trustProxy: 'loopback, 10.0.0.0/8' }, null)
new NodeSession({ secret: 'text', trustProxy: (address) => address === '127.0.0.1' })
new NodeSession({ secret: 'text', trustProxy: true })
// @ts-expect-error options are required
new NodeSession()
// @ts-expect-error the secret is required
new NodeSession({})
// @ts-expect-error a number is no secret
new NodeSession({ secret: 5 })
// @ts-expect-error there is no such option
new NodeSession({ secret: 'text', livetime: 1 })
// @ts-expect-error a lifetime is a number of milliseconds
new NodeSession({ secret: 'text', lifetime: '300000' })
// @ts-expect-error there is no such value of SameSite
new NodeSession({ secret: 'text', sameSite: 'Lax' })
new NodeSession({ secret: 'text', sameSite: true, lottery: false })
// @ts-expect-error odds are two numbers
new NodeSession({ secret: 'text', lottery: [2] })
// @ts-expect-error this adapter is not supported
new NodeSession({ secret: 'text', connection: { adapter: 'mongo', filename: '' } })
new NodeSession({ secret: 'text', driver: 'database', connection: 'postgres://user:password@db.internal/app' })
new NodeSession({
  secret: 'text',
  connection: {
    adapter: 'postgres', host: 'db.internal', port: '5432', user: 'app', password: 'hidden', database: 'app', poolSize: 4,
    ssl: { ca: [Buffer.alloc(0), 'pem'], rejectUnauthorized: true, servername: 'db' },
  },
})
new NodeSession({ secret: 'text', connection: { adapter: 'sails-postgresql', url: 'postgres://db.internal/app', ssl: true } })
// @ts-expect-error certificates are text or bytes
new NodeSession({ secret: 'text', connection: { adapter: 'postgres', ssl: { ca: 5 } } })
new NodeSession({ secret: 'text', connection: { adapter: 'sails-postgresql', schema: true, poolSize: 4 } })
new NodeSession({ secret: 'text', connection: { adapter: 'postgres', schema: 'web' } })
// @ts-expect-error an encrypter decrypts too
new NodeSession({ secret: 'text' }, { encrypt: (text: string) => text })

// With a callback there is no promise; without one there is.
const called = sessions.startSession(request, response, (error) => {
  type _error = Expect<Equal<typeof error, NodeSession.SessionError | null | undefined>>
  if (error) console.error(error.code)
})
type _called = Expect<Equal<typeof called, void>>
sessions.startSession(request, response, () => {})
sessions.startSession(request, response, (error?: unknown) => { void error })
sessions.startSession(request2, response2, () => {})
const promised = sessions.startSession(request, response)
type _promised = Expect<Equal<typeof promised, Promise<NodeSession.Store>>>
const locked = sessions.startSession(request, response, { lock: true, lockLease: 5000, lockWait: 1000 })
type _locked = Expect<Equal<typeof locked, Promise<NodeSession.Store>>>
const lockedBack = sessions.startSession(request, response, { lock: true }, (error) => {
  type _error = Expect<Equal<typeof error, NodeSession.SessionError | null | undefined>>
})
type _lockedBack = Expect<Equal<typeof lockedBack, void>>
sessions.startSession(request, response, undefined, () => {})
// @ts-expect-error a call has only the options of the lock
sessions.startSession(request, response, { lifetime: 5 })
// @ts-expect-error a lease is a number of milliseconds
sessions.startSession(request, response, { lock: true, lockLease: '5s' }, () => {})
// @ts-expect-error the callback comes last
sessions.startSession(request, response, () => {}, { lock: true })
new NodeSession({ secret: 'text', lock: true, lockLease: 5000, lockWait: 1000 })
// @ts-expect-error sessions are locked or not
new NodeSession({ secret: 'text', lock: 'always' })
// @ts-expect-error a response is needed
sessions.startSession(request)

sessions.getSession(request, (session) => session.start(() => session.getId()))
sessions.getSession({ headers: { cookie: 'node_session=x' } }, (session) => session.getName())
sessions.setEncrypter(encrypter)

sessions.startSession(request, response, () => {
  const { session } = request as NodeSession.WithSession
  session.put('views', 1)
})
// @ts-expect-error a manager is not a handler
new NodeSession.Store('node_session', sessions.__manager)

// Events and errors.
sessions.on('error', (error, request, response) => {
  type _error = Expect<Equal<typeof error, NodeSession.SessionError>>
  type _code = Expect<Equal<typeof error.code, NodeSession.ErrorCode>>
  console.error(error.message, error.cause?.code, request.url, response.statusCode)
  // @ts-expect-error there is no such code
  return error.code === 'ERR_SESSION_LOST'
})
sessions.once('corrupt', (error, request) => console.warn(error.code, request.headers.host))
// @ts-expect-error a corrupt payload has no response
sessions.on('corrupt', (error, request, response) => response)

function isGone(error: unknown): boolean {
  return error instanceof NodeSession.SessionError && error.code === 'ERR_SESSION_GONE'
}
isGone(new Error())

// The methods of a session that no key types.
declare const session: NodeSession.Store
async function life() {
  await session.save()
  await session.start()
  session.save((error) => error?.code)
  const results = [session.regenerate(), session.regenerate(true), session.migrate(), session.migrate(true)]
  type _results = Expect<Equal<typeof results, boolean[]>>
  session.setId()
  session.setId(session.getId())
  session.setExists(false)
  session.getHandler().destroy(session.getId())
  session.regenerateToken()
  session.ageFlashData()
  session.flush()
}
void life

// The application may put its own `save` in place of ours.
const save = session.save.bind(session)
session.save = (callback?: NodeSession.Callback): any => callback ? save(callback) : save()

// Statics are classes that can be made and extended.
class Loud extends NodeSession.Store {
  override __prepareForStorage(data: string) { return data.toUpperCase() }
  override __prepareForParse(data: string) { return data.toLowerCase() }
}
const handler = new NodeSession.MemorySessionHandler(Object.create(null))
new Loud('node_session', handler, null).get('user')
new NodeSession.Store('node_session', new NodeSession.FileSessionHandler('sessions'))
const sealed: NodeSession.Store = new NodeSession.EncryptedStore('node_session', handler, null, 'secret')
sealed.getId()
class Application extends NodeSession {}
new Application({ secret: 'text' }).__config.lifetime

// An option that is `undefined` has its default, also under `exactOptionalPropertyTypes`.
new NodeSession({ secret: 'text', domain: process.env['DOMAIN'], lifetime: undefined })
