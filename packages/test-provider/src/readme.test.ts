import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { quirkNames, quirks } from './quirks.ts'
import { faultKinds } from './test-provider.ts'

const folder = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(`${folder}/README.md`, 'utf8')
const samples = [...readme.matchAll(/```ts run\n(.*?)```/gs)].map(([, code]) => code!)

test('every sample of the README runs', async () => {
  expect(samples).toHaveLength(4)
  for (const sample of samples) {
    await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', sample], { cwd: folder })
  }
})

test('the README tells every quirk in the words of the table, every fault and every option', () => {
  // The formatter pads the cells of tables.
  const text = readme.replace(/ +/g, ' ')
  for (const name of quirkNames) expect(text).toContain(`| \`${name}\` | ${quirks[name]} |`)
  expect(text).toContain(`${quirkNames.length} named quirks`)
  for (const kind of Object.keys(faultKinds)) expect(text).toContain(`| \`${kind}\` |`)
  const source = readFileSync(`${folder}/src/options.ts`, 'utf8')
  const options = /export interface TestProviderOptions \{(.*?)\n\}/s.exec(source)![1]!
  for (const [, name] of options.matchAll(/readonly (\w+)\?:/g)) {
    if (name !== 'read' && name !== 'write') expect(text).toContain(`| \`${name}\` |`)
  }
})
