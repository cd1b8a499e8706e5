/** A CommonJS application without `esModuleInterop`. */
import NodeSession = require('node-session')
import * as Namespace from 'node-session'

const sessions: NodeSession = new NodeSession({ secret: 'text' })
const same: typeof NodeSession = Namespace
sessions.getSession({ headers: {} }, (session: NodeSession.Store) => session instanceof same.Store)
