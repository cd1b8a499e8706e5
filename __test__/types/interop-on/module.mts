/** An application of ECMAScript modules. */
import NodeSession, { type SessionHandler, type Store } from 'node-session'

declare const handler: SessionHandler
const session: Store = new NodeSession.Store('node_session', handler)
new NodeSession({ secret: 'text' }).startSession
await session.save()
