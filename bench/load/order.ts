/** What the load generator is told to do. One order at a time. */
export interface Order {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodyBytes: number
  readonly connections: number
  /** No longer than this. */
  readonly forMs: number
  /** A fixed rate; as many as go when left out. */
  readonly perSecond?: number
  /** No more than this many. */
  readonly requests?: number
}

/** What it saw. */
export interface Seen {
  readonly requests: number
  readonly errors: number
  readonly bytes: number
  readonly elapsedMs: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** How the first answer that was no 200 began. */
  readonly complaint?: string
}
