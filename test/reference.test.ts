import { expect, it } from 'vitest'
import { committedPage, referencePages } from '../docs/reference-pages.ts'

it.each(Object.entries(referencePages()))(
  'docs/reference/%s says what the code says (npm run docs writes it)',
  (name, text) => {
    expect(committedPage(name).text).toBe(text)
  },
)
