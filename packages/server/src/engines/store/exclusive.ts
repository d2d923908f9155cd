/** Runs one piece of work at a time, in the order of asking. */
export function exclusive(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const mine = last.then(work, work)
    last = mine.catch(() => {})
    return mine
  }
}
