import { describe, expect, it } from 'vitest'
import { slugOf } from './tenant-slug.ts'

describe('the slug of a tenant', () => {
  it.each([
    ['Acme Corp', 'acme-corp'],
    ['acme', 'acme'],
    ['Müller & Söhne, Inc.', 'muller-sohne-inc'],
    ['  spaced  ', 'spaced'],
    ['../x', 'x'],
    ['x'.repeat(63), 'x'.repeat(63)],
  ])('of %j is %s', (name, slug) => {
    expect(slugOf(name)).toBe(slug)
  })

  it.each(['', '...', '日本', 'x'.repeat(64)])('of %j cannot be made', name => {
    expect(() => slugOf(name)).toThrow('cannot be part of a URL')
  })

  it('is not made of a name that could repaint a page or terminal', () => {
    for (const name of ['a\u001b[2Jb', 'a\u202eb']) expect(() => slugOf(name)).toThrow('control characters')
  })
})
