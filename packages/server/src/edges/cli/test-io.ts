import type { CliIo } from './cli-io.ts'

/** What tests hand to the command line instead of the process: it keeps what was written. */
export interface CapturedIo extends CliIo {
  readonly written: { out: string; err: string }
}

/** Everything said explicitly: no environment, no terminal, an empty standard input, time at 2030-01-01. */
export function captureIo(
  given: {
    readonly env?: Record<string, string>
    readonly stdin?: string
    readonly files?: Readonly<Record<string, string>>
    readonly columns?: number
    readonly signal?: AbortSignal
    readonly wait?: (milliseconds: number) => Promise<void>
  } = {},
): CapturedIo {
  const written = { out: '', err: '' }
  const terminal = given.columns === undefined ? {} : { isTTY: true, columns: given.columns }
  const text = (chunk: string | Uint8Array) => (typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk))
  return {
    written,
    stdout: {
      ...terminal,
      write: chunk => {
        written.out += text(chunk)
      },
    },
    stderr: {
      ...terminal,
      write: chunk => {
        written.err += text(chunk)
      },
    },
    stdin: (async function* () {
      yield given.stdin ?? ''
    })(),
    env: given.env ?? {},
    now: () => Date.UTC(2030, 0, 1),
    wait: given.wait ?? (async () => {}),
    signal: given.signal ?? new AbortController().signal,
    fetch: (input, init) => fetch(input, init),
    readFile: async path => {
      const content = given.files?.[path]
      if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      return new TextEncoder().encode(content)
    },
  }
}
