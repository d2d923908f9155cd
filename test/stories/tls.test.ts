import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get as getPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { selfSigned } from '../../packages/server/src/engines/egress/self-signed.test-data.ts'
import { runServer, type ServedUrl } from '../tls-server.ts'

const parent = mkdtempSync(join(tmpdir(), 'valetkey-tls-story-'))
const certPath = join(parent, 'cert.pem')
const keyPath = join(parent, 'key.pem')
const environment = { VALETKEY_TLS_CERT: certPath, VALETKEY_TLS_KEY: keyPath }

function install({ cert, key }: { readonly cert: string; readonly key: string }): void {
  writeFileSync(certPath, cert)
  writeFileSync(keyPath, key)
  chmodSync(keyPath, 0o600)
}

describe('a server that speaks TLS itself', () => {
  let server: ServedUrl
  beforeAll(async () => {
    install(selfSigned)
    server = await runServer(join(parent, 'data'), environment)
  })
  afterAll(async () => {
    await server?.close()
    rmSync(parent, { recursive: true, force: true })
  })

  it('is ready under an https URL, which is its issuer, and sends HSTS', async () => {
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    const { status, headers, body } = await ask('GET', '/.well-known/oauth-authorization-server')
    expect(status).toBe(200)
    expect(JSON.parse(body).issuer).toBe(server.url)
    expect(headers['strict-transport-security']).toBe('max-age=31536000; includeSubDomains')
  })

  it('sets the cookie of a connect flow as __Host- and Secure', async () => {
    const token = await operatorToken()
    const asOperator = async (path: string, given: object) => {
      const made = await ask('POST', path, JSON.stringify(given), {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
      })
      expect([path, made.status]).toEqual([path, 201])
      return JSON.parse(made.body)
    }
    const integration = await asOperator('/v1/integrations', {
      provider: 'slack',
      client_id: 'an-id',
      client_secret: 'a-secret',
    })
    expect(integration.callback_url).toMatch(`${server.url}/callback/`)
    const session = await asOperator('/v1/connect-sessions', {
      user: { external_id: (await asOperator('/v1/users', { external_id: 'alice' })).external_id },
      integration: integration.id,
      return_to: 'http://127.0.0.1:9/done',
    })
    const page = await ask('GET', session.connect_url.slice(server.url.length))
    expect(page.status).toBe(200)
    expect(page.headers['set-cookie']).toEqual([expect.stringMatching(/^__Host-vk_connect_.*; Secure$/)])
  })

  it('speaks TLS 1.2 and 1.3 with forward secrecy only, and HTTP/1.1', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await handshake({ minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] })
      expect([socket.getProtocol(), socket.alpnProtocol]).toEqual([version, 'http/1.1'])
      socket.destroy()
    }
    await expect(
      handshake({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
    ).rejects.toThrow()
    const cbc = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA' } as const
    await expect(handshake(cbc)).rejects.toThrow(/handshake failure/)
  })

  it('does not answer whoever speaks plain HTTP to it, and serves the next one', async () => {
    const asked = new Promise((resolve, reject) => {
      getPlain(server.url.replace('https:', 'http:'), resolve).once('error', reject)
    })
    await expect(asked).rejects.toThrow(/socket hang up|ECONNRESET/)
    expect((await ask('GET', '/healthz')).status).toBe(200)
  })

  it('is reached by commands through the socket file as before', async () => {
    const { code, out } = await server.command('users', 'list', '--data', join(parent, 'data'), '--json')
    expect([code, JSON.parse(out).data.length]).toEqual([0, 1])
  })

  const openssl = hasOpenssl()
  it.skipIf(!openssl)(
    'takes a new certificate on SIGHUP, and keeps the old one when the new one has faults',
    async () => {
      const key = join(parent, 'next-key.pem')
      const cert = join(parent, 'next-cert.pem')
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'].concat([
          '-subj',
          '/CN=next.test',
          '-keyout',
          key,
          '-out',
          cert,
        ]),
        { stdio: 'ignore' },
      )
      const before = await handshake({})
      expect(before.getPeerCertificate().subject.CN).toBe('api.test')
      // The certificate without its key: refused, and told.
      execFileSync('cp', [cert, certPath])
      process.kill(server.pid, 'SIGHUP')
      await server.says('the old certificate stays')
      expect((await handshake({})).getPeerCertificate().subject.CN).toBe('api.test')
      execFileSync('cp', [key, keyPath])
      process.kill(server.pid, 'SIGHUP')
      await server.says('the certificate was read again')
      expect((await handshake({})).getPeerCertificate().subject.CN).toBe('next.test')
      expect(before.destroyed).toBe(false)
      expect(server.said()).not.toContain('PRIVATE KEY')
    },
  )

  function ask(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: string }> {
    return new Promise((resolve, reject) => {
      const sent = requestTls(
        `${server.url}${path}`,
        { method, headers, ca: selfSigned.cert, servername: 'api.test' },
        async answer => {
          let text = ''
          for await (const chunk of answer) text += chunk
          resolve({ status: answer.statusCode!, headers: answer.headers, body: text })
        },
      )
      sent.once('error', reject)
      sent.end(body)
    })
  }

  async function operatorToken(): Promise<string> {
    const { client_id, client_secret } = server.operator
    const answer = await ask('POST', '/oauth/token', 'grant_type=client_credentials', {
      authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    })
    return JSON.parse(answer.body).access_token
  }

  function handshake(options: object): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const port = Number(new URL(server.url).port)
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => resolve(socket))
      socket.on('error', reject)
    })
  }
})

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
