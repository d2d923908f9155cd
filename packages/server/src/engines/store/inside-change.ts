import { AsyncLocalStorage } from 'node:async_hooks'

interface Change {
  isOpen: boolean
}

const changes = new AsyncLocalStorage<Change>()

/** Marks what runs within a change: waiting there for another transaction would wait for itself. */
export async function insideChange<T>(work: () => Promise<T>): Promise<T> {
  const change: Change = { isOpen: true }
  try {
    return await changes.run(change, work)
  } finally {
    change.isOpen = false
  }
}

/** A change, or a record of its own transaction, within a change is a fault in our code: use the rows that were given. */
export function assertOutsideChange(): void {
  if (changes.getStore()?.isOpen) {
    throw new TypeError('A transaction of the store within a change would wait for itself: use the rows it was given')
  }
}
