import { expect, it } from 'vitest'
import { splitAnswer } from './answer-secrets.ts'

const answer = {
  access_token: 'xoxp-user-1234',
  token_type: 'bearer',
  refresh_token: 'xoxe-refresh-1234',
  refresh_token_expires_in: 7200,
  other_access_token: 'xoxb-bot-5678',
  id_token: 'aaaa.bbbb.cccc',
  team: { id: 'T1', name: 'Team' },
  bot: { bot_access_token: 'xoxb-bot-9999', user_id: 'U1' },
  incoming_webhook: { channel: 'general chat', url: 'https://hooks.example/services/T1/B1/zzz' },
  note: 'use xoxp-user-1234 now',
}

it('every text that may be a secret is a needle for the scrub, except the two that are held as tokens (P1)', () => {
  expect([...splitAnswer(answer).secrets].sort()).toEqual([
    'aaaa.bbbb.cccc',
    'https://hooks.example/services/T1/B1/zzz',
    'xoxb-bot-5678',
    'xoxb-bot-9999',
  ])
})

it('facts keep what tells accounts apart and hold no secret, also not one repeated under an innocent name', () => {
  const { facts } = splitAnswer(answer)
  expect(facts).toMatchObject({
    team: { id: 'T1', name: 'Team' },
    bot: { user_id: 'U1' },
    token_type: 'bearer',
    note: '',
  })
  const text = JSON.stringify(facts)
  for (const secret of ['xoxp', 'xoxe', 'xoxb', 'aaaa', 'hooks']) expect(text).not.toContain(secret)
})

it('ordinary words are no needles, or the scrub would ruin ordinary answers', () => {
  expect(
    splitAnswer({ access_token: 'long-enough', token_type: 'bearer', secret_kind: 'short', key: 'a b c d e f g' })
      .secrets,
  ).toEqual([])
})
