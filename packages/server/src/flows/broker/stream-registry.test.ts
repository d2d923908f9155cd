import { describe, expect, it } from 'vitest'
import type { Grant } from '../../core/grant.ts'
import { createRevocations, type Ended } from '../../core/revocations.ts'
import type { Task } from '../../core/task.ts'
import { createStreamRegistry, type Stream } from './stream-registry.ts'

const grant = { id: 'grt_1', task: 'tsk_1', expiresAt: 1_000, createdAt: 0, calls: 0 } as unknown as Grant
const task = { id: 'tsk_2', expiresAt: 2_000 } as unknown as Task

function setUp(more: Partial<Stream> = {}) {
  const revocations = createRevocations()
  const registry = createStreamRegistry({ revocations, now: () => 0 })
  const cuts: string[] = []
  const leave = registry.enter({
    tenant: 'ten_1',
    agent: 'agt_1',
    user: 'usr_1',
    connection: 'con_1',
    integration: 'int_1',
    grant,
    cut: why => cuts.push(why),
    ...more,
  })
  return { revocations, registry, cuts, leave }
}

const ends: readonly Ended[] = [
  { kind: 'task', tenant: 'ten_1', id: 'tsk_1' },
  { kind: 'client', tenant: 'ten_1', id: 'agt_1' },
  { kind: 'grant', tenant: 'ten_1', id: 'grt_1', agent: 'agt_1', connection: 'con_1' },
  { kind: 'connection', tenant: 'ten_1', id: 'con_1' },
  { kind: 'integration', tenant: 'ten_1', id: 'int_1' },
]

describe('the stream registry (P4)', () => {
  it.each(ends)('cuts a stream before the end of its $kind is told further, and once', ended => {
    const { revocations, registry, cuts } = setUp()
    revocations.tell(ended)
    expect(cuts).toHaveLength(1)
    revocations.tell(ended)
    expect(cuts).toHaveLength(1)
    expect(registry.size).toBe(0)
    registry.close()
  })

  it.each(ends)('leaves a stream alone when the $kind that ended is of another tenant', ended => {
    const { revocations, registry, cuts } = setUp()
    revocations.tell({ ...ended, tenant: 'ten_2' })
    expect(cuts).toEqual([])
    registry.close()
  })

  it('cuts when the grant or the task of the caller is over by time', () => {
    const byGrant = setUp()
    byGrant.registry.sweep(999)
    expect(byGrant.cuts).toEqual([])
    byGrant.registry.sweep(1_000)
    expect(byGrant.cuts).toEqual(['grant_expired'])
    const byTask = setUp({ grant: { ...grant, expiresAt: 9_000 }, task })
    byTask.registry.sweep(2_000)
    expect(byTask.cuts).toEqual(['task_ended'])
  })

  it('forgets what ended by itself', () => {
    const { registry, revocations, cuts, leave } = setUp()
    leave()
    revocations.tell(ends[2]!)
    registry.close()
    expect(cuts).toEqual([])
  })
})
