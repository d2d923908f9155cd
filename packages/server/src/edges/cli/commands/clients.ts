import type { SecretOnce } from '@valetkey/sdk/wire'
import type { Command, CommandCall } from '../command.ts'
import { userRef } from '../references.ts'
import { readFile } from '../secret-input.ts'
import { drawFacts } from '../table.ts'
import { UsageError } from '../usage-error.ts'
import { drawList, listOptions } from './list-command.ts'

/** Programs that speak to us: apps and agents. */
export const clientCommands: readonly Command[] = [
  {
    name: 'apps add',
    summary: "Make a client for a back end of the tenant's own",
    args: ['NAME'],
    options: {
      scopes: { value: 'A,B', help: 'Scopes of ours, such as connections:write', many: true },
      'return-to': { value: 'URL', help: 'Where a person may be sent back to after connecting', many: true },
    },
    example:
      'valetkey apps add "Back office" --scopes users:write,connections:write,connections:read --return-to https://app.example.com/connected --data ./vault',
    run: async call => {
      const scopes = call.options.list('scopes')
      if (scopes === undefined) throw new UsageError('valetkey apps add needs --scopes.', 'valetkey apps add --help')
      const vault = await call.vault()
      const made = await vault.apps.create({
        name: call.args[0]!,
        scopes,
        return_to_urls: call.options.many('return-to'),
      })
      return drawMade(call, made)
    },
  },
  {
    name: 'apps list',
    summary: 'The back ends of this tenant',
    args: [],
    options: listOptions,
    example: 'valetkey apps list --data ./vault',
    run: async call =>
      drawList(
        call,
        (await call.vault()).apps.list(),
        [
          { head: 'ID', of: row => row.id },
          { head: 'NAME', of: row => row.name },
          { head: 'SCOPES', of: row => row.scopes.join(' ') },
        ],
        'No apps yet. Next: valetkey apps add NAME --scopes A,B',
      ),
  },
  {
    name: 'agents add',
    summary: 'Make a client for an agent',
    args: ['NAME'],
    options: {
      description: { value: 'TEXT', help: 'What it is for' },
      user: { value: 'USER', help: 'The one person it belongs to' },
      'redirect-uri': { value: 'URI', help: 'Where a person comes back to after signing in', many: true },
      'auth-method': { value: 'METHOD', help: 'client_secret_basic, client_secret_post, private_key_jwt or none' },
      'jwks-file': { value: 'FILE', help: 'Its public keys, for private_key_jwt' },
      ceiling: { value: 'PERMISSION', help: 'Never more than this, whatever is granted', many: true },
    },
    example: 'valetkey agents add digest --ceiling "slack:messages:*" --data ./vault',
    run: async call => {
      const { options } = call
      const description = options.text('description')
      const user = options.text('user')
      const method = options.text('auth-method')
      const jwksFile = options.text('jwks-file')
      const redirectUris = options.many('redirect-uri')
      const ceiling = options.list('ceiling')
      const jwks = jwksFile === undefined ? undefined : await readJwks(call, jwksFile)
      const vault = await call.vault()
      const made = await vault.agents.create({
        name: call.args[0]!,
        ...(description !== undefined && { description }),
        ...(user !== undefined && { user: userRef(user) }),
        ...(method !== undefined && { token_endpoint_auth_method: method }),
        ...(jwks !== undefined && { jwks }),
        ...(redirectUris.length > 0 && { redirect_uris: redirectUris }),
        ...(ceiling !== undefined && { ceiling }),
      })
      return drawMade(call, made)
    },
  },
  {
    name: 'agents list',
    summary: 'The agents of this tenant',
    args: [],
    options: listOptions,
    example: 'valetkey agents list --data ./vault',
    run: async call =>
      drawList(
        call,
        (await call.vault()).agents.list(),
        [
          { head: 'ID', of: row => row.id },
          { head: 'NAME', of: row => row.name },
          { head: 'CEILING', of: row => row.ceiling?.join(' ') },
          { head: 'DESCRIPTION', of: row => row.description },
        ],
        'No agents yet. Next: valetkey agents add NAME',
      ),
  },
]

function drawMade(
  { out }: CommandCall,
  made: SecretOnce & { readonly id: string; readonly name: string; readonly client_id: string },
): number {
  out.result(made, () =>
    drawFacts([
      ['id', made.id],
      ['name', made.name],
      ['client id', made.client_id],
      ['client secret', made.client_secret],
    ]),
  )
  if (made.client_secret !== undefined) out.note('The secret is shown this once. Keep it where secrets are kept.')
  return 0
}

async function readJwks({ io }: CommandCall, path: string): Promise<object> {
  const bytes = await readFile(path, io)
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof value === 'object' && value !== null && 'keys' in value && !holdsPrivateKey(value.keys)) return value
  } catch {
    // The same words as for any other content.
  }
  throw new UsageError(
    `Expected ${path} to hold a JWK set of public keys.`,
    '{"keys": [{"kty": …}]}, without private members.',
  )
}

/** A private key has no business on the way to a server: `d` is its exponent or scalar, `k` a symmetric key. */
function holdsPrivateKey(keys: unknown): boolean {
  return !Array.isArray(keys) || keys.some(key => typeof key !== 'object' || key === null || 'd' in key || 'k' in key)
}
