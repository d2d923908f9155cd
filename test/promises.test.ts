import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

function testsBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry =>
    entry.name === 'node_modules'
      ? []
      : entry.isDirectory()
        ? testsBelow(join(folder, entry.name))
        : entry.name.endsWith('.test.ts') && entry.name !== 'promises.test.ts'
          ? [readFileSync(join(root, folder, entry.name), 'utf8')]
          : [],
  )
}

describe('SECURITY.md', () => {
  const page = readFileSync(join(root, 'SECURITY.md'), 'utf8')
  const kept = page.slice(page.indexOf('## What is promised'), page.indexOf('## Not yet'))
  const promises = [...kept.matchAll(/^\*\*(P\d+)\*\*/gm)].map(match => match[1]!)
  // A citation stands in the name of a test or of its group: `it('…(P2)')`, `describe('P7 …')`.
  const names = testsBelow('packages')
    .concat(testsBelow('test'))
    .flatMap(text =>
      [...text.matchAll(/(?:it|test|describe)(?:\.\w+(?:\([^)]*\))?)*\s*\(\s*(['"`])((?:(?!\1)[^\\]|\\.)*)\1/g)].map(
        match => match[2]!,
      ),
    )

  it('promises P1, P2, P3, P6, P7 and P10 at least', () => {
    expect(promises).toEqual(expect.arrayContaining(['P1', 'P2', 'P3', 'P6', 'P7', 'P10']))
  })

  it.each(promises)('promises %s, which the name of a test cites', id => {
    expect(names.filter(name => new RegExp(`\\b${id}\\b`).test(name)).length).toBeGreaterThan(0)
  })
})
