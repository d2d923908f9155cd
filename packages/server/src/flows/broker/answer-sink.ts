/** Where the answer to an agent goes: the edge's response, seen from the flow. */
export interface AnswerSink {
  /** The event that stands for this call on the record, for `Valetkey-Event`. Before the head. */
  event(id: string): void
  /** Flat list of headers. */
  head(status: number, headers: readonly string[]): void
  /** False: wait for the drain. */
  write(chunk: Buffer): boolean
  onDrain(resume: () => void): void
  end(trailers: readonly string[]): void
  /** Breaks the connection, so that nobody takes what was sent for the whole answer. */
  cut(): void
  /** Resolves when the last byte is with the system, or the agent is gone. */
  readonly finished: Promise<void>
  /** The agent has left before its answer was complete. */
  onGone(hear: () => void): void
}
