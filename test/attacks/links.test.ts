import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { entryOf } from '../../packages/server/src/core/catalogue/entries.fixture.ts'
import type { Operation } from '../../packages/server/src/core/catalogue/provider.ts'
import { openRig, type Rig } from '../../packages/server/src/edges/http/proxy/test-rig.ts'
import { hosts, type ScriptedApi, startScriptedApi } from '../scripted-api.ts'

const [data, files] = hosts

function operation(
  id: string,
  action: 'list' | 'write',
  host: string,
  pattern: string,
  links?: Operation['links'],
): Operation {
  const methods = action === 'list' ? ['GET', 'HEAD'] : ['POST', 'PUT']
  return {
    id: `acme.${id}`,
    description: id,
    resourceType: 'items',
    action,
    routes: [{ methods, host, pattern }],
    scopes: {},
    verified: true,
    ...(links !== undefined && { links }),
  }
}

const operations = [
  operation('records.list', 'list', data, '/records', [{ pointer: '/paging/next/link' }, { pointer: '/items/*/self' }]),
  operation('pages.list', 'list', data, '/pages'),
  operation('uploads.begin', 'write', data, '/uploads', [{ pointer: '/upload_url', host: files }]),
  operation('uploads.content', 'write', files, '/upload/{id}'),
  operation('resumable.begin', 'write', data, '/resumable'),
]

/** An SDK that follows a link does so with the token that it has: the agent's. It must never reach a provider (P7). */
describe('a link in an answer', () => {
  let api: ScriptedApi
  let proxied: string
  beforeAll(async () => {
    api = await startScriptedApi(operations)
    proxied = `${api.rig.url}/proxy/${api.connection}`
  })
  afterAll(() => api.close())
  beforeEach(() => {
    api.requests.length = 0
  })
  const at = (path: string) => `/proxy/${api.connection}/~${data}${path}`
  const answering = (status: number, headers: Record<string, string | string[]>, body = '') => {
    api.answer = (_request, response) => response.writeHead(status, headers).end(body)
  }
  /** What an SDK does with a link: asks for it with the agent's token, wherever it leads. */
  const follow = (link: string, init: RequestInit = {}) => {
    expect(new URL(link).origin).toBe(api.rig.url)
    return fetch(link, {
      redirect: 'manual',
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${api.token}` },
    })
  }

  it.each([
    ['the origin it was sent to', () => `${api.origin}/records?page=2`, `~${data}/records?page=2`],
    ['the host as the entry names it', () => `https://${data}/records?page=2`, `~${data}/records?page=2`],
    ['a sibling host', () => `https://${files}/upload/7`, `~${files}/upload/7`],
    ['the same host, relatively', () => '/records?page=2', `~${data}/records?page=2`],
    ['the same folder', () => 'other?x=%2F#part', `~${data}/other?x=%2F#part`],
  ])('to %s leads through the proxy', async (_, link, expected) => {
    answering(302, {
      location: link(),
      'content-location': link(),
      link: `<${link()}>; rel="next"`,
      refresh: `0; url=${link()}`,
    })
    const answer = await api.ask(at('/pages'))
    expect(answer.status).toBe(302)
    expect(answer.headers.location).toBe(`${proxied}/${expected}`)
    expect(answer.headers['content-location']).toBe(`${proxied}/${expected}`)
    expect(answer.headers.link).toBe(`<${proxied}/${expected}>; rel="next"`)
    expect(answer.headers.refresh).toBe(`0; url=${proxied}/${expected}`)
    expect(api.requests).toHaveLength(1)
  })

  it.each([
    'https://evil.example/',
    '//evil.example/records',
    '/\\evil.example/',
    '\\\\evil.example/',
    `https://${data}@evil.example/`,
    `https://user:pass@${data}/`,
    `https://${data}:8443/`,
    `https://${data}.evil.example/`,
    `https://evil.example/?https://${data}/`,
    `https://${data}%2f@evil.example/`,
    `https://evil.example\\@${data}/`,
    'http://127.0.0.1:1/',
    'javascript:alert(1)',
  ])('to anywhere else is taken out, and the answer says so: %s', async link => {
    answering(307, { location: link, link: `<${link}>; rel="next", </records?page=3>; rel="last"` })
    const answer = await api.ask(at('/pages'))
    expect([answer.status, answer.headers.location]).toEqual([307, undefined])
    expect(answer.headers.link).toBe(`<${proxied}/~${data}/records?page=3>; rel="last"`)
    expect(answer.headers['valetkey-link-removed']).toBe('location, link')
    expect(answer.headers['valetkey-error']).toBeUndefined()
  })

  it('opens nothing: what it leads to is asked for like anything else (P3)', async () => {
    for (const [link, code] of [
      ['/secret-admin', 'operation_not_permitted'],
      [`https://${files}/files/7`, 'operation_not_permitted'],
      ['/batch', 'operation_not_permitted'],
    ] as const) {
      answering(302, { location: link })
      const { headers } = await api.ask(at('/pages'))
      const followed = await follow(headers.location!)
      expect([link, followed.status, followed.headers.get('valetkey-error')]).toEqual([link, 403, code])
    }
    // The dots are gone before the link is written, as they would be in a browser.
    answering(302, { location: '/open/../../%2e%2e/token' })
    const { headers } = await api.ask(at('/pages'))
    expect(headers.location).toBe(`${proxied}/~${data}/token`)
    expect((await follow(headers.location!)).status).toBe(403)
    expect(api.requests).toHaveLength(4)
  })

  it('shows no secret that the link would spell when it is written anew (P1)', async () => {
    api.answer = (_request, response, token) => {
      response.writeHead(302, {
        location: `/x?t=${token.slice(0, 9)}\t${token.slice(9)}`.replace('\t', '%09').replace('%09', ''),
      })
      response.end()
    }
    const answer = await api.ask(at('/pages'))
    expect(answer.headers.location).toMatch(/\/x\?t=\*+$/)
  })

  it('leads an SDK through pages by Link headers, as GitHub writes them (RFC 8288)', async () => {
    api.answer = (request, response) => {
      const page = Number(new URL(request.url!, api.origin).searchParams.get('page') ?? 1)
      const link = (to: number, rel: string) => `<${api.origin}/pages?page=${to}>; rel="${rel}"`
      const links = [...(page < 4 ? [link(page + 1, 'next')] : []), link(1, 'first'), link(4, 'last')]
      response.writeHead(200, { 'content-type': 'application/json', link: links.join(', ') }).end(`{"page":${page}}`)
    }
    const seen: number[] = []
    for (let next: string | undefined = `${api.rig.url}${at('/pages')}`; next !== undefined; ) {
      const answer: Response = await follow(next)
      seen.push(((await answer.json()) as { page: number }).page)
      next = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    expect(seen).toEqual([1, 2, 3, 4])
    for (const request of api.requests) expect(request.headers.authorization).not.toContain(api.token)
  })

  it('leads an SDK through pages by a field of the body, as HubSpot writes them', async () => {
    api.answer = (request, response) => {
      const page = Number(new URL(request.url!, api.origin).searchParams.get('after') ?? 1)
      const next =
        page < 3 ? { next: { after: `${page + 1}`, link: `https://${data}/records?after=${page + 1}` } } : undefined
      const body = JSON.stringify({
        items: [{ id: page, self: `/records/${page}`, note: `https://${data}/n` }],
        paging: next,
      })
      response.writeHead(200, {
        'content-type': 'application/json;charset=utf-8',
        'content-length': Buffer.byteLength(body),
        'content-md5': 'x',
        etag: '"1"',
      })
      response.end(body)
    }
    const seen: number[] = []
    for (let next: string | undefined = `${api.rig.url}${at('/records')}`; next !== undefined; ) {
      const answer: Response = await follow(next, { headers: { 'accept-encoding': 'gzip' } })
      const text = await answer.text()
      expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(text)))
      expect([answer.headers.get('content-md5'), answer.headers.get('etag')]).toEqual([null, '"1"'])
      const body = JSON.parse(text)
      expect(body.items[0].self).toBe(`${proxied}/~${data}/records/${body.items[0].id}`)
      expect(body.items[0].note).toBe(`https://${data}/n`)
      seen.push(body.items[0].id)
      next = body.paging?.next.link
    }
    expect(seen).toEqual([1, 2, 3])
    expect(api.requests.map(request => request.headers['accept-encoding'])).toEqual([
      'identity',
      'identity',
      'identity',
    ])
  })

  it('to upload to leads through the proxy, to a call that needs its own permission', async () => {
    answering(
      200,
      { 'content-type': 'application/json' },
      `{"ok":true,"upload_url":"${api.origin}/upload/7","file_id":12345678901234567890}`,
    )
    const begun = await api.ask(at('/uploads'), {}, 'POST')
    expect(begun.body.toString()).toBe(
      `{"ok":true,"upload_url":"${proxied}/~${files}/upload/7","file_id":12345678901234567890}`,
    )
    answering(200, {}, 'OK - 3')
    const sent = await follow(begun.json.upload_url, { method: 'POST', body: 'abc' })
    expect([sent.status, await sent.text()]).toEqual([200, 'OK - 3'])
    expect(api.requests[1]!.headers.authorization).not.toContain(api.token)
    answering(200, { location: `${api.origin}/resumable?upload_id=9` })
    const resumable = await api.ask(at('/resumable'), {}, 'POST')
    expect(resumable.headers.location).toBe(`${proxied}/~${data}/resumable?upload_id=9`)
    expect((await follow(resumable.headers.location!, { method: 'PUT', body: 'abc' })).status).toBe(200)
  })

  it('in a field that leads elsewhere is null', async () => {
    const body = '{"upload_url":"https://evil.example/collect"}'
    answering(200, { 'content-type': 'application/json', 'content-length': String(body.length) }, body)
    const answer = await api.ask(at('/uploads'), {}, 'POST')
    expect([answer.json, answer.headers['valetkey-link-removed']]).toEqual([{ upload_url: null }, '/upload_url'])
  })

  it('in a body that is too long, is none or is a part passes as it is, with a warning', async () => {
    const long = JSON.stringify({ paging: { next: { link: `https://${data}/records` } }, pad: 'x'.repeat(1024 * 1024) })
    for (const headers of [{ 'content-length': String(long.length) }, {}] as Record<string, string>[]) {
      answering(200, { 'content-type': 'application/json', ...headers }, long)
      const answer = await api.ask(at('/records'))
      expect(answer.body.toString() === long).toBe(true)
      expect(answer.headers['valetkey-warning']).toBe('links-not-rewritten')
    }
    answering(206, { 'content-type': 'application/json' }, '"a"')
    expect((await api.ask(at('/records'))).headers['valetkey-warning']).toBe('links-not-rewritten')
    answering(200, { 'content-type': 'application/problem+json' }, '[1,2')
    await expect(api.ask(at('/records'))).rejects.toThrow()
    answering(200, { 'content-type': 'text/html' }, '<a href="/">')
    const html = await api.ask(at('/records'))
    expect([html.body.toString(), html.headers['valetkey-warning']]).toEqual(['<a href="/">', undefined])
  })

  it('in a body that breaks off is an error, for nothing of it went out', async () => {
    api.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"paging":')
      setImmediate(() => response.destroy())
    }
    const answer = await api.ask(at('/records'))
    expect([answer.status, answer.headers['valetkey-error']]).toEqual([502, 'provider_unavailable'])
  })

  it('does not hide a secret in the body around it (P1)', async () => {
    api.answer = (_request, response, token) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ you: token, paging: { next: { link: `/records?t=${token}` } } }))
    }
    const answer = await api.ask(at('/records'))
    expect(answer.json.you).toMatch(/^\*+$/)
    expect(answer.json.paging.next.link).toMatch(/\/records\?t=\*+$/)
    await expect.poll(async () => (await api.rig.events('secret_echo'))[0]?.facts).toMatchObject({ places: 2 })
  })
})

describe.each([
  {
    provider: 'slack',
    hosts: ['https://slack.com', 'https://files.slack.com'],
    permissions: ['slack:files:write'],
    scopes: ['files:write'],
    begin: '/api/files.getUploadURLExternal',
    answer: () => ({
      body: { ok: true, upload_url: 'https://files.slack.com/upload/v1/CwABAAAA_token', file_id: 'F1' },
    }),
    method: 'POST',
    expected: '~files.slack.com/upload/v1/CwABAAAA_token',
  },
  {
    provider: 'google-drive',
    hosts: ['https://www.googleapis.com'],
    permissions: ['google-drive:files:write'],
    scopes: ['https://www.googleapis.com/auth/drive.file'],
    begin: '/upload/drive/v3/files?uploadType=resumable',
    answer: (origin: string) => ({
      headers: { location: `${origin}/upload/drive/v3/files?uploadType=resumable&upload_id=ABg5-Uz` },
    }),
    method: 'PUT',
    expected: '~www.googleapis.com/upload/drive/v3/files?uploadType=resumable&upload_id=ABg5-Uz',
  },
  {
    provider: 'notion',
    hosts: ['https://api.notion.com'],
    permissions: ['notion:files:write'],
    scopes: [],
    begin: '/v1/file_uploads',
    answer: () => ({ body: { object: 'file_upload', upload_url: 'https://api.notion.com/v1/file_uploads/1/send' } }),
    method: 'POST',
    expected: '~api.notion.com/v1/file_uploads/1/send',
  },
])('an upload to $provider', ({ provider, hosts, permissions, scopes, begin, answer, method, expected }) => {
  let rig: Rig
  let api: Server
  const requests: IncomingMessage[] = []
  beforeAll(async () => {
    const origin = await new Promise<string>(resolve => {
      api = createServer((request, response) => {
        requests.push(request)
        const { headers, body } = { headers: {}, body: {}, ...answer(origin) }
        response.writeHead(200, { 'content-type': 'application/json', ...(requests.length === 1 && headers) })
        response.end(requests.length === 1 ? JSON.stringify(body) : '{}')
      }).listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(api.address() as AddressInfo).port}`))
    })
    rig = await openRig({
      entry: entryOf(provider),
      overrides: url => ({
        origins: Object.fromEntries(hosts.map(host => [host, origin])),
        tokenEndpoint: `${url}/token`,
        authorizationEndpoint: `${url}/authorize`,
      }),
    })
  })
  afterAll(async () => {
    await rig.close()
    api.close()
  })

  it('goes on at the link of the answer, through the proxy and with the token of the vault (P7)', async () => {
    const connection = await rig.connect('alice')
    await rig.parts.store.change(rig.tenant, rows => rows.connections.update({ ...connection, scopes }))
    await rig.grant(connection, { permissions })
    const { token } = await rig.task('alice')
    const begun = await rig.ask(`/proxy/${connection.id}${begin}`, { token, method: 'POST' })
    expect(begun.status).toBe(200)
    const link = begun.headers.location ?? begun.json.upload_url
    expect(link).toBe(`${rig.url}/proxy/${connection.id}/${expected}`)
    const sent = await fetch(link, { method, body: 'bytes', headers: { authorization: `Bearer ${token}` } })
    expect(sent.status).toBe(200)
    expect(requests.map(request => `~${hosts.at(-1)!.slice(8)}${request.url}`).at(-1)).toBe(expected)
    for (const { headers } of requests) expect(headers.authorization).not.toContain(token)
  })
})
