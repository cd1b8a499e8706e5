/** A CommonJS application with `esModuleInterop`. */
import NodeSession, { type Options, type SessionError } from 'node-session'
import Store from 'node-session/lib/store/Store'

const options: Options = { secret: 'text' }
const sessions: NodeSession = new NodeSession(options)
sessions.on('error', (error: SessionError) => console.error(error.code))
sessions.getSession({ headers: {} }, (session: NodeSession.Store) => session instanceof Store)
