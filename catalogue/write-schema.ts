import { writeFileSync } from 'node:fs'
import { entrySchema } from '../packages/server/src/core/catalogue/entry-shape.ts'

// Run after a change of the entry's shape: `node catalogue/write-schema.ts`.
writeFileSync(new URL('schema.json', import.meta.url), `${JSON.stringify(entrySchema(), null, 2)}\n`)
