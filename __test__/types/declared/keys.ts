/** What `get` and `has` know of declared keys, of paths below them, and of keys that are not declared. */
import NodeSession = require('node-session')
import type { Equal, Expect } from '../expect'
import type { Category, User } from './session-data'

declare const session: NodeSession.Store
declare const text: string
declare const index: number

// A session may be new, so a value may always be missing.
const user = session.get('user')
type _user = Expect<Equal<typeof user, User | undefined>>
const views = session.get('views')
type _views = Expect<Equal<typeof views, number | undefined>>
const token = session.get('_token')
type _token = Expect<Equal<typeof token, string | undefined>>

// Paths, dotted and bracketed, to any depth.
const name = session.get('user.name')
type _name = Expect<Equal<typeof name, string | undefined>>
const city = session.get('user.address.city')
type _city = Expect<Equal<typeof city, string | undefined>>
const zip = session.get('user.address.zip')
type _zip = Expect<Equal<typeof zip, string | null | undefined>>
const role = session.get('user.roles[0]')
type _role = Expect<Equal<typeof role, string | undefined>>
const count = session.get('cart.items.length')
type _count = Expect<Equal<typeof count, number | undefined>>
const dotted = session.get('cart.items.0.quantity')
type _dotted = Expect<Equal<typeof dotted, number | undefined>>
const bracketed = session.get('cart.items[12].quantity')
type _bracketed = Expect<Equal<typeof bracketed, number | undefined>>
const counted = session.get(`cart.items[${index}].sku`)
type _counted = Expect<Equal<typeof counted, string | undefined>>
const price = session.get('prices.tea.amount')
type _price = Expect<Equal<typeof price, number | undefined>>
const priced = session.get(`prices.${text}`)
type _priced = Expect<Equal<typeof priced, { amount: number } | undefined>>
const title = session.get('category.parent.parent.children[0].parent.title')
type _title = Expect<Equal<typeof title, string | undefined>>
const children = session.get('category.children')
type _children = Expect<Equal<typeof children, Category[] | undefined>>
const kind = session.get('payment.kind')
type _kind = Expect<Equal<typeof kind, 'card' | 'invoice' | undefined>>
const last4 = session.get('payment.last4')
type _last4 = Expect<Equal<typeof last4, string | undefined>>
const left = session.get('pair[0]')
type _left = Expect<Equal<typeof left, string | undefined>>
const seen = session.get('seen')
type _seen = Expect<Equal<typeof seen, Date | undefined>>
const flat = session.get('flat.key')
type _flat = Expect<Equal<typeof flat, boolean | undefined>>
const length = session.get('user.name.length')
type _length = Expect<Equal<typeof length, number | undefined>>

// Members that are `any` or `unknown` stay so below.
const form = session.get('form.email.domain')
type _form = Expect<Equal<typeof form, any>>
const answer = session.get('answer.text')
type _answer = Expect<Equal<typeof answer, unknown>>

// Keys that are not declared, and those known only at run time, are `any`.
const unknown = session.get('unknown')
type _unknown = Expect<Equal<typeof unknown, any>>
const below = session.get('unknown.below[0]')
type _below = Expect<Equal<typeof below, any>>
const atRunTime = session.get(text)
type _atRunTime = Expect<Equal<typeof atRunTime, any>>
const member = session.get(`user.${text}`)
type _member = Expect<Equal<typeof member, any>>
const quoted = session.get('user["name"]')
type _quoted = Expect<Equal<typeof quoted, any>>
const either = session.get(index > 1 ? 'user.id' : 'views')
type _either = Expect<Equal<typeof either, number | undefined>>

// A default takes the place of `undefined`, and of nothing else.
const atLeast = session.get('views', 0)
type _atLeast = Expect<Equal<typeof atLeast, number>>
const items = session.get('cart.items', [])
type _items = Expect<Equal<typeof items, { sku: string, quantity: number }[]>>
items.push({ sku: 'tea', quantity: 1 })
const theme = session.get('theme', 'light')
type _theme = Expect<Equal<typeof theme, 'light' | 'dark'>>
const nobody = session.get('user', null)
type _nobody = Expect<Equal<typeof nobody, User | null>>
const other = session.get('views', 'none')
type _other = Expect<Equal<typeof other, number | 'none'>>
const coupon = session.get('cart.coupon', '')
type _coupon = Expect<Equal<typeof coupon, string | null>>

session.has('user.name')
session.has('unknown.below')
session.has(text)

// @ts-expect-error a declared member has no such path
session.get('user.nmae')
// @ts-expect-error the same, deeper down
session.get('user.address.town')
// @ts-expect-error the same, below a scalar
session.get('views.total')
// @ts-expect-error inherited members are not attributes
session.get('user.roles.push')
// @ts-expect-error the same, in an element
session.get('cart.items[0].price')
// @ts-expect-error the same, with a default
session.get('user.nmae', '')
// @ts-expect-error `has` knows the paths too
session.has('user.nmae')
