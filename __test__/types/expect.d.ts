/** Compile-time assertions: `type _ = Expect<Equal<typeof value, string>>`. */

export type Expect<T extends true> = T

/** True for identical types only: `any` equals nothing but `any`. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
