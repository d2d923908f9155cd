import { expect, test } from 'vitest'
import { type Haystack, judgeLeaks } from './search-secrets.ts'

const secret = 'xoxp-Se+cret/0123456789"~token'
const secrets = { slack: [secret] }
const haystack = (text: string): Haystack => ({
  name: 'the log',
  bytes: Buffer.from(`begin ${text} end`),
  control: 'begin',
})
const leaks = (text: string) => !judgeLeaks(secrets, [haystack(text)]).ok

test('a pile without the secret holds', () => {
  expect(judgeLeaks(secrets, [haystack('nothing to see')])).toMatchObject({ ok: true })
})

test.each([
  ['as it is', secret],
  ['percent-encoded', encodeURIComponent(secret)],
  ['JSON-escaped', JSON.stringify(secret)],
  ['in hex', Buffer.from(secret).toString('hex')],
  ['in base64', Buffer.from(secret).toString('base64')],
  ['in base64url', Buffer.from(secret).toString('base64url')],
  ['in base64 after one byte', Buffer.from(`:${secret}`).toString('base64')],
  ['in base64 after two bytes', Buffer.from(`a:${secret}:z`).toString('base64')],
])('the secret %s is found (P1)', (_, text) => {
  expect(leaks(text)).toBe(true)
})

test('what is found is told by place, never by value', () => {
  const { detail } = judgeLeaks(secrets, [haystack(secret)])
  expect(detail).toContain('slack in the log')
  expect(detail).not.toContain(secret)
})

test('a search that cannot find anything proves nothing', () => {
  expect(judgeLeaks({ slack: [] }, [haystack('')]).ok).toBe(false)
  expect(judgeLeaks({}, [haystack('')]).ok).toBe(false)
  expect(judgeLeaks(secrets, []).ok).toBe(false)
  expect(judgeLeaks(secrets, [{ name: 'the log', bytes: Buffer.alloc(0), control: 'begin' }]).ok).toBe(false)
})
