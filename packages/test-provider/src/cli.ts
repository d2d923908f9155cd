#!/usr/bin/env node
import { parseArgs } from 'node:util'
import type { ClientAuthMethod, ClientOptions, PkceRule, RotationRule, Vendor } from './options.ts'
import { type QuirkName, quirks } from './quirks.ts'
import { startTestProvider, type TestProvider } from './test-provider.ts'

const help = `A strict, scriptable OAuth provider on 127.0.0.1, until SIGINT or SIGTERM.

  node src/cli.ts --vendor notion --client app,s3cret,http://127.0.0.1:7400/callback

  --vendor NAME                 generic (default), notion, hubspot
  --port N                      default 0: a free one
  --prefix /PATH                everything hangs under it
  --client ID,SECRET[,URI…]     repeatable; an empty SECRET makes a public client
  --auth-method METHOD          of all clients with a secret
  --user ID,EMAIL,NAME          repeatable; default alice and bob
  --quirk NAME                  repeatable; --quirks lists them
  --pkce RULE                   required, optional, ignored, forbidden
  --rotation RULE               rotating, static, none
  --access-token-seconds N      --refresh-token-seconds N
  --canary TEXT                 at the start of every token
  --auto-approve USER           no consent page
  --json                        the ready line as JSON
`

/** Runs the provider for people and for tests in other languages. Exit code 2 for wrong use. */
async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      vendor: { type: 'string' },
      port: { type: 'string' },
      prefix: { type: 'string' },
      client: { type: 'string', multiple: true },
      'auth-method': { type: 'string' },
      user: { type: 'string', multiple: true },
      quirk: { type: 'string', multiple: true },
      quirks: { type: 'boolean' },
      pkce: { type: 'string' },
      rotation: { type: 'string' },
      'access-token-seconds': { type: 'string' },
      'refresh-token-seconds': { type: 'string' },
      canary: { type: 'string' },
      'auto-approve': { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return void process.stdout.write(help)
  if (values.quirks) {
    for (const [name, sentence] of Object.entries(quirks)) process.stdout.write(`${name}  ${sentence}\n`)
    return
  }
  const seconds = (name: 'access-token-seconds' | 'refresh-token-seconds') =>
    values[name] === undefined ? undefined : Number(values[name])
  const [accessTokenSeconds, refreshTokenSeconds] = [seconds('access-token-seconds'), seconds('refresh-token-seconds')]
  const provider = await startTestProvider({
    port: Number(values.port ?? 0),
    ...(values.vendor !== undefined && { vendor: values.vendor as Vendor }),
    ...(values.prefix !== undefined && { pathPrefix: values.prefix }),
    ...(values.client !== undefined && { clients: values.client.map(text => readClient(text, values['auth-method'])) }),
    ...(values.user !== undefined && { users: values.user.map(readUser) }),
    ...(values.quirk !== undefined && { quirks: values.quirk as QuirkName[] }),
    ...(values.pkce !== undefined && { pkce: values.pkce as PkceRule }),
    ...(values.rotation !== undefined && { rotation: values.rotation as RotationRule }),
    ...(accessTokenSeconds !== undefined && { accessTokenSeconds }),
    ...(refreshTokenSeconds !== undefined && { refreshTokenSeconds }),
    ...(values.canary !== undefined && { canary: values.canary }),
    ...(values['auto-approve'] !== undefined && { autoApprove: values['auto-approve'] }),
  })
  const ready = { url: provider.url, issuer: provider.issuer, endpoints: provider.endpoints, pid: process.pid }
  process.stdout.write(values.json ? `${JSON.stringify(ready)}\n` : `test provider ready ${provider.url}\n`)
  closeOnSignal(provider)
}

function readClient(text: string, authMethod: string | undefined): ClientOptions {
  const [id = '', secret = '', ...redirectUris] = text.split(',')
  if (secret === '') return { id, redirectUris, authMethod: 'none' }
  return { id, secret, redirectUris, ...(authMethod !== undefined && { authMethod: authMethod as ClientAuthMethod }) }
}

function readUser(text: string) {
  const [id = '', email = '', ...name] = text.split(',')
  if (id === '' || email === '') throw new TypeError(`--user takes ID,EMAIL,NAME, got "${text}"`)
  return { id, email, name: name.join(',') || id }
}

function closeOnSignal(provider: TestProvider): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void provider.close())
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
})
