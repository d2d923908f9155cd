import { expect, it } from 'vitest'
import { entryOf } from '../catalogue/entries.fixture.ts'
import { splitAnswer } from './answer-secrets.ts'
import type { JsonObject } from './bounded-json.ts'
import { atPointer } from './json-pointer.ts'
import { normaliseAnswer } from './normalise-answer.ts'

// The shapes in which the vendors document their token answers, through the entries as they are shipped.

function normal(id: string, body: unknown, grantType = 'authorization_code', status = 200): JsonObject {
  const answer = normaliseAnswer({
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(body)),
    entry: entryOf(id),
    grantType,
  })
  if (answer.kind === 'refused') throw new Error(answer.why)
  return answer.json
}

it("Slack: the person's token counts, the workspace's bot token is only masked", () => {
  const json = normal('slack', {
    ok: true,
    access_token: 'xoxb-the-bot',
    token_type: 'bot',
    scope: 'chat:write,channels:read',
    team: { id: 'T1', name: 'Team' },
    enterprise: null,
    authed_user: { id: 'U1', scope: 'search:read,users:read', access_token: 'xoxp-the-person', token_type: 'user' },
  })
  expect(json).toMatchObject({ access_token: 'xoxp-the-person', scope: 'search:read users:read' })
  expect(json).not.toHaveProperty('expires_in')
  expect(splitAnswer(json).secrets).toEqual(['xoxb-the-bot'])
})

it('Slack: a refresh answers at the top level, and errors come with status 200', () => {
  const renewed = {
    ok: true,
    access_token: 'xoxe.xoxp-2',
    refresh_token: 'xoxe-2',
    expires_in: 43200,
    token_type: 'user',
  }
  expect(normal('slack', renewed, 'refresh_token')).toMatchObject({
    access_token: 'xoxe.xoxp-2',
    refresh_token: 'xoxe-2',
  })
  expect(normal('slack', { ok: false, error: 'invalid_code' })).toEqual({ error: 'invalid_code' })
})

it('Google: scopes with spaces, an ID token that is masked', () => {
  const body = {
    access_token: 'ya29.a',
    expires_in: 3599,
    refresh_token: '1//r',
    scope: 'openid https://www.googleapis.com/auth/drive.readonly',
    token_type: 'Bearer',
    id_token: 'aaaaa.bbbbb.ccccc',
  }
  for (const id of ['google-drive', 'gmail', 'google-calendar']) {
    const json = normal(id, body)
    expect(json).toMatchObject({ access_token: 'ya29.a', refresh_token: '1//r', expires_in: 3599, scope: body.scope })
    expect(splitAnswer(json).secrets).toEqual(['aaaaa.bbbbb.ccccc'])
  }
})

it('Notion: no expiry, null members, and the account is in the facts', () => {
  const json = normal('notion', {
    access_token: 'ntn_1',
    token_type: 'bearer',
    refresh_token: 'nrt_1',
    bot_id: 'b-1',
    workspace_id: 'w-1',
    workspace_name: 'Space',
    workspace_icon: null,
    duplicated_template_id: null,
    owner: { type: 'user', user: { object: 'user', id: 'u-1', name: 'Alice', person: { email: 'alice@example.com' } } },
  })
  const { facts } = splitAnswer(json)
  const pointers = entryOf('notion').oauth.account!
  expect([...pointers.id, ...pointers.label].map(pointer => atPointer(facts, pointer))).not.toContain(undefined)
  expect(json).not.toHaveProperty('expires_in')
})

it('HubSpot: the standard answer without scopes, and errors by a status word', () => {
  const body = { access_token: 'C-1', refresh_token: 'r-1', expires_in: 1800, token_type: 'bearer' }
  expect(normal('hubspot', body)).toEqual({ ...body })
  const refusal = { status: 'BAD_REFRESH_TOKEN', message: 'missing or unknown refresh token' }
  expect(normal('hubspot', refusal, 'refresh_token', 400)).toEqual({ error: 'bad_refresh_token' })
})
