type Present<T> = { [K in keyof T as null extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as null extends T[K] ? K : never]?: NonNullable<T[K]>
}

/** The members that are there: what a column holds as null is a member left out. */
export function present<T extends object>(members: T): Present<T> {
  const out: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(members)) if (value !== null) out[name] = value
  return out as Present<T>
}

/** JSON text of a column that we wrote ourselves. */
export function parsed<T>(text: string): T {
  return JSON.parse(text) as T
}
