import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { committedPage, referencePages } from './reference-pages.ts'

for (const [name, text] of Object.entries(referencePages())) {
  const { path } = committedPage(name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
