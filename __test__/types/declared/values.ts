/** What the writing methods accept for declared keys, and what `all` and `pull` give. */
import NodeSession = require('node-session')
import type { Equal, Expect } from '../expect'
import type { User } from './session-data'

declare const session: NodeSession.Store
declare const text: string
declare const user: User

session.put('user', user)
session.put('user.name', 'Ann')
session.put('user.address', { city: 'Oslo', zip: null })
session.put('cart.items[0].quantity', 2)
session.put('theme', 'dark')
session.put('unknown', 1)
session.put('unknown.below', {})
session.put(text, user)
session.put({ user, views: 1 })
session.put({ theme: 'dark', 'user.name': 'Ann', unknown: [1, 2], [text]: 3 })
session.put({} as Partial<NodeSession.SessionData>)
session.put({} as Record<string, string>)
session.set('views', 1)
session.set('unknown', 1)
session.flash('theme', 'dark')
session.flash('notice', 'Saved')
session.push('cart.items', { sku: 'tea', quantity: 1 })
session.push('user.roles', 'admin')
session.push('unknown', 1)
session.push(text, 1)
session.push('form.lines', 1)
session.forget('user')
session.forget('user.name', 'cart.items[0]', 'unknown', text)
session.forget(['user', 'unknown'])
session.forget()
session.keep('notice', 'theme')
session.keep(['notice'])
session.reflash()
session.flashInput({ email: 'ann@example.com' })

// @ts-expect-error a user is not text
session.put('user', 'Ann')
// @ts-expect-error a name is text
session.put('user.name', 1)
// @ts-expect-error a user has an id, a name and roles
session.put('user', { name: 'Ann' })
// @ts-expect-error there is no such theme
session.put('theme', 'blue')
// @ts-expect-error a declared member has no such path
session.put('user.nmae', 'Ann')
// @ts-expect-error the members of an object are checked
session.put({ views: 'many' })
// @ts-expect-error the same under a path
session.put({ 'user.name': 1 })
// @ts-expect-error the same where no such path is
session.put({ 'user.nmae': 'Ann' })
// @ts-expect-error `set` is as strict as `put`
session.set('views', 'many')
// @ts-expect-error `flash` too
session.flash('theme', 'blue')
// @ts-expect-error an item has a quantity
session.push('cart.items', { sku: 'tea' })
// @ts-expect-error one cannot push to a number
session.push('views', 1)
// @ts-expect-error a declared member has no such path
session.forget('user.nmae')
// @ts-expect-error wherever it stands
session.forget('user.name', 'user.nmae')

const pulled = session.pull('user')
type _pulled = Expect<Equal<typeof pulled, User | null>>
const name = session.pull('user.name', '')
type _name = Expect<Equal<typeof name, string>>
const number = session.pull('views', undefined)
type _number = Expect<Equal<typeof number, number | undefined>>
const unknown = session.pull('unknown', 0)
type _unknown = Expect<Equal<typeof unknown, any>>
// @ts-expect-error a declared member has no such path
session.pull('user.nmae')

const all = session.all()
type _user = Expect<Equal<typeof all.user, User | undefined>>
type _token = Expect<Equal<typeof all._token, string | undefined>>
type _rest = Expect<Equal<typeof all.unknown, any>>
all.views = 1
all.unknown = 1
// @ts-expect-error the live object is typed too
all.views = 'many'

// Functions that are generic over the declared names.
type Name = keyof NodeSession.SessionData & string
function swap<K extends Name>(key: K, value: NodeSession.SessionData[K]): NodeSession.SessionData[K] | undefined {
  const before = session.get(key)
  session.put(key, value)
  return before
}
const before = swap('views', 1)
type _before = Expect<Equal<typeof before, number | undefined>>
