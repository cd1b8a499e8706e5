/**
 * Declares `req.session` on Express's requests. Opt in once, anywhere in the project:
 *
 *     import type {} from 'node-session/express'
 *
 * Not part of the main types, since `@types/express-session` declares the same property.
 */
import type NodeSession = require('./index')

declare global {
  namespace Express {
    interface Request {
      /** The visitor's session, once `startSession` has run for this request. */
      session: NodeSession.Store
    }
  }
}
