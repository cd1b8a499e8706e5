/** Without the opt-in, requests have no session: `@types/express-session` may declare its own. */
import type { IncomingMessage } from 'http'

declare const request: IncomingMessage
// @ts-expect-error only `node-session/express` declares it, and only for Express
request.session
