import { afterEach, expect, test } from 'vitest'
import { type AppAtProvider, closeAll, startApp } from '../app-at-provider.ts'
import type { TestProviderOptions } from '../test-provider.ts'

afterEach(closeAll)

const start = (options: TestProviderOptions = {}) => startApp({ vendor: 'hubspot', ...options })
const tokenOf = (app: AppAtProvider, user = 'alice', scopes?: string[]) =>
  app.provider.issueTokens(user, 'app', scopes).accessToken

async function ask(app: AppAtProvider, token: string, method: string, path: string, body?: object) {
  const response = await app.call(path, token, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

test('HubSpot takes the secret in the form and answers half an hour, without scope, static on refresh', async () => {
  const app = await start()
  const answer = await app.connect('bob', { response_type: undefined })
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({ token_type: 'bearer', expires_in: 1800, hub_id: expect.any(Number) })
  expect(answer.body).not.toHaveProperty('scope')
  const renewed = await app.refresh(answer.body.refresh_token)
  expect(renewed.body.refresh_token).toBe(answer.body.refresh_token)
  expect(renewed.body.access_token).not.toBe(answer.body.access_token)
  expect(await app.refresh('unknown')).toMatchObject({
    status: 400,
    body: { status: 'BAD_REFRESH_TOKEN', error: 'invalid_grant' },
  })
})

test('tokens are described by path, and a deleted refresh token is refused from then on', async () => {
  const app = await start()
  const { body } = await app.connect('bob')
  const about = (path: string, init?: RequestInit) => fetch(`${app.provider.url}/oauth/v1/${path}`, init)
  expect(await (await about(`access-tokens/${body.access_token}`)).json()).toMatchObject({
    user: 'bob@example.com',
    hub_id: body.hub_id,
    scopes: ['oauth', 'crm.objects.contacts.read'],
    token_type: 'access',
  })
  expect((await about('access-tokens/unknown')).status).toBe(404)
  expect((await about(`refresh-tokens/${body.refresh_token}`, { method: 'DELETE' })).status).toBe(204)
  expect((await about(`refresh-tokens/${body.refresh_token}`)).status).toBe(404)
  expect((await app.refresh(body.refresh_token)).status).toBe(400)
  expect((await ask(app, body.access_token, 'GET', '/crm/v3/objects/contacts')).status).toBe(200)
})

test('refusals carry the category of HubSpot', async () => {
  const app = await start()
  expect(await ask(app, 'wrong', 'GET', '/crm/v3/owners')).toMatchObject({
    status: 401,
    body: { status: 'error', category: 'INVALID_AUTHENTICATION', correlationId: expect.any(String) },
  })
  expect(await ask(app, tokenOf(app, 'alice', ['oauth']), 'GET', '/crm/v3/objects/deals')).toMatchObject({
    status: 403,
    body: { category: 'MISSING_SCOPES', errors: [{ context: { requiredGranularScopes: ['crm.objects.deals.read'] } }] },
  })
  const token = tokenOf(app)
  app.provider.clock.advance(1800)
  expect(await ask(app, token, 'GET', '/crm/v3/owners')).toMatchObject({
    status: 401,
    body: { category: 'EXPIRED_AUTHENTICATION' },
  })
  expect(await ask(app, tokenOf(app), 'GET', '/crm/v3/objects/contacts/1')).toMatchObject({
    status: 404,
    body: { category: 'OBJECT_NOT_FOUND' },
  })
})

test('lists page by after, show the properties asked for, and differ between two people', async () => {
  const app = await start()
  const [alice, bob] = [tokenOf(app), tokenOf(app, 'bob')]
  const first = (await ask(app, alice, 'GET', '/crm/v3/objects/contacts?limit=2&properties=email,nothing')).body
  expect(first.results).toHaveLength(2)
  expect(first.results[0].properties).toMatchObject({ email: 'carol.aliceson@northwind.example', nothing: null })
  const { after, link } = first.paging.next
  expect(link.startsWith(app.provider.url)).toBe(true)
  const second = (await ask(app, alice, 'GET', `/crm/v3/objects/contacts?limit=2&after=${after}`)).body
  expect(second.results).toHaveLength(1)
  expect(second).not.toHaveProperty('paging')
  const his = (await ask(app, bob, 'GET', '/crm/v3/objects/contacts')).body
  const ids = [...first.results, ...second.results].map(record => record.id)
  expect(his.results.some((record: { id: string }) => ids.includes(record.id))).toBe(false)
  expect((await ask(app, bob, 'GET', `/crm/v3/objects/contacts/${ids[0]}`)).status).toBe(404)
  const tasks = (await ask(app, alice, 'GET', '/crm/v3/objects/tasks?properties=hs_task_subject')).body
  expect(tasks.results[0].properties.hs_task_subject).toBe('Send the offer (Alice)')
})

test('search filters by groups, sorts and counts; an unknown operator is refused', async () => {
  const app = await start()
  const token = tokenOf(app)
  const search = (type: string, body: object) => ask(app, token, 'POST', `/crm/v3/objects/${type}/search`, body)
  const deals = await search('deals', {
    filterGroups: [
      { filters: [{ propertyName: 'amount', operator: 'GTE', value: '10000' }] },
      { filters: [{ propertyName: 'dealstage', operator: 'EQ', value: 'presentationscheduled' }] },
    ],
    sorts: [{ propertyName: 'amount', direction: 'DESCENDING' }],
    properties: ['amount'],
    limit: 2,
  })
  expect(deals.body).toMatchObject({ total: 3, paging: { next: { after: '2' } } })
  expect(deals.body.results.map((deal: { properties: { amount: string } }) => deal.properties.amount)).toEqual([
    '30000',
    '12000',
  ])
  expect((await search('deals', { after: '2', limit: 2 })).body.results).toHaveLength(1)
  const since = String(Date.now() - 3.5 * 86_400_000)
  const recent = { filters: [{ propertyName: 'hs_lastmodifieddate', operator: 'GTE', value: since }] }
  expect((await search('tasks', { filterGroups: [recent] })).body.total).toBe(3)
  expect((await search('contacts', { query: 'erin' })).body.total).toBe(1)
  const wrong = { filters: [{ propertyName: 'amount', operator: 'ABOUT', value: '1' }] }
  expect(await search('deals', { filterGroups: [wrong] })).toMatchObject({
    status: 400,
    body: { category: 'VALIDATION_ERROR' },
  })
})

test('records are created, read, changed, associated and archived', async () => {
  const app = await start()
  const token = tokenOf(app)
  const properties = { email: 'new@example.com', firstname: 'New' }
  const made = await ask(app, token, 'POST', '/crm/v3/objects/contacts', { properties })
  expect([made.status, made.body.properties.email]).toEqual([201, 'new@example.com'])
  expect((await ask(app, token, 'POST', '/crm/v3/objects/contacts', { properties })).body.category).toBe('CONFLICT')
  const path = `/crm/v3/objects/contacts/${made.body.id}`
  expect((await ask(app, token, 'PATCH', path, { properties: { firstname: 'Newer' } })).body.properties.firstname).toBe(
    'Newer',
  )
  const byMail = await ask(app, token, 'GET', '/crm/v3/objects/contacts/new@example.com?idProperty=email')
  expect(byMail.body.id).toBe(made.body.id)
  const batch = await ask(app, token, 'POST', '/crm/v3/objects/contacts/batch/read', {
    inputs: [{ id: made.body.id }, { id: '1' }],
  })
  expect(batch.body).toMatchObject({ status: 'COMPLETE', results: [{ id: made.body.id }] })
  const inputs = [{ id: made.body.id, properties: { firstname: 'Newest' } }]
  const changed = await ask(app, token, 'POST', '/crm/v3/objects/contacts/batch/update', { inputs })
  expect(changed.body.results[0].properties.firstname).toBe('Newest')
  const two = { inputs: [{ properties: { email: 'a@example.com' } }, { properties: { email: 'b@example.com' } }] }
  const both = await ask(app, token, 'POST', '/crm/v3/objects/contacts/batch/create', two)
  expect([both.status, both.body.results.length]).toEqual([201, 2])
  const gone = { inputs: [{ id: both.body.results[0].id }] }
  expect((await ask(app, token, 'POST', '/crm/v3/objects/contacts/batch/archive', gone)).status).toBe(204)
  expect((await ask(app, token, 'DELETE', path)).status).toBe(204)
  expect((await ask(app, token, 'GET', path)).status).toBe(404)
  const [deal] = (await ask(app, token, 'GET', '/crm/v3/objects/deals')).body.results
  const linked = await ask(app, token, 'GET', `/crm/v4/objects/deals/${deal.id}/associations/contacts`)
  expect(linked.body.results).toHaveLength(1)
  expect((await ask(app, token, 'POST', '/crm/v3/objects/contacts', {})).status).toBe(400)
})

test('owners and account details are those of the token', async () => {
  const app = await start()
  const token = tokenOf(app, 'bob')
  const [owner] = (await ask(app, token, 'GET', '/crm/v3/owners')).body.results
  expect(owner).toMatchObject({ email: 'bob@example.com', firstName: 'Bob', lastName: 'Baker' })
  expect((await ask(app, token, 'GET', `/crm/v3/owners/${owner.id}`)).status).toBe(200)
  const details = await ask(app, token, 'GET', '/account-info/v3/details')
  expect(details.body.portalId).toBe((await app.connect('bob')).body.hub_id)
})

test('a seed fills the account of its user', async () => {
  const records = { contacts: [{ id: '7', properties: { email: 'x@y.example' } }] }
  const app = await start({ seed: { hubspot: { alice: { records } } } })
  expect((await ask(app, tokenOf(app), 'GET', '/crm/v3/objects/contacts')).body.results).toMatchObject([{ id: '7' }])
  expect((await ask(app, tokenOf(app), 'GET', '/crm/v3/objects/deals')).body.results).toEqual([])
})
