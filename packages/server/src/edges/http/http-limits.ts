/** Bounds of the listener. docs/limits.md is made from these. Times in milliseconds, sizes in bytes. */
export const httpLimits = {
  /** Open connections; above them new ones are closed at once. An idle one costs less than 20 KiB. */
  connections: 16_384,
  /** Requests being served, over all connections. */
  requestsInFlight: 12_000,
  /** Of these, requests that are no brokered calls: each may hold a body of 1 MiB. */
  otherRequestsInFlight: 4_000,
  /** Requests being served on one connection: pipelining (RFC 9112 section 9.3.2) is no way around the others. */
  requestsPerConnection: 32,
  headerBytes: 32 * 1024,
  /** Node would drop further ones without a word, and with them what a rule has to see. */
  headers: 200,
  /** From the first byte of a request, or from the connection's start, to the end of the headers. */
  headersMs: 20_000,
  tlsHandshakeMs: 10_000,
  /** An idle connection is kept this long: longer than the idle time of common load balancers (60 s). */
  keepAliveMs: 75_000,
  /** A connection in use on which no byte moves in either direction: an agent that stopped reading among them. */
  silentMs: 330_000,
  /** From the headers of a request to the first byte of its answer, upload and provider included. */
  answerMs: 15 * 60_000,
  /** How often those two limits are looked at. */
  checkMs: 5_000,
} as const
