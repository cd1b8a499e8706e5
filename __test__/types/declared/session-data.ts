/** What the application of these tests keeps in its sessions. */
export interface User {
  id: number
  name: string
  address?: { city: string, zip: string | null }
  roles: string[]
}

export interface Category {
  title: string
  parent?: Category
  children: Category[]
}

export type Payment = { kind: 'card', last4: string } | { kind: 'invoice', days: number }

declare module 'node-session' {
  interface SessionData {
    user: User
    views: number
    theme: 'light' | 'dark'
    cart: { items: { sku: string, quantity: number }[], coupon: string | null }
    prices: Record<string, { amount: number }>
    category: Category
    payment: Payment
    seen: Date
    pair: [string, number]
    form: any
    answer: unknown
    1: boolean
    'flat.key': boolean
  }
}
