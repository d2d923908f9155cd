import type { CliIo } from './cli-io.ts'
import type { OptionSpec, Options } from './command.ts'
import type { Output } from './output.ts'
import { CommandFailed, UsageError } from './usage-error.ts'

/** The three ways to hand in one secret: file, stdin, and the plain value, which leaves traces. */
export function secretOptions(name: string, what: string): Readonly<Record<string, OptionSpec>> {
  return {
    [`${name}-file`]: { value: 'FILE', help: `File that holds ${what}` },
    [`${name}-stdin`]: { help: `Read ${what} from standard input` },
    [name]: { value: 'VALUE', help: "The value itself: stays in the shell's history and in the list of processes" },
  }
}

/** Reads that secret, without the line end that editors add; undefined when it was not given. */
export async function readSecret(name: string, options: Options, io: CliIo, out: Output): Promise<string | undefined> {
  const file = options.text(`${name}-file`)
  const isStdin = options.isOn(`${name}-stdin`)
  const plain = options.text(name)
  if ([file !== undefined, isStdin, plain !== undefined].filter(Boolean).length > 1) {
    throw new UsageError(`--${name} was given in several ways.`, `Keep --${name}-file or --${name}-stdin.`)
  }
  if (plain !== undefined) {
    out.note(
      `Warning: a secret on the command line is seen by others on this machine and stays in the shell's history. Prefer --${name}-file or --${name}-stdin.`,
    )
    return notEmpty(plain, name)
  }
  if (isStdin) {
    if (io.stdin.isTTY === true) out.note('Type or paste the secret, then Enter and Ctrl-D. It is shown as you type.')
    return notEmpty(await readAll(io.stdin), name)
  }
  if (file === undefined) return undefined
  return notEmpty(new TextDecoder().decode(await readFile(file, io)), name)
}

/** A file that the person named; a missing one is theirs to mend. */
export async function readFile(path: string, io: CliIo): Promise<Uint8Array> {
  try {
    return await io.readFile(path)
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'could not be read'
    throw new CommandFailed(`The file ${path} ${why}.`, 'Check the path and its permissions.')
  }
}

/** Standard input to its end, as text. */
export async function readAll(stdin: CliIo['stdin']): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stdin) chunks.push(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function notEmpty(value: string, name: string): string {
  const secret = value.replace(/\r?\n$/, '')
  if (secret === '') throw new UsageError(`--${name} is empty.`, 'Check the file or what was piped in.')
  return secret
}
