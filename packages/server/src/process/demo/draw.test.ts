import { expect, test } from 'vitest'
import { trailRows } from './draw.ts'

test('a trail row names who worked, whose data it was, and how often', () => {
  const read = {
    time: '2030-01-02T03:04:05.000Z',
    type: 'access.allowed',
    outcome: 'allowed' as const,
    user: 'usr_a',
    connection: 'con_b',
    agent: 'agt_1',
    actor_chain: ['usr_a', 'agt_1'],
    provider: 'gmail',
    resource_type: 'messages',
    action: 'list' as const,
  }
  const names = {
    users: new Map([
      ['usr_a', 'Ada'],
      ['usr_b', 'Ben'],
    ]),
    agents: new Map([['agt_1', 'Summariser']]),
    owners: new Map([['con_b', 'Ben']]),
  }
  const rows = trailRows(
    [
      { ...read, id: '2' },
      { ...read, id: '1' },
      { ...read, id: '3', type: 'task.created' },
    ],
    names,
  )
  expect(rows).toEqual([
    {
      when: '03:04:05',
      who: 'Ada',
      service: 'Gmail',
      data: "Ben's messages",
      action: 'list',
      agent: 'Summariser',
      outcome: 'allowed',
      calls: 2,
    },
  ])
})
