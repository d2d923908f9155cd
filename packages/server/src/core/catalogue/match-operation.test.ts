import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryOf } from './entries.fixture.ts'
import { compileOperations, lookAlike, match } from './match-operation.ts'

const slack = compileOperations(entryOf('slack'))
const drive = compileOperations(entryOf('google-drive'))
const gmail = compileOperations(entryOf('gmail'))
const hubspot = compileOperations(entryOf('hubspot'))
const calendar = compileOperations(entryOf('google-calendar'))

const idOf = (table: typeof slack, method: string, host: string, path: string) =>
  match(table, method, host, path)?.operation.id

describe('the operation of a call', () => {
  it.each([
    ['POST', '/api/conversations.list', 'slack.conversations.list'],
    ['GET', '/api/conversations.history', 'slack.conversations.history'],
    ['HEAD', '/api/conversations.history', 'slack.conversations.history'],
    ['POST', '/api/users.list', 'slack.users.list'],
    ['POST', '/api/auth.test', 'slack.auth.test'],
    ['GET', '/api/conversations%2Ehistory', 'slack.conversations.history'],
    ['GET', '/%61pi/auth.test', 'slack.auth.test'],
    ['GET', '/api/conversations.history/', undefined],
    ['GET', '/api/Conversations.History', undefined],
    ['GET', '/api/conversations.history;a=b', undefined],
    ['GET', '/api/conversations.history%2F', undefined],
    ['DELETE', '/api/conversations.history', undefined],
    ['GET', '/api', undefined],
    ['GET', 'api/auth.test', undefined],
  ])('%s %s at Slack is %s', (method, path, expected) => {
    expect(idOf(slack, method, 'slack.com', path)).toBe(expected)
  })

  it.each([
    ['GET', '/drive/v3/files', 'google-drive.files.list'],
    ['GET', '/drive/v3/files/1AbC_d-E', 'google-drive.files.get'],
    ['GET', '/drive/v3/files/1AbC/export', 'google-drive.files.export'],
    ['GET', '/drive/v3/files/generateIds', 'google-drive.files.generateIds'],
    ['GET', '/drive/v3/files/generateCseToken', 'google-drive.files.generateCseToken'],
    ['DELETE', '/drive/v3/files/trash', 'google-drive.files.emptyTrash'],
    ['DELETE', '/drive/v3/files/1AbC', 'google-drive.files.delete'],
    ['POST', '/upload/drive/v3/files', 'google-drive.files.create'],
    ['PUT', '/upload/drive/v3/files/1AbC', 'google-drive.files.update'],
    ['POST', '/drive/v3/files/1AbC/permissions', 'google-drive.permissions.create'],
    ['POST', '/drive/v3/files/1AbC/accessproposals/p:resolve', 'google-drive.accessproposals.resolve'],
    ['POST', '/drive/v3/files/1AbC/accessproposals/p', undefined],
    ['GET', '/gmail/v1/users/me/messages', undefined],
  ])('%s %s at Google Drive is %s', (method, path, expected) => {
    expect(idOf(drive, method, 'www.googleapis.com', path)).toBe(expected)
  })

  it.each([
    ['GET', '/crm/v3/owners/', 'hubspot.owners.list'],
    ['GET', '/crm/v3/objects/contacts/17/', 'hubspot.contacts.get'],
    ['POST', '/crm/v3/objects/contacts/search/', 'hubspot.contacts.search'],
    ['GET', '/crm/v3/objects/contacts//', undefined],
    ['DELETE', '/crm/v3/objects/contacts/', undefined],
    ['GET', '/', undefined],
  ])('may end in one slash where the entry says so: %s %s at HubSpot is %s', (method, path, expected) => {
    expect(idOf(hubspot, method, 'api.hubapi.com', path)).toBe(expected)
  })

  it('is the same on every host that serves it, and none on others', () => {
    const path = '/gmail/v1/users/me/messages/18c'
    expect(idOf(gmail, 'GET', 'gmail.googleapis.com', path)).toBe('gmail.messages.get')
    expect(idOf(gmail, 'GET', 'www.googleapis.com', path)).toBe('gmail.messages.get')
    expect(idOf(gmail, 'GET', 'example.com', path)).toBeUndefined()
    expect(idOf(gmail, 'POST', 'gmail.googleapis.com', '/upload/gmail/v1/users/me/messages/send')).toBe(
      'gmail.messages.send',
    )
  })

  it('keeps the parameters of the path as they stood', () => {
    const found = match(calendar, 'GET', 'www.googleapis.com', '/calendar/v3/calendars/a%40b.c/events/e1')
    expect(found).toMatchObject({
      operation: { id: 'google-calendar.events.get' },
      pattern: '/calendar/v3/calendars/{calendarId}/events/{eventId}',
      params: { calendarId: 'a%40b.c', eventId: 'e1' },
    })
  })

  it('is none when a server that decodes more would take it for another', () => {
    for (const path of [
      '/drive/v3/files/1AbC%2Fpermissions',
      '/drive/v3/files/TRASH%2F1',
      '/drive/v3/files/x%2F..%2Fgenerateids',
      '/drive/v3/files/GenerateCseToken',
    ]) {
      expect(idOf(drive, 'GET', 'www.googleapis.com', path)).toBeUndefined()
    }
  })
})

describe('a look-alike', () => {
  it.each([
    '/api/Chat.PostMessage',
    '/api/chat.postMessage/',
    '/api//chat.postMessage',
    '/api%2Fchat.postMessage',
    '/api/chat.postMessage.json',
    '/api/chat.postMessage.XML',
    '/api/chat.postMessage.',
    '/api/chat.postMessage%20.',
  ])('of %s is the operation that a careless server would run', path => {
    expect(lookAlike(slack, 'POST', 'slack.com', path)?.id).toBe('slack.chat.postMessage')
  })

  it('is found for every catalogued path in every spelling', () => {
    const routes = [...slack.operations.values()].filter(operation => operation.routes.every(route => !route.host))
    fc.assert(
      fc.property(
        fc.constantFrom(...routes),
        fc.infiniteStream(fc.integer({ min: 0, max: 2 })),
        (operation, choices) => {
          const spelling = operation.routes[0]!.pattern.split('')
            .map((character, index) => {
              const choice = index === 0 ? 0 : choices.next().value
              if (choice === 1) return character.toUpperCase()
              return choice === 2 ? `%${character.charCodeAt(0).toString(16).padStart(2, '0')}` : character
            })
            .join('')
          expect(lookAlike(slack, 'POST', 'slack.com', spelling)?.id).toBe(operation.id)
          const found = match(slack, 'POST', 'slack.com', spelling)
          expect([undefined, operation.id]).toContain(found?.operation.id)
        },
      ),
    )
  })
})
