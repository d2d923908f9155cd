import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

function run(...args: string[]) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./cli.ts', import.meta.url)), ...args])
  started.push(child)
  return child
}

test('the command line serves a vendor, says where, and ends cleanly on SIGTERM', async () => {
  const child = run('--vendor', 'hubspot', '--client', 'app,s3cret,http://127.0.0.1:9/callback', '--json')
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const ready = JSON.parse(line.toString())
  expect(ready.endpoints.token).toBe(`${ready.url}/oauth/v1/token`)
  expect((await fetch(`${ready.url}/crm/v3/owners`)).status).toBe(401)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('wrong use ends with code 2 and says what was expected', async () => {
  for (const [args, message] of [
    [['--quirk', 'nope'], /no quirk is called "nope"/],
    [['--vendor', 'nope'], /vendor must be one of/],
    [['--pkce', 'nope'], /pkce must be one of/],
    [['--client', 'app,x', '--auth-method', 'nope'], /authMethod must be one of/],
    [['--nope'], /nope/],
  ] as [string[], RegExp][]) {
    const child = run(...args)
    const said = once(child.stderr!, 'data')
    expect(await once(child, 'exit')).toEqual([2, null])
    expect(String(await said)).toMatch(message)
  }
})
