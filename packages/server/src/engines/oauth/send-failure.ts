/** What a failed send tells: whether the request may have left, and whether an answer came that nobody could accept. */
export interface SendFailure {
  readonly sent: boolean
  readonly hasBadAnswer: boolean
  readonly why: string
}

/**
 * Judges what `Send` threw, by shape: this engine does not know who sends. Where nothing is said about `sent`, the
 * request may have reached the provider. The thrown message stays out of the words, it may quote an address.
 */
export function readSendFailure(thrown: unknown): SendFailure {
  const { sent, kind } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>
  const isBadAnswer = kind === 'too_large' || kind === 'malformed'
  const why =
    kind === 'too_large'
      ? 'the answer is larger than we accept'
      : kind === 'malformed'
        ? 'the answer is not well-formed HTTP'
        : kind === 'timeout'
          ? 'the provider did not answer in time'
          : kind === 'not_allowed'
            ? 'the address is not one that may be reached'
            : 'the provider could not be reached'
  return { sent: typeof sent === 'boolean' ? sent : true, hasBadAnswer: isBadAnswer, why }
}
