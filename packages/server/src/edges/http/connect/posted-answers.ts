/** Answers that came by `form_post`, kept under a one-time handle for the GET that follows at once. */
export interface PostedAnswers {
  /** Returns the query of that GET. */
  keep(params: URLSearchParams): string
  take(query: string): URLSearchParams | undefined
}

const lifeMs = 60_000
// A stranger can post here: 200 answers of 16 KiB at most lie in memory.
/** Answers that wait for their GET at once. */
export const mostKept = 200

export function createPostedAnswers(now: () => number, random: (bytes: number) => Buffer): PostedAnswers {
  const kept = new Map<string, { readonly params: URLSearchParams; readonly until: number }>()
  return {
    keep(params) {
      for (const [handle, answer] of kept) if (answer.until <= now() || kept.size >= mostKept) kept.delete(handle)
      const handle = random(32).toString('base64url')
      kept.set(handle, { params, until: now() + lifeMs })
      return `posted=${handle}`
    },
    take(query) {
      const handle = /^posted=([A-Za-z0-9_-]{43})$/.exec(query)?.[1]
      const answer = handle === undefined ? undefined : kept.get(handle)
      if (handle === undefined || answer === undefined) return undefined
      kept.delete(handle)
      return answer.until > now() ? answer.params : undefined
    },
  }
}
