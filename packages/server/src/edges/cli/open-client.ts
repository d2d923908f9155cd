import { join } from 'node:path'
import { Valetkey, ValetkeyError } from '@valetkey/sdk'
import { socketFetch } from '@valetkey/sdk/node-socket'
import type { CliIo } from './cli-io.ts'
import type { Options } from './command.ts'
import type { LocalCommands } from './local-commands.ts'
import { CommandFailed, UsageError } from './usage-error.ts'

/** A client, and how to let go of it. */
export interface OpenClient {
  readonly vault: Valetkey
  readonly close: () => Promise<void>
}

/** The socket of the server that holds a data folder. Its file permission (0600) is what makes one the operator. */
export function socketOf(data: string): string {
  return join(data, 'valetkey.sock')
}

/**
 * Opens what `--data` or `--url` name, else VALETKEY_DATA or VALETKEY_URL. With a folder no token is sent, unless
 * VALETKEY_TOKEN is set: then the call is that token's and not the operator's.
 */
export async function openClient(options: Options, io: CliIo, local: LocalCommands): Promise<OpenClient> {
  const data = options.text('data')
  const url = options.text('url')
  if (data !== undefined && url !== undefined) {
    throw new UsageError('--data and --url were both given.', 'Keep the one that is meant.')
  }
  if (url !== undefined) return overHttp(url, io)
  if (data !== undefined) return inFolder(data, io, local)
  if (io.env.VALETKEY_DATA) return inFolder(io.env.VALETKEY_DATA, io, local)
  if (io.env.VALETKEY_URL) return overHttp(io.env.VALETKEY_URL, io)
  throw new UsageError(
    'Which Valetkey is not said.',
    'Give --data DIR on the machine of the server, or --url URL with VALETKEY_CLIENT_ID and VALETKEY_CLIENT_SECRET.',
  )
}

/** A folder without a token makes one the operator, who has no connections to call through: an agent's token is needed. */
export function refuseOperatorOfFolder(options: Options, io: CliIo): void {
  const isFolder = options.text('data') !== undefined || (options.text('url') === undefined && !!io.env.VALETKEY_DATA)
  if (!isFolder || io.env.VALETKEY_TOKEN) return
  throw new CommandFailed(
    "Calls are made by an agent, with an agent's token, and none was given: --data alone makes you the operator.",
    'valetkey tasks start AGENT USER --purpose "…" --until 1h prints a token; set it as VALETKEY_TOKEN and try again.',
  )
}

function overHttp(url: string, io: CliIo): OpenClient {
  const { VALETKEY_TOKEN: token, VALETKEY_CLIENT_ID: clientId, VALETKEY_CLIENT_SECRET: clientSecret } = io.env
  const world = { url, fetch: io.fetch, now: io.now }
  try {
    if (token) return open(new Valetkey({ ...world, token }))
    if (clientId && clientSecret) return open(new Valetkey({ ...world, clientId, clientSecret }))
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`--url: ${error.message}`, 'valetkey --help')
    throw error
  }
  throw new UsageError(
    'No credentials for this URL.',
    'Set VALETKEY_CLIENT_ID and VALETKEY_CLIENT_SECRET, or VALETKEY_TOKEN, in the environment.',
  )
}

async function inFolder(data: string, io: CliIo, local: LocalCommands): Promise<OpenClient> {
  const overSocket = socketFetch(socketOf(data))
  if (await answers(overSocket)) return open(clientOver(overSocket, io))
  const folder = await local.openFolder?.({ data }, io)
  if (folder !== undefined) return { vault: clientOver(folder.fetch, io), close: () => folder.close() }
  throw new CommandFailed(`No server answers in ${data}.`, `valetkey serve --data ${data}`)
}

function clientOver(transport: typeof fetch, io: CliIo): Valetkey {
  const token = io.env.VALETKEY_TOKEN
  const world = { url: 'http://localhost', fetch: transport, now: io.now }
  return token ? new Valetkey({ ...world, token }) : new Valetkey({ ...world, trustedTransport: true })
}

/** A socket file outlives a killed server: only an answer counts, and only its absence means that nobody is there. */
async function answers(transport: typeof fetch): Promise<boolean> {
  try {
    const response = await transport('http://localhost/healthz')
    await response.body?.cancel()
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') return false
    if (code === 'EACCES' || code === 'EPERM') {
      throw new CommandFailed(
        'This user may not open the socket of the server.',
        'Run the command as the user that runs valetkey serve, or use --url with credentials.',
      )
    }
    throw new ValetkeyError({
      code: 'unreachable',
      status: 0,
      detail: 'The socket of the server could not be used.',
      cause: error,
    })
  }
}

function open(vault: Valetkey): OpenClient {
  return { vault, close: async () => {} }
}
