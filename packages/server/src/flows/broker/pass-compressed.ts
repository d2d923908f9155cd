import { Failure } from '../../core/failure.ts'
import { atOnceBytes, type InflatedFault, InflatedWatch, lookAtOnce } from './inflated-watch.ts'
import { headerOf } from './outgoing.ts'
import type { Passage } from './relay-answer.ts'

/** How much waits to be looked into before the provider has to wait. */
const mostWaiting = 64 * 1024
/** How much may be held because of one beginning of a secret, or before anything came out. */
export const mostHeld = 1024 * 1024

const words: Readonly<Record<Exclude<InflatedFault, 'no_room'>, string>> = {
  secret:
    'The answer holds a secret of the connection in compressed form. Ask for it without compression to get it masked.',
  bomb: 'The compressed answer inflates to far more than it may.',
  malformed: 'The answer is not well-formed in the encoding that it names, so it cannot be checked for secrets.',
}

/**
 * A compressed body, byte for byte, but only after what it inflates to was searched (P1). A chunk waits while that ends in
 * a possible beginning of a secret, and the head waits until something came out, so that a secret in the beginning is
 * answered as an error; an event stream's does not.
 */
export function passCompressed(passage: Passage): () => void {
  const { attempt, head, rawHead, needles, rules, sink } = passage
  const coding = rules.coding!
  let watch: InflatedWatch | undefined
  const isEventStream = /^\s*text\/event-stream/i.test(headerOf(rawHead.rawHeaders, 'content-type') ?? '')
  const waiting: Buffer[] = []
  let waitingBytes = 0
  /** Looked into, with the place up to which each inflates. */
  let held: { readonly chunk: Buffer; readonly until: number }[] = []
  let heldBytes = 0
  let ended: readonly string[] | undefined
  let isWorking = false
  let isOver = false
  let isFull = false

  const mayGoOn = () => waitingBytes < mostWaiting && !isFull
  const giveUp = () => {
    isOver = true
    waiting.length = 0
    held = []
    watch?.close()
  }
  const refuse = (fault: InflatedFault): void => {
    giveUp()
    attempt.abort('the answer was refused')
    passage.broken(failureOf(fault), fault === 'secret' ? 1 : 0)
  }
  const release = (safeUntil: number): void => {
    while (held.length > 0 && held[0]!.until <= safeUntil) {
      const { chunk } = held.shift()!
      heldBytes -= chunk.length
      if (!head.isSent) head.send()
      if (!passage.write(chunk)) isFull = true
    }
  }
  const finish = (rawTrailers: readonly string[]): void => {
    isOver = true
    release(Number.POSITIVE_INFINITY)
    if (!head.isSent) head.send()
    passage.whole(rawTrailers, 0)
  }
  /** A short body that is there already. False: it has to be looked into as it comes. */
  const isDoneAtOnce = (): boolean => {
    if (ended === undefined || waitingBytes > atOnceBytes) return false
    const body = Buffer.concat(waiting)
    const fault = lookAtOnce(coding, needles, body)
    if (fault === 'larger') return false
    if (fault !== undefined) refuse(fault)
    else {
      held.push({ chunk: body, until: 0 })
      finish(ended)
    }
    return true
  }
  const work = async (): Promise<void> => {
    watch ??= new InflatedWatch(coding, needles)
    for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift()) {
      const fault = await watch.check(chunk)
      if (isOver) return
      if (fault !== undefined) return refuse(fault)
      waitingBytes -= chunk.length
      held.push({ chunk, until: watch.inflated })
      heldBytes += chunk.length
      if (isEventStream || watch.inflated > 0) release(watch.safeUntil)
      if (heldBytes > mostHeld) return refuse('malformed')
      if (mayGoOn()) attempt.resume()
    }
    if (ended !== undefined) {
      const fault = await watch.finish()
      if (isOver) return
      if (fault !== undefined) return refuse(fault)
      return finish(ended)
    }
    isWorking = false
  }
  const kick = (): void => {
    if (isWorking || isOver) return
    isWorking = true
    if (watch !== undefined) void work()
    // The end of a short body comes with its beginning, or right behind.
    else
      setImmediate(() => {
        if (!isOver && !isDoneAtOnce()) void work()
      })
  }

  if (isEventStream) head.send()
  sink.onDrain(() => {
    isFull = false
    if (mayGoOn()) attempt.resume()
  })
  attempt.release({
    data(chunk) {
      if (isOver) return true
      waiting.push(chunk)
      waitingBytes += chunk.length
      kick()
      return mayGoOn()
    },
    end(rawTrailers) {
      ended = rawTrailers
      kick()
    },
    fail(failure) {
      if (isOver) return
      giveUp()
      passage.broken(failure, 0)
    },
  })
  return giveUp
}

function failureOf(fault: InflatedFault): Failure {
  if (fault !== 'no_room') return new Failure('provider_answer_refused', words[fault])
  return new Failure(
    'unavailable',
    'Too many compressed answers are looked into. Ask for this one without compression.',
    {
      retryAfterSeconds: 1,
    },
  )
}
