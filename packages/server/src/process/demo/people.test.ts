import { expect, test } from 'vitest'
import { people } from './people.ts'
import { services } from './services.ts'

test('no text of one person’s week stands in the other’s', () => {
  const [ada, ben] = people
  const texts = (person: (typeof people)[number]) => services.flatMap(service => service.markers(person))
  expect(texts(ada!).length).toBeGreaterThan(20)
  for (const text of texts(ada!))
    expect(texts(ben!).some(other => other.includes(text) || text.includes(other))).toBe(false)
})
