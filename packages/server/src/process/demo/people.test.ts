import { expect, test } from 'vitest'
import { daysBefore, people, sharedMessages } from './people.ts'
import { services } from './services.ts'

test('no text of one person’s week stands in the other’s', () => {
  const [ada, ben] = people
  const texts = (person: (typeof people)[number]) => services.flatMap(service => service.markers(person))
  expect(texts(ada!).length).toBeGreaterThan(20)
  for (const text of texts(ada!))
    expect(texts(ben!).some(other => other.includes(text) || text.includes(other))).toBe(false)
})

test('at whatever hour the demo runs, the week lies in the last seven days', () => {
  const day = Date.parse('2030-03-01T00:00:00Z')
  const dated = people.flatMap(({ week }) => [
    ...week.messages,
    ...week.mails,
    ...week.pages,
    ...week.tasks,
    ...sharedMessages,
  ])
  const held = people.flatMap(({ week }) => week.events)
  for (let minutes = 0; minutes < 24 * 60; minutes += 7) {
    const now = day + minutes * 60_000
    const times = [
      ...dated.map(({ daysAgo }) => daysBefore(now, daysAgo)),
      ...held.map(({ daysAgo, hour }) => daysBefore(now, daysAgo, hour)),
    ]
    for (const time of times) {
      expect(time.getTime()).toBeLessThan(now)
      expect(time.getTime()).toBeGreaterThan(now - 7 * 86_400_000)
    }
  }
})
