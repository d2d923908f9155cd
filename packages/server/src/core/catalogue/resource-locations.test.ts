import { describe, expect, it } from 'vitest'
import { findResources } from '../permission/find-resources.ts'
import { entryOf } from './entries.fixture.ts'
import { compileOperations, match } from './match-operation.ts'

/** What a call on the real catalogue names: `type id`, or why nobody can tell. */
function named(provider: string, call: string, body?: unknown): string | readonly string[] {
  const entry = entryOf(provider)
  const [, method, path, query] = /^(\w+) ([^?]+)(\?.*)?$/.exec(call) as unknown as [string, string, string, string?]
  const matched = match(compileOperations(entry), method, new URL(entry.api.origins[0]!.origin).host, path)
  if (matched === undefined) throw new Error(`${call} is not catalogued`)
  const found = findResources(matched.operation, matched.params, {
    query: query ?? '',
    rawHeaders: ['content-type', 'application/json'],
    ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
  })
  if (found.kind !== 'found') return found.kind
  return [...found.resources.map(({ type, id }) => `${type} ${id}`), ...found.missing.map(type => `${type} missing`)]
}

const uuid = '0f1e2d3c4b5a69788796a5b4c3d2e1f0'

describe('the catalogue says where calls name their resources', () => {
  it.each([
    ['slack', 'GET /api/conversations.history?channel=C1', undefined, ['channels C1']],
    ['slack', 'POST /api/chat.postMessage', { channel: 'C1', text: 'hi' }, ['channels C1']],
    ['slack', 'POST /api/conversations.history', {}, ['channels missing']],
    ['slack', 'GET /api/conversations.list', undefined, 'undeclared'],
    ['slack', 'GET /api/search.messages?query=x', undefined, 'undeclared'],
    [
      'slack',
      'POST /api/conversations.invite',
      { channel: 'C1', users: 'U1,U2' },
      ['channels C1', 'users U1', 'users U2'],
    ],
    ['slack', 'GET /api/files.info?file=F1', undefined, ['files F1']],
    ['slack', 'GET /api/reactions.get?channel=C1&file=F1', undefined, 'ambiguous'],
    ['google-drive', 'GET /drive/v3/files/F1?alt=media', undefined, ['files F1']],
    ['google-drive', 'GET /drive/v3/files/F1/comments/C1', undefined, ['files F1']],
    ['google-drive', 'GET /drive/v3/files?q=x', undefined, 'undeclared'],
    ['google-drive', 'PATCH /drive/v3/files/F1?addParents=F2,F3', {}, ['files F1', 'files F2', 'files F3']],
    ['google-drive', 'POST /drive/v3/files/F1/copy', { parents: ['F2'] }, ['files F1', 'files F2']],
    ['google-drive', 'POST /drive/v3/files', { name: 'x', parents: ['F2'] }, ['files F2']],
    ['google-drive', 'POST /drive/v3/files', { name: 'x' }, ['files missing']],
    ['google-drive', 'GET /drive/v3/files/F1?fileId=F2', undefined, 'ambiguous'],
    ['gmail', 'GET /gmail/v1/users/me/messages/m1', undefined, ['messages m1']],
    ['gmail', 'GET /gmail/v1/users/me/messages/m1/attachments/a1', undefined, ['messages m1']],
    // A conversation may bear the id of its first message: it is a type of its own, or one message would open them all.
    ['gmail', 'GET /gmail/v1/users/me/threads/m1', undefined, ['threads m1']],
    ['gmail', 'POST /gmail/v1/users/me/messages/batchModify', { ids: ['m1', 'm2'] }, ['messages m1', 'messages m2']],
    ['google-calendar', 'GET /calendar/v3/calendars/primary/events/e1', undefined, ['calendars primary', 'events e1']],
    [
      'google-calendar',
      'POST /calendar/v3/calendars/a/events/e1/move?destination=b',
      undefined,
      ['calendars a', 'events e1', 'calendars b'],
    ],
    [
      'google-calendar',
      'POST /calendar/v3/freeBusy',
      { items: [{ id: 'a' }, { id: 'b' }] },
      ['calendars a', 'calendars b'],
    ],
    ['notion', `GET /v1/pages/${uuid}`, undefined, [`pages ${uuid}`]],
    ['notion', `GET /v1/blocks/${uuid.toUpperCase()}/children`, undefined, [`blocks ${uuid}`]],
    ['notion', `POST /v1/databases/${uuid}/query`, { filter: {} }, [`databases ${uuid}`]],
    ['notion', 'POST /v1/pages', { parent: { page_id: uuid } }, [`pages ${uuid}`]],
    ['notion', 'POST /v1/comments', { parent: { page_id: uuid }, discussion_id: 'x' }, 'ambiguous'],
    ['notion', 'POST /v1/search', {}, 'undeclared'],
    ['hubspot', 'GET /crm/v3/objects/contacts/1', undefined, ['contacts 1']],
    ['hubspot', 'GET /crm/v3/objects/0-1/1', undefined, ['contacts 1']],
    ['hubspot', 'GET /crm/v3/objects/contacts/1?idProperty=phone', undefined, 'ambiguous'],
    [
      'hubspot',
      'POST /crm/v3/objects/contacts/batch/read',
      { inputs: [{ id: '1' }, { id: '2' }] },
      ['contacts 1', 'contacts 2'],
    ],
    [
      'hubspot',
      'POST /crm/v3/objects/contacts/batch/read',
      { idProperty: 'phone', inputs: [{ id: '1' }] },
      'ambiguous',
    ],
    ['hubspot', 'POST /crm/v3/objects/contacts/search', {}, 'undeclared'],
    ['hubspot', 'GET /crm/v3/objects/contacts', undefined, 'undeclared'],
  ])('%s: %s', (provider, call, body, expected) => expect(named(provider, call, body)).toEqual(expected))
})
