/** What ended, told to every cache and stream of this process at the moment it ended. */
export type Ended =
  | { readonly kind: 'task'; readonly tenant: string; readonly id: string }
  | { readonly kind: 'client'; readonly tenant: string; readonly id: string }
  | {
      readonly kind: 'grant'
      readonly tenant: string
      readonly id: string
      readonly agent: string
      readonly connection: string
    }
  | { readonly kind: 'connection'; readonly tenant: string; readonly id: string }
  | { readonly kind: 'integration'; readonly tenant: string; readonly id: string }
  /** Something about grants or connections changed that caches must read again; nothing ends. */
  | { readonly kind: 'changed'; readonly tenant: string; readonly connection?: string; readonly agent?: string }

export interface Revocations {
  tell(ended: Ended): void
  /** Returns the function that stops listening. */
  listen(hear: (ended: Ended) => void): () => void
}

/** Calls every listener before `tell` returns, so that the revoking call answers after it holds. */
export function createRevocations(): Revocations {
  const listeners = new Set<(ended: Ended) => void>()
  return {
    tell(ended) {
      for (const hear of listeners) hear(ended)
    },
    listen(hear) {
      listeners.add(hear)
      return () => listeners.delete(hear)
    },
  }
}
