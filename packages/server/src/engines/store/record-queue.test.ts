import { randomBytes } from 'node:crypto'
import type { AuditEvent } from '@valetkey/contract/events'
import { expect, it } from 'vitest'
import { type Id, makeId } from '../../core/ids.ts'
import { recordQueue } from './record-queue.ts'

const id = <P extends string>(prefix: P): Id<P> => makeId(prefix, 1_700_000_000_000, randomBytes(10))

function eventOf(more: Partial<AuditEvent> = {}): AuditEvent {
  return { id: id('evt'), time: '2026-01-01T00:00:00.000Z', type: 'access.allowed', outcome: 'allowed', ...more }
}

it('refuses what begins when the log is full, and still takes what tells the end of something on the record', async () => {
  let fail: (error: Error) => void = () => {}
  const disk = new Promise<void>((_, reject) => {
    fail = reject
  })
  disk.catch(() => {})
  const queue = recordQueue({ kind: 'sqlite', nodeId: 'a', random: randomBytes, bound: 2, transaction: () => disk })
  const tenant = id('ten')
  const begins = () => queue.record(tenant, { event: eventOf() })
  const ends = () =>
    queue.record(tenant, { event: eventOf({ type: 'access.completed', outcome: 'ok', of: id('evt') }) })
  const waiting = [begins(), begins()]
  await expect(begins()).rejects.toMatchObject({ code: 'unavailable', more: { retryAfterSeconds: 1 } })
  waiting.push(ends(), ends())
  await expect(ends()).rejects.toMatchObject({ code: 'unavailable' })
  fail(new Error('the disk is gone'))
  expect((await Promise.allSettled(waiting)).map(one => one.status)).toEqual(Array(4).fill('rejected'))
  // Whoever failed has left its place.
  await expect(begins()).rejects.not.toThrow(/Too many/)
})
