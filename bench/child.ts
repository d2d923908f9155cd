import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A process that the bench started. */
export interface Child {
  readonly pid: number
  /** What it said when it was ready. */
  readonly said: Readonly<Record<string, string>>
  /** From the start of the process to its ready line. */
  readonly readyMs: number
  /** Microseconds of CPU of all its threads so far, and of its own children. */
  cpuMicroseconds(): number
  /** Bytes that it holds of the machine's memory. */
  residentBytes(): number
  stop(): Promise<void>
}

export interface ChildOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** How long it may take until it is ready. */
  readonly readyWithinMs?: number
}

const running = new Set<ChildProcess>()

/** Whatever way the bench ends, nothing of it stays behind. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** Starts a command and waits for the JSON line with `ready: true` on its stdout. */
export async function startChild(
  command: string,
  args: readonly string[],
  { environment = {}, readyWithinMs = 30_000 }: ChildOptions = {},
): Promise<Child> {
  const startedAt = performance.now()
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...environment },
  })
  running.add(child)
  let complaint = ''
  child.stderr.on('data', (data: Buffer) => {
    complaint = `${complaint}${data}`.slice(-2_000)
  })
  const said = await new Promise<Record<string, string>>((resolve, reject) => {
    const timer = setTimeout(() => fail(`was not ready within ${readyWithinMs} ms`), readyWithinMs)
    const fail = (why: string) => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`${command} ${args.join(' ')} ${why}: ${complaint}`))
    }
    child.once('error', error => fail(error.message))
    child.once('close', code => fail(`ended with code ${code}`))
    createInterface({ input: child.stdout }).on('line', line => {
      if (!line.startsWith('{') || !line.includes('"ready":true')) {
        complaint += `${line}\n`
        return
      }
      clearTimeout(timer)
      resolve(JSON.parse(line))
    })
  })
  return childOf(child, said, startedAt)
}

/** A started process, seen from outside. */
export function childOf(child: ChildProcess, said: Readonly<Record<string, string>>, startedAt: number): Child {
  const pid = child.pid!
  const readyMs = performance.now() - startedAt
  running.add(child)
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  void ended.then(() => running.delete(child))
  return {
    pid,
    said,
    readyMs,
    cpuMicroseconds: () => cpuOf(pid),
    residentBytes: () => residentOf(pid),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(timer)
    },
  }
}

/** Starts one of `bench/targets` on the Node that runs the bench. */
export function startTarget(
  name: string,
  args: readonly string[] = [],
  options?: ChildOptions & { readonly nodeFlags?: readonly string[] },
): Promise<Child> {
  const file = fileURLToPath(new URL(`./targets/${name}.ts`, import.meta.url))
  return startChild(process.execPath, [...(options?.nodeFlags ?? []), file, ...args], options)
}

/** The kernel counts in hundredths of a second. */
const microsecondsPerTick = 10_000

function cpuOf(pid: number): number {
  let ticks = 0
  for (const one of [pid, ...childrenOf(pid)]) {
    const stat = readFileSync(`/proc/${one}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * microsecondsPerTick
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
}

function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
}
