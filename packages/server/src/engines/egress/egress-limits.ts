/** Bounds of the door out. docs/limits.md is made from these. Times in milliseconds. */
export const egressLimits = {
  /** Pools with nothing to do are closed beyond this; one with a call never is, and calls are bounded themselves. */
  pools: 1_000,
  poolIdleMs: 60_000,
  /** Calls under way to one origin of one tenant, that is connections to it. */
  callsPerOrigin: 1_024,
  /** Of these, calls of one connection: whoever makes them hang leaves room for the others. */
  callsPerConnectionAndOrigin: 256,
  /** Connections to an origin beside those, for our own requests: a hanging API must not keep tokens from being renewed. */
  ownPerOrigin: 32,
  /** Calls that wait for one origin of one tenant; further ones are refused at once. */
  waitingPerOrigin: 4_096,
  /** Of these, calls of one connection. */
  waitingPerConnectionAndOrigin: 1_024,
  /** The longest wait for a connection to become free. */
  waitMs: 30_000,
  connectMs: 5_000,
  /** From the sent request to the head of the answer. */
  headersMs: 30_000,
  /** The longest silence inside an answer; a long poll of a provider needs more than the head takes. */
  bodySilenceMs: 300_000,
  /** Tenants whose allow-list is remembered. */
  tenants: 10_000,
  answerHeaderBytes: 64 * 1024,
} as const
