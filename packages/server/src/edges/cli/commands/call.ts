import type { DecisionBody } from '@valetkey/sdk/wire'
import type { CliIo } from '../cli-io.ts'
import type { Command, CommandCall } from '../command.ts'
import { refuseOperatorOfFolder } from '../open-client.ts'
import { printable, printableLines } from '../printable.ts'
import { readAll, readFile } from '../secret-input.ts'
import { UsageError } from '../usage-error.ts'

const body = {
  body: { value: 'TEXT', help: 'Body; @FILE reads a file, @- standard input' },
}

/** Calls through a connection, and the question whether one would be allowed. */
export const callCommands: readonly Command[] = [
  {
    name: 'call',
    summary: 'Call a provider through a connection, as an agent would',
    args: ['CONNECTION', 'METHOD', 'PATH'],
    options: {
      ...body,
      header: { value: '"NAME: VALUE"', help: 'A request header', many: true, short: 'H' },
      include: { help: 'Show status and headers too', short: 'i' },
    },
    example:
      'VALETKEY_TOKEN=… valetkey call con_01jb2k3m4n5p6q7r8s9t0v1w2x GET "/api/conversations.list?limit=5" --url https://valetkey.example.com',
    notes:
      'Needs an agent: its credentials, or a task token in VALETKEY_TOKEN. Exit code 1 for any status of 400 and above.',
    run: callConnection,
  },
  {
    name: 'decide',
    summary: 'Would this call be allowed, and if not, what would mend it',
    args: ['CONNECTION', '[METHOD]', '[PATH]'],
    options: {
      ...body,
      operation: { value: 'OPERATION', help: 'A catalogued operation, instead of method and path' },
    },
    example:
      'VALETKEY_TOKEN=… valetkey decide con_01jb2k3m4n5p6q7r8s9t0v1w2x POST /api/chat.postMessage --url https://valetkey.example.com',
    notes: 'Nothing is sent to the provider. Exit code 0 when it would be allowed, 1 when not. --body is JSON.',
    run: decide,
  },
]

async function callConnection({ args, options, io, out, vault }: CommandCall): Promise<number> {
  refuseOperatorOfFolder(options, io)
  const [connection, method, path] = args as [string, string, string]
  const headers = new Headers()
  for (const line of options.many('header')) {
    const at = line.indexOf(':')
    try {
      headers.append(line.slice(0, Math.max(at, 0)).trim(), line.slice(at + 1).trim())
    } catch {
      throw new UsageError(`Expected --header as "NAME: VALUE", not "${line}".`, 'For example -H "Accept: text/plain"')
    }
  }
  const bytes = await readBody(options.text('body'), io)
  if (bytes !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json')
  const client = await vault()
  const handle = client.connection(connection)
  const response = await handle
    .fetch(path, {
      method: method.toUpperCase(),
      headers,
      redirect: 'manual',
      signal: io.signal,
      ...(bytes !== undefined && { body: bytes }),
    })
    .catch(error => {
      // The client refuses paths and methods that cannot be meant; that is wrong use.
      if (error instanceof TypeError && error.cause === undefined)
        throw new UsageError(error.message, 'valetkey call --help')
      throw error
    })
  if (out.isJson) {
    const text = await response.text()
    const answer = { status: response.status, headers: Object.fromEntries(response.headers), body: jsonOr(text) }
    out.result(answer, () => '')
  } else {
    if (options.isOn('include')) {
      const head = [...response.headers].map(([name, value]) => `${name}: ${value}`)
      io.stdout.write(`${[`${response.status} ${response.statusText}`.trim(), ...head].map(printable).join('\n')}\n\n`)
    }
    await writeBody(response, io)
  }
  return response.status < 400 ? 0 : 1
}

async function decide({ args, options, io, out, vault }: CommandCall): Promise<number> {
  const [connection, method, path] = args
  const operation = options.text('operation')
  if ((operation === undefined) !== (method !== undefined && path !== undefined)) {
    throw new UsageError(
      'valetkey decide needs METHOD and PATH, or --operation.',
      'For example: valetkey decide con_… GET /v1/users',
    )
  }
  const text = await readBody(options.text('body'), io)
  const given = text === undefined ? undefined : parsedBody(new TextDecoder().decode(text))
  const question: DecisionBody =
    operation === undefined
      ? {
          connection: connection!,
          method: method!.toUpperCase(),
          path: path!,
          ...(given !== undefined && { body: given }),
        }
      : { connection: connection!, operation, ...(given !== undefined && { input: given }) }
  refuseOperatorOfFolder(options, io)
  const decision = await (await vault()).decisions.ask(question)
  const what = [decision.operation, `(${decision.resource_type}:${decision.action})`].join(' ')
  out.result(decision, () =>
    [
      `${decision.allowed ? 'Allowed' : 'Denied'}: ${what}`,
      ...(decision.grant === undefined ? [] : [`  by ${decision.grant}`]),
      ...decision.reasons.flatMap(({ code, detail, fix }) => [`  - ${code}: ${detail}`, `    fix: ${fix}`]),
    ]
      .map(printable)
      .join('\n'),
  )
  return decision.allowed ? 0 : 1
}

async function readBody(given: string | undefined, io: CliIo): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (given === undefined) return undefined
  if (given === '@-') return new TextEncoder().encode(await readAll(io.stdin))
  if (given.startsWith('@')) return new Uint8Array(await readFile(given.slice(1), io))
  return new TextEncoder().encode(given)
}

function parsedBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError('Expected --body to be JSON.', 'For example --body \'{"channel": "C1"}\'')
  }
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** As it comes into a pipe or file; on a terminal without what could repaint it. */
async function writeBody(response: Response, io: CliIo): Promise<void> {
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    io.stdout.write(io.stdout.isTTY === true ? printableLines(decoder.decode(chunk, { stream: true })) : chunk)
  }
  if (io.stdout.isTTY === true) io.stdout.write(`${printableLines(decoder.decode())}\n`)
}
