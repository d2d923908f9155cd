import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const binary = fileURLToPath(new URL('../node_modules/.bin/valetkey', import.meta.url))

/** A server as an operator runs it, under the URL that it says itself. */
export interface ServedUrl {
  readonly url: string
  readonly pid: number
  readonly operator: { readonly client_id: string; readonly client_secret: string }
  said(): string
  /** Resolves when it has written these words after its start. */
  says(words: string): Promise<void>
  command(...args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }>
  close(): Promise<void>
}

/** `init` and `serve` on a free port with these settings. */
export async function runServer(folder: string, settings: Readonly<Record<string, string>>): Promise<ServedUrl> {
  const environment = {
    PATH: process.env.PATH ?? '',
    HOME: dirname(folder),
    XDG_CONFIG_HOME: join(dirname(folder), 'config'),
    ...settings,
  }
  const command: ServedUrl['command'] = async (...args) => {
    const child = spawn(binary, args, { env: environment, stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
    let out = ''
    child.stdout.on('data', chunk => {
      out += chunk
    })
    return new Promise(resolve => child.once('close', code => resolve({ code, out })))
  }
  const { operator } = JSON.parse((await command('init', '--data', folder, '--json')).out)
  const child = spawn(binary, ['serve', '--data', folder, '--port', '0', '--json'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const hear = (chunk: Buffer) => {
    said += chunk
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  const until = async (words: string) => {
    while (!said.includes(words)) {
      const gone = ended.then(() => Promise.reject(new Error(`it ended before it said "${words}": ${said}`)))
      await Promise.race([nextWords(child), gone])
    }
  }
  await until('"ready":true')
  const { url, pid } = JSON.parse(said.split('\n').find(line => line.includes('"ready":true'))!)
  return {
    url,
    pid,
    operator,
    said: () => said,
    says: until,
    command,
    async close() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function nextWords(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    const hear = () => {
      child.stdout?.off('data', hear)
      child.stderr?.off('data', hear)
      resolve()
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
  })
}
