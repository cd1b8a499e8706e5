/** An application that declares no `SessionData`: every key is allowed, every value is `any`. */
import NodeSession = require('node-session')
import type { Equal, Expect } from '../expect'

declare const session: NodeSession.Store
declare const name: string

const any = [
  session.get('user'), session.get('user.name'), session.get('items[0].id'), session.get(''), session.get('my-key'),
  session.get(name), session.get(`user.${name}`), session.get('views', 0), session.get('user', null),
  session.pull('user'), session.pull('user', null), session.all().user, session.all().user.name,
] as const
type _any = Expect<Equal<(typeof any)[number], any>>

const first = session.get('user')
type _first = Expect<Equal<typeof first, any>>
const second = session.get('views', 0)
type _second = Expect<Equal<typeof second, any>>
const third = session.pull('user')
type _third = Expect<Equal<typeof third, any>>
const fourth = session.all().user
type _fourth = Expect<Equal<typeof fourth, any>>

const token = session.get('_token')
type _token = Expect<Equal<typeof token, string | undefined>>
const csrf = session.getToken()
type _csrf = Expect<Equal<typeof csrf, string | undefined>>

session.put('user', { name: 'Ann' })
session.put('user.name', 1)
session.put({ user: 1, 'user.name': 2, [name]: 3 })
session.put(new URLSearchParams() as unknown as Record<string, string | string[]>)
session.set('a.b.c.d', null)
session.push('items', 1)
session.push('user.teams', 'developers')
session.flash('notice', 'saved')
session.forget('a', 'b.c')
session.forget(['a', 'b.c'])
session.forget([name])
session.has('user.name')

// @ts-expect-error a key is text
session.get(1)
// @ts-expect-error a key is needed
session.get()
// @ts-expect-error a value is needed
session.put('user')
// @ts-expect-error attributes are reached through methods
session.user
