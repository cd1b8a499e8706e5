/**
 * The types of session keys: which paths a set of attributes has, and what lies at each of them.
 *
 * Generic over the attributes. Knows nothing of sessions, and holds no code: it is the half of the path rules that the
 * compiler can check, and must accept whatever `req.session.get` accepts.
 */

/**
 * The value at path `P` in `Data`; `never` when a declared member has no such path.
 *
 * Shape: `a.b`, `a[0].b` and `a.0.b`, to any depth. A path that starts with an undeclared name, one with a quoted
 * segment (`a["b.c"]`) and one that is only known at run time are `any`.
 */
export type ValueAt<Data, P extends string> =
  P extends keyof Data ? Data[P]
  : P extends `${string}["${string}` | `${string}['${string}` ? any
  : Root<P> extends keyof Data ? Walk<Data, Segments<P>>
  : any

/** `P` itself when `Data` may have something there; otherwise the paths that were probably meant. `P` is inferred here. */
export type Checked<Data, P extends string> =
  [ValueAt<Data, P>] extends [never] ? PathsBelow<Data, Root<NoInfer<P>>> : P

type PathsBelow<Data, Name extends string> = Name | Extract<KnownPath<Data>, `${Name}.${string}`>

/** The declared paths, three segments deep: what an editor offers. Deeper paths are checked all the same. */
export type KnownPath<T, Depth extends 1[] = []> =
  Depth['length'] extends 3 ? never
  : unknown extends T ? never
  : T extends Leaf ? never
  : { [K in keyof T & string]-?: K | `${K}.${KnownPath<NonNullable<T[K]>, [...Depth, 1]>}` }[keyof T & string]

/** What may be pushed at `P`: the array's element type, `any` where nothing is declared, `never` for a non-array. */
export type ElementAt<Data, P extends string> =
  unknown extends ValueAt<Data, P> ? any
  : NonNullable<ValueAt<Data, P>> extends readonly (infer Element)[] ? Element
  : never

/** Values without paths of their own. */
type Leaf = string | number | boolean | bigint | symbol | null | undefined | Date | Function | readonly unknown[]

/** The first segment of a path. */
type Root<P extends string> =
  P extends `${infer Head}.${string}` ? Root<Head>
  : P extends `${infer Head}[${string}` ? Head
  : P

/** A path cut into its segments: `'a[0].b'` is `['a', '0', 'b']`. */
type Segments<P extends string> =
  P extends `${infer Head}.${infer Rest}` ? [...Indexed<Head>, ...Segments<Rest>] : Indexed<P>

type Indexed<P extends string> =
  P extends `${infer Head}[${infer Index}]${infer Rest}`
    ? [...NonEmpty<Head>, Index, ...(Rest extends '' ? [] : Indexed<Rest>)]
    : NonEmpty<P>

type NonEmpty<P extends string> = P extends '' ? [] : [P]

type Walk<T, Path extends string[]> =
  Path extends [infer Head extends string, ...infer Rest extends string[]] ? Walk<Member<T, Head>, Rest> : T

/** One step down. An optional or nullable parent counts as present: `get` answers `undefined` when it is not. */
type Member<T, Name extends string> =
  unknown extends T ? T
  : T extends null | undefined ? never
  : T extends readonly unknown[] ? ArrayMember<T, Name>
  : T extends string ? (Name extends 'length' ? number : never)
  : T extends Leaf ? never
  : Name extends keyof T ? T[Name]
  : Name extends `${infer Index extends number}` ? (Index extends keyof T ? T[Index] : never)
  : IsLiteral<Name> extends true ? never
  : any

type ArrayMember<T extends readonly unknown[], Name extends string> =
  Name extends keyof T & `${number}` ? T[Name]
  : Name extends `${number}` ? T[number]
  : Name extends 'length' ? number
  : IsLiteral<Name> extends true ? never
  : any

/** False for `string` and for patterns such as `item-${string}`, whose text is only known at run time. */
type IsLiteral<Name extends string> = {} extends Record<Name, 1> ? false : true
