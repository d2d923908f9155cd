import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { match } from '../../core/catalogue/match-operation.ts'
import { resolveProvider } from '../../core/catalogue/resolve-provider.ts'
import { CatalogueFault, loadCatalogue } from './load-catalogue.ts'

const catalogue = loadCatalogue()

describe('the catalogue', () => {
  it('holds the first providers, all confirmed', () => {
    const ids = catalogue.list().map(entry => entry.id)
    expect(ids).toEqual(
      expect.arrayContaining([
        'generic-oidc',
        'gmail',
        'google-calendar',
        'google-drive',
        'hubspot',
        'notion',
        'slack',
      ]),
    )
    for (const entry of catalogue.list()) {
      if (entry.confidence === 'low') expect(entry.status).toBe('unconfirmed')
    }
  })

  it('finds entries by words, tables and operations by ids', () => {
    expect(catalogue.search('google').map(entry => entry.id)).toEqual(['google-calendar', 'google-drive'])
    expect(catalogue.search('CRM').map(entry => entry.id)).toContain('hubspot')
    expect(catalogue.operation('slack.users.list')?.entry.id).toBe('slack')
    expect(catalogue.operation('slack.unlisted')).toBeUndefined()
    expect(catalogue.get('nobody')).toBeUndefined()
    expect(catalogue.table('constructor')).toBeUndefined()
  })

  it('is complete without overrides, but for what the operator has to name', () => {
    for (const entry of catalogue.list()) {
      const { missing } = resolveProvider(entry, { parameters: {}, overrides: {} })
      expect(missing).toEqual(entry.oauth.discovery === undefined ? [] : ['overrides.issuer'])
    }
  })

  // Whoever has one of these may see, or let others see, what the grant never spoke of.
  it.each([
    ['slack.files.sharedPublicURL', 'share'],
    ['slack.conversations.inviteShared', 'share'],
    ['slack.conversations.invite', 'share'],
    ['slack.rtm.connect', 'credential'],
    ['google-drive.permissions.create', 'share'],
    ['google-drive.permissions.update', 'share'],
    ['google-drive.accessproposals.resolve', 'share'],
    ['google-drive.changes.watch', 'credential'],
    ['google-drive.files.generateCseToken', 'credential'],
    ['gmail.settings.updateAutoForwarding', 'share'],
    ['gmail.settings.delegates.create', 'share'],
    ['gmail.settings.forwardingAddresses.create', 'share'],
    ['gmail.watch', 'credential'],
    ['google-calendar.acl.insert', 'share'],
    ['google-calendar.events.watch', 'credential'],
    ['hubspot.files.signedUrl', 'credential'],
    ['hubspot.webhooks.create', 'credential'],
    ['hubspot.users.create', 'share'],
  ])('knows that %s is of the action %s', (id, action) => {
    expect(catalogue.operation(id)?.operation.action).toBe(action)
  })

  it.each([
    ['slack', 'POST', 'slack.com', '/api/auth.test', 'slack.auth.test'],
    ['slack', 'POST', 'slack.com', '/api/conversations.list', 'slack.conversations.list'],
    ['slack', 'GET', 'slack.com', '/api/users.list', 'slack.users.list'],
    ['slack', 'GET', 'files.slack.com', '/files-pri/T1-F1/a.txt', 'slack.files.download'],
    ['google-drive', 'GET', 'www.googleapis.com', '/drive/v3/files', 'google-drive.files.list'],
    ['google-drive', 'GET', 'www.googleapis.com', '/drive/v3/files/1a/export', 'google-drive.files.export'],
    ['gmail', 'GET', 'gmail.googleapis.com', '/gmail/v1/users/me/messages', 'gmail.messages.list'],
    ['gmail', 'POST', 'www.googleapis.com', '/upload/gmail/v1/users/me/drafts', 'gmail.drafts.create'],
    [
      'google-calendar',
      'GET',
      'www.googleapis.com',
      '/calendar/v3/users/me/calendarList',
      'google-calendar.calendarList.list',
    ],
    [
      'google-calendar',
      'GET',
      'www.googleapis.com',
      '/calendar/v3/calendars/primary/events',
      'google-calendar.events.list',
    ],
    ['google-calendar', 'POST', 'www.googleapis.com', '/calendar/v3/freeBusy', 'google-calendar.freebusy.query'],
    ['notion', 'POST', 'api.notion.com', '/v1/search', 'notion.search'],
    ['notion', 'GET', 'api.notion.com', '/v1/users/me', 'notion.get-self'],
    ['hubspot', 'GET', 'api.hubapi.com', '/crm/v3/objects/0-1/7', 'hubspot.contacts.get'],
  ])('of %s knows %s %s%s as %s', (provider, method, host, path, id) => {
    expect(match(catalogue.table(provider)!, method, host, path)?.operation.id).toBe(id)
  })
})

describe('a folder that is no catalogue', () => {
  let bad: string
  beforeAll(() => {
    bad = mkdtempSync(join(tmpdir(), 'catalogue-'))
    writeFileSync(join(bad, 'broken.json'), '{')
    writeFileSync(join(bad, 'empty.json'), '{}')
    writeFileSync(join(bad, 'other-name.json'), JSON.stringify(catalogue.get('notion')))
  })
  afterAll(() => rmSync(bad, { recursive: true }))

  it('is refused with every fault of every file', () => {
    let thrown: unknown
    try {
      loadCatalogue(bad)
    } catch (fault) {
      thrown = fault
    }
    expect(thrown).toBeInstanceOf(CatalogueFault)
    const { faults } = thrown as CatalogueFault
    expect(faults.some(fault => fault.startsWith('broken.json: is not JSON'))).toBe(true)
    expect(faults).toContain('empty.json: /oauth: is missing')
    expect(faults.some(fault => fault.startsWith('other-name.json: /id'))).toBe(true)
  })

  it('is refused when it is not there', () => {
    expect(() => loadCatalogue(join(bad, 'nowhere'))).toThrow(/cannot be read/)
  })
})
