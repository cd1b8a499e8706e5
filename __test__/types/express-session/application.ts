/** Applications that keep the sessions of express-session and of Fastify in a store of this package. */
import express from 'express'
import session from 'express-session'
import fastify from 'fastify'
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import NodeSession from 'node-session'
import Store from 'node-session/express-session'
import { Store as Named } from 'node-session/express-session'
import type { Equal, Expect } from '../expect'

const store = new Store({ driver: 'file', files: '/var/lib/app/sessions', lifetime: 3600000, touchInterval: 0, onCorrupt: 'error' })
new Named({ driver: 'database', connection: { adapter: 'sqlite', filename: 'a.sqlite' }, encrypt: true, secret: 'text' })
new Store(new NodeSession({ secret: 'text' }))
new Store()
// @ts-expect-error the cookie is not the store's
new Store({ cookie: 'name' })
// @ts-expect-error a lifetime is a number of milliseconds
new Store({ lifetime: '1d' })

const app = express()
app.use(session({ secret: 'text', store, resave: false, saveUninitialized: false }))

const server = fastify()
server.register(fastifyCookie)
server.register(fastifySession, { secret: 'a secret of at least thirty-two characters', store })

async function use() {
  const found = await store.get('id')
  type _found = Expect<Equal<typeof found, Store.Stored | undefined>>
  const ids = await store.ids()
  type _ids = Expect<Equal<typeof ids, string[]>>
  const listed = await store.all()
  type _listed = Expect<Equal<typeof listed, Store.Listed[]>>
  const length: number = await store.length()
  await store.set('id', { cookie: { expires: new Date() }, length })
  await store.destroy('id')
  await store.clear()
  await store.close()
}
const called = store.get('id', (error, session) => { void error?.code; void session })
type _called = Expect<Equal<typeof called, void>>
store.on('connect', () => void use())
store.on('corrupt', (error) => error.code)
// @ts-expect-error there is no such event
store.on('reconnect', () => {})
