import { endOf, type Grant } from '../../core/grant.ts'
import type { Ended } from '../../core/revocations.ts'
import { isTaskLive, type Task } from '../../core/task.ts'
import type { Parts } from '../../parts.ts'

/** A call in progress, with everything whose end must end it. */
export interface Stream {
  readonly tenant: string
  readonly agent: string
  readonly user?: string
  readonly connection: string
  readonly integration: string
  readonly grant: Grant
  readonly task?: Task
  /** Cuts it at once. `why` is a word for the record. */
  readonly cut: (why: string) => void
}

export interface StreamRegistry {
  /** Every stream in progress, for whoever asks the store about them. */
  all(): readonly Stream[]
  /** Takes it out and cuts it. */
  cut(stream: Stream, why: string): void
  /** Returns the function that takes the stream out again. */
  enter(stream: Stream): () => void
  /** Cuts what has ended by time at `now`. Called by a timer while there are streams. */
  sweep(now: number): void
  readonly size: number
  close(): void
}

/** Well below the second within which a stream must end after its grant did (P4). */
const sweepMs = 250

/** Every call in progress. A revocation cuts those that it touches before it returns; time is looked at four times a second. */
export function createStreamRegistry(parts: Pick<Parts, 'revocations' | 'now'>): StreamRegistry {
  const streams = new Set<Stream>()
  let timer: NodeJS.Timeout | undefined
  const stopListening = parts.revocations.listen(ended => {
    for (const stream of [...streams]) {
      if (!isEndedBy(stream, ended)) continue
      streams.delete(stream)
      stream.cut(ended.kind === 'client' ? 'agent_ended' : `${ended.kind}_ended`)
    }
  })
  const stopTimer = () => {
    clearInterval(timer)
    timer = undefined
  }
  const sweep = (now: number) => {
    for (const stream of [...streams]) {
      const why = endByTime(stream, now)
      if (why === undefined) continue
      streams.delete(stream)
      stream.cut(why)
    }
    if (streams.size === 0) stopTimer()
  }
  return {
    enter(stream) {
      streams.add(stream)
      timer ??= setInterval(() => sweep(parts.now()), sweepMs).unref()
      return () => {
        streams.delete(stream)
      }
    },
    all: () => [...streams],
    cut(stream, why) {
      if (streams.delete(stream)) stream.cut(why)
    },
    sweep,
    get size() {
      return streams.size
    },
    close() {
      stopListening()
      stopTimer()
      for (const stream of [...streams]) stream.cut('closing')
      streams.clear()
    },
  }
}

function isEndedBy(stream: Stream, ended: Ended): boolean {
  if (ended.tenant !== stream.tenant) return false
  switch (ended.kind) {
    case 'task':
      return ended.id === stream.task?.id || ended.id === stream.grant.task
    case 'client':
      return ended.id === stream.agent
    case 'grant':
      return ended.id === stream.grant.id
    case 'connection':
      return ended.id === stream.connection
    case 'integration':
      return ended.id === stream.integration
    case 'changed':
      return false
  }
}

/** Idleness and budget are no ends of a call that is under way: it is their very use. */
function endByTime({ grant, task }: Stream, now: number): string | undefined {
  const why = endOf(grant, now)
  if (why === 'expired') return 'grant_expired'
  return task !== undefined && !isTaskLive(task, now) ? 'task_ended' : undefined
}
