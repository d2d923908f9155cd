import { expect, test } from 'vitest'
import { hear } from './heard.ts'

test('all that an agent receives is kept: status, headers and body', async () => {
  const heard = hear(async () => Response.json({ word: 'tulip' }, { status: 201, headers: { 'x-flower': 'rose' } }))
  const answer = await heard.fetch('http://127.0.0.1/')
  expect(await answer.json()).toEqual({ word: 'tulip' })
  expect(answer.status).toBe(201)
  const kept = heard.bytes().toString()
  for (const text of ['201', 'x-flower: rose', 'tulip']) expect(kept).toContain(text)
})
