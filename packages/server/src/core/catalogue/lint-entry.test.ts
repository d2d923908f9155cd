import { describe, expect, it } from 'vitest'
import { entryOf } from './entries.fixture.ts'
import { lintEntry } from './lint-entry.ts'
import type { Operation, ProviderEntry } from './provider.ts'

const slack = entryOf('slack')
const [first, second] = slack.operations as [Operation, Operation]
const withOperation = (more: Partial<Operation>): ProviderEntry => ({
  ...slack,
  operations: [{ ...first, ...more }, ...slack.operations.slice(1)],
})
const withRoute = (route: object) => withOperation({ routes: [{ methods: ['GET'], pattern: '/api/new', ...route }] })
const withOauth = (more: Partial<ProviderEntry['oauth']>): ProviderEntry => ({
  ...slack,
  oauth: { ...slack.oauth, ...more },
})
const withApi = (more: Partial<ProviderEntry['api']>): ProviderEntry => ({ ...slack, api: { ...slack.api, ...more } })

describe('the check of an entry', () => {
  it('finds nothing wrong with a good one', () => {
    expect(lintEntry(slack)).toEqual([])
  })

  it.each<[string, unknown, string]>([
    ['no object', 7, 'must be an object'],
    ['an unknown member', { ...slack, secret: 'x' }, '/secret: is no member'],
    ['a missing member', { ...slack, quirks: undefined }, '/quirks'],
    ['an unknown quirk', { ...slack, quirks: ['odd'] }, '/quirks/0'],
    ['a plain http endpoint', withOauth({ tokenEndpoint: 'http://slack.com/token' }), '/oauth/tokenEndpoint'],
    ['no endpoints', { ...slack, oauth: { ...slack.oauth, tokenEndpoint: undefined } }, '/oauth'],
    ['scopes that pile up', withOauth({ authorizationParameters: { include_granted_scopes: 'true' } }), 'never sent'],
    ['an operation of another provider', withOperation({ id: 'gmail.x' }), 'must begin with "slack."'],
    ['an id twice', withOperation({ id: second.id }), 'the id stands twice'],
    ['the id of what is not catalogued', withOperation({ id: 'slack.unlisted' }), 'not catalogued'],
    ['an unknown resource type', withOperation({ resourceType: 'mails' }), 'unknown resource type'],
    ['an unknown scope', withOperation({ scopes: { anyOf: ['nope'] } }), 'unknown scope "nope"'],
    ['a malformed pattern', withRoute({ pattern: '/api/**/x' }), '"**" stands only at the end'],
    ['an unknown host', withRoute({ host: 'evil.example' }), 'no host of the entry'],
    ['a path under no prefix', withRoute({ pattern: '/oauth/x' }), 'no path prefix'],
    ['a method that names no operation', withRoute({ methods: ['TRACE'] }), 'the method TRACE'],
    ['two operations of one shape', withOperation({ routes: second.routes }), `is also`],
    [
      'an origin with a path',
      withApi({ origins: [{ origin: 'https://slack.com/api', pathPrefixes: ['/'] }] }),
      '/origin',
    ],
    ['a header that switches identity', withApi({ requestHeaders: ['select-user'] }), 'switches identity'],
    ['a header that carries a credential', withApi({ requestHeaders: ['authorization'] }), 'switches identity'],
    ['a credential parameter in capitals', withApi({ credentialParameters: ['Token'] }), 'lower case'],
    ['a malformed batch pattern', withApi({ batch: ['/batch/'] }), '/api/batch/0'],
    [
      'a type named any',
      { ...slack, resourceTypes: { ...slack.resourceTypes, any: { words: 'all' } } },
      '/resourceTypes/any',
    ],
    [
      'an unknown scope of a type',
      { ...slack, resourceTypes: { ...slack.resourceTypes, app: { words: 'x', scopes: { read: ['nope'] } } } },
      'unknown scope',
    ],
  ])('finds %s', (_, entry, words) => {
    expect(lintEntry(JSON.parse(JSON.stringify(entry))).join('\n')).toContain(words)
  })
})
