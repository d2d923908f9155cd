import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryOf } from '../catalogue/entries.fixture.ts'
import type { Operation } from '../catalogue/provider.ts'
import { actions, checkPermissions, covers, coversUnlisted, isReading } from './permission.ts'

const entries = ['slack', 'google-drive', 'gmail', 'google-calendar', 'notion', 'hubspot'].map(entryOf)
const slack = entries[0]!
const operations = entries.flatMap(entry => entry.operations)
const byId = (id: string): Operation => operations.find(operation => operation.id === id)!
const anyOperation = fc.constantFrom(...operations)

describe('a permission', () => {
  it.each([
    ['slack:messages:list', 'slack.conversations.history', true],
    ['slack:messages:list', 'slack.conversations.list', false],
    ['slack:messages:*', 'slack.conversations.history', true],
    ['slack:messages:*', 'slack.search.messages', true],
    ['slack:messages:*', 'slack.chat.postMessage', false],
    ['slack:*:*', 'slack.users.list', true],
    ['slack:*:*', 'slack.chat.delete', false],
    ['slack:*:write', 'slack.chat.postMessage', true],
    ['slack:any:*', 'slack.users.list', false],
    ['gmail:messages:list', 'slack.conversations.history', false],
    ['slack.files.sharedPublicURL', 'slack.files.sharedPublicURL', true],
    ['slack:files:share', 'slack.files.sharedPublicURL', false],
    ['slack:*:share', 'slack.files.sharedPublicURL', false],
    ['slack:*:credential', 'slack.rtm.connect', false],
    ['gmail:drafts:write', 'gmail.drafts.send', false],
    ['slack', 'slack.users.list', false],
    ['slack:messages', 'slack.conversations.history', false],
    ['slack:messages:list:x', 'slack.conversations.history', false],
    ['*:messages:list', 'slack.conversations.history', false],
  ])('%s covers %s: %s', (permission, operation, expected) => {
    expect(covers(permission, byId(operation))).toBe(expected)
  })

  it('with * as action covers list, fetch and search and nothing else', () => {
    fc.assert(
      fc.property(anyOperation, operation => {
        const provider = operation.id.split('.')[0]
        expect(covers(`${provider}:*:*`, operation)).toBe(isReading(operation.action))
        expect(covers(`${provider}:${operation.resourceType}:*`, operation)).toBe(isReading(operation.action))
      }),
    )
  })

  it('never covers an operation of another resource type, another provider or another action (P3)', () => {
    fc.assert(
      fc.property(anyOperation, anyOperation, fc.constantFrom(...actions, '*' as const), (one, other, action) => {
        const permission = `${one.id.split('.')[0]}:${one.resourceType}:${action}`
        if (!covers(permission, other)) return
        expect(other.id.split('.')[0]).toBe(one.id.split('.')[0])
        expect(other.resourceType).toBe(one.resourceType)
        expect(action === '*' ? isReading(other.action) : other.action === action).toBe(true)
        expect(['share', 'credential']).not.toContain(other.action)
      }),
    )
  })

  it('never covers an operation whose type has to be written out by *', () => {
    const graphql = { ...byId('slack.users.list'), resourceType: 'graphql' }
    expect(covers('slack:*:*', graphql)).toBe(false)
    expect(covers('slack:graphql:list', graphql)).toBe(true)
  })

  it('speaks of uncatalogued calls only by "any"', () => {
    expect(coversUnlisted('slack:any:fetch', 'slack', 'fetch')).toBe(true)
    expect(coversUnlisted('slack:any:*', 'slack', 'fetch')).toBe(true)
    expect(coversUnlisted('slack:any:*', 'slack', 'write')).toBe(false)
    expect(coversUnlisted('slack:*:*', 'slack', 'fetch')).toBe(false)
    expect(coversUnlisted('gmail:any:fetch', 'slack', 'fetch')).toBe(false)
  })
})

describe('permissions in a request', () => {
  it('are accepted when they name what exists', () => {
    const good = ['slack:messages:list', 'slack:*:*', 'slack:any:write', 'slack:files:*', 'slack.files.sharedPublicURL']
    expect(checkPermissions(good, slack)).toEqual([])
  })

  it.each([
    ['slack:mails:list', 'messages'],
    ['slack:messages:read', 'list, fetch, search'],
    ['slack:files:share', 'slack.files.sharedPublicURL'],
    ['slack:messages:credential', 'slack.rtm.connect'],
    ['slack.files.unknown', 'no operation'],
    ['slack.unlisted', '"paths"'],
    ['slack:graphql:fetch', 'no resource type'],
    ['gmail:messages:list', 'another provider'],
    ['messages', 'provider:resource_type:action'],
    ['slack:constructor:list', 'no resource type'],
    ['', 'provider:resource_type:action'],
    ['a:b', 'provider:resource_type:action'],
    ['slack::list', 'no resource type'],
    [7, 'text'],
  ])('%s is refused with words that say what is valid', (permission, words) => {
    const [fault, ...others] = checkPermissions(['slack:messages:list', permission], slack)
    expect(others).toEqual([])
    expect(fault?.pointer).toBe('/permissions/1')
    expect(fault?.detail).toContain(words)
  })

  it('of a ceiling may be of any known provider', () => {
    const look = (id: string) => entries.find(entry => entry.id === id)
    expect(checkPermissions(['gmail:messages:*', 'slack:messages:*'], look, '/ceiling')).toEqual([])
    expect(checkPermissions(['nobody:messages:*'], look, '/ceiling')[0]?.pointer).toBe('/ceiling/0')
  })
})
