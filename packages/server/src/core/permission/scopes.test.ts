import { describe, expect, it } from 'vitest'
import { entryOf } from '../catalogue/entries.fixture.ts'
import { minimalScopes, resourceTypesOf, scopesMissing } from './scopes.ts'

const slack = entryOf('slack')
const drive = entryOf('google-drive')
const operationOf = (entry: typeof slack, id: string) => entry.operations.find(operation => operation.id === id)!
const google = 'https://www.googleapis.com/auth/'

describe('missing scopes', () => {
  it('are none when one of the alternatives is there', () => {
    expect(scopesMissing(operationOf(slack, 'slack.conversations.history'), ['im:history'], slack)).toEqual([])
    expect(scopesMissing(operationOf(slack, 'slack.auth.test'), [], slack)).toEqual([])
  })

  it('name the least alternative', () => {
    expect(scopesMissing(operationOf(slack, 'slack.conversations.history'), [], slack)).toEqual(['channels:history'])
    expect(scopesMissing(operationOf(drive, 'google-drive.files.list'), ['openid'], drive)).toEqual([
      `${google}drive.readonly`,
    ])
  })

  it('are all of those that are needed together', () => {
    const operation = { ...operationOf(slack, 'slack.users.list'), scopes: { allOf: ['users:read', 'team:read'] } }
    expect(scopesMissing(operation, ['users:read'])).toEqual(['team:read'])
    expect(scopesMissing(operation, [])).toEqual(['users:read', 'team:read'])
  })
})

describe('the least scopes to ask for', () => {
  it('are those of reading, after those that tell the account apart', () => {
    expect(minimalScopes(slack, ['messages'])).toEqual(['channels:history'])
    expect(minimalScopes(drive, ['files'])).toEqual(['openid', `${google}userinfo.email`, `${google}drive.readonly`])
    expect(minimalScopes(slack, ['messages'], 'write')).toEqual(['channels:history', 'chat:write'])
    expect(minimalScopes(entryOf('notion'), ['pages'])).toEqual([])
  })

  it('let every reading type of an entry be read, and never ask for a scope of writing beside one of reading', () => {
    for (const id of ['slack', 'google-drive', 'gmail', 'google-calendar', 'hubspot']) {
      const entry = entryOf(id)
      for (const type of Object.keys(entry.resourceTypes)) {
        const scopes = minimalScopes(entry, [type])
        const identity = entry.oauth.identityScopes ?? []
        const asked = scopes.filter(scope => !identity.includes(scope))
        const isReadable = entry.scopes.some(scope => scope.resourceType === type && scope.access === 'read')
        if (!isReadable) continue
        for (const name of asked) expect(entry.scopes.find(scope => scope.name === name)?.access).toBe('read')
      }
    }
  })
})

describe('a scope that others make needless', () => {
  it('is not asked for', () => {
    const drive = entryOf('google-drive')
    expect(minimalScopes(drive, ['files', 'permissions'])).not.toContain(`${google}drive.metadata.readonly`)
    expect(minimalScopes(drive, ['permissions'])).toContain(`${google}drive.metadata.readonly`)
    expect(minimalScopes(drive, ['files'], 'write')).toEqual(['openid', `${google}userinfo.email`, `${google}drive`])
  })

  it('opened no operation that is lost without it', () => {
    for (const id of ['slack', 'google-drive', 'gmail', 'google-calendar', 'hubspot']) {
      const entry = entryOf(id)
      const types = Object.keys(entry.resourceTypes)
      const together = minimalScopes(entry, types, 'write')
      const singly = types.flatMap(type => minimalScopes(entry, [type], 'write'))
      for (const operation of entry.operations) {
        expect(scopesMissing(operation, together).length === 0).toBe(scopesMissing(operation, singly).length === 0)
      }
    }
  })
})

describe('the resource types of a connection', () => {
  it('are those that its scopes open', () => {
    expect(resourceTypesOf(slack, ['channels:history', 'users:read'])).toEqual(['messages', 'users'])
    expect(resourceTypesOf(slack, [])).toEqual([])
    expect(resourceTypesOf(entryOf('notion'), [])).toContain('pages')
  })
})
