/** Where a command reads and writes. Everything of the process that the command line touches. */
export interface CliIo {
  readonly stdout: CliStream
  readonly stderr: CliStream
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Ends early, without an error, when `signal` is aborted. */
  readonly wait: (milliseconds: number) => Promise<void>
  /** Aborted when the person asks to stop (Ctrl-C). */
  readonly signal: AbortSignal
  readonly fetch: typeof fetch
  readonly readFile: (path: string) => Promise<Uint8Array>
}

/** One way out. `isTTY` decides about colour, widths and control characters. */
export interface CliStream {
  write(chunk: string | Uint8Array): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}
