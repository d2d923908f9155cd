import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The command as people call it: it starts the pinned Node by itself. */
const command = fileURLToPath(new URL('../../../bin/valetkey', import.meta.url))

export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Every child's output, and a way to end all that still run. */
export class ValetkeyProcesses {
  readonly #env: Readonly<Record<string, string>>
  readonly #running = new Set<ChildProcess>()
  #log = ''
  #isClosed = false

  /** `env` is all that the children see: settings of the person's own Valetkey must not reach them. */
  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env
  }

  /** All that the children wrote to stdout and stderr, `init` apart: it prints what is told once. */
  get log(): string {
    return this.#log
  }

  /** Runs a command to its end. */
  async run(args: readonly string[]): Promise<Said> {
    const child = this.#start(args)
    let [stdout, stderr] = ['', '']
    child.stdout!.on('data', chunk => {
      stdout += chunk
    })
    child.stderr!.on('data', chunk => {
      stderr += chunk
    })
    const code = await ended(child)
    return { code, stdout, stderr }
  }

  /** Starts a server and waits for its ready line. */
  async serve(args: readonly string[]): Promise<{ readonly url: string; stop(): Promise<number> }> {
    const child = this.#start(['serve', ...args, '--json'])
    const end = ended(child)
    let stdout = ''
    child.stderr!.on('data', chunk => {
      this.#log += chunk
    })
    const ready = new Promise<string>((resolve, reject) => {
      child.stdout!.on('data', chunk => {
        this.#log += chunk
        stdout += chunk
        const line = stdout.split('\n')[0]!
        if (stdout.includes('\n')) resolve((JSON.parse(line) as { url: string }).url)
      })
      end.then(
        code => reject(new Error(`valetkey serve ended with ${code} before it was ready:\n${this.#log}`)),
        reject,
      )
    })
    return {
      url: await ready,
      stop: () => {
        child.kill('SIGTERM')
        return end
      },
    }
  }

  /** Ends what still runs, by its id: asked first, killed after 3 s. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(
      [...this.#running].map(async child => {
        const end = ended(child)
        child.kill('SIGTERM')
        const timer = setTimeout(() => child.kill('SIGKILL'), 3_000)
        await end.catch(() => undefined)
        clearTimeout(timer)
      }),
    )
  }

  #start(args: readonly string[]): ChildProcess {
    // Who was asked to stop starts nothing that would outlive it.
    if (this.#isClosed) throw new Error('the demo is over')
    const child = spawn(command, args, { env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout!.setEncoding('utf8')
    child.stderr!.setEncoding('utf8')
    this.#running.add(child)
    child.once('close', () => this.#running.delete(child))
    return child
  }
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
  })
}
