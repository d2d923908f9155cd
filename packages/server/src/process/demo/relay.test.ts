import { expect, test } from 'vitest'
import { tokensIn } from './relay.ts'

test('tokens of a token answer are found at any depth, and nothing else is taken for one', () => {
  const answer = { access_token: 'a', authed_user: { access_token: 'b', scope: 's' }, id_token: 'c', refresh_token: '' }
  expect(tokensIn(JSON.stringify(answer)).sort()).toEqual(['a', 'b', 'c'])
  expect(tokensIn('access_token=a')).toEqual([])
})
