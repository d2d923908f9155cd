import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { DemoOptions } from '../edges/cli/local-commands.ts'
import { outputTo } from '../edges/cli/output.ts'
import { StartFault } from './data-folder.ts'
import type { PersonDigest } from './demo/agent.ts'
import { type Check, drawCheck } from './demo/draw.ts'
import { clientsOf } from './demo/services.ts'
import { type Closer, checkIds, tellStory } from './demo/story.ts'

/**
 * `valetkey demo`: from an empty folder to an agent that summarises two people's weeks and never holds a token. Exit
 * code 0 only when every check held. With `--json` stdout gets one object and nothing else. Whatever was started is
 * ended and removed, also after a failure, Ctrl-C or SIGTERM.
 */
export async function demo(options: DemoOptions, io: CliIo): Promise<number> {
  const startedAt = performance.now()
  const out = outputTo(io, options.json)
  const { clients, faults } = clientsOf(io.env, () => randomBytes(18).toString('base64url'))
  if (faults.length > 0) throw new StartFault(faults.join('\n'))
  const checks: Check[] = []
  const digest: PersonDigest[] = []
  const closers: Closer[] = []
  const voice = {
    line: (text: string) => (options.json ? io.stderr : io.stdout).write(`${text}\n`),
    out,
  }
  const stop = new AbortController()
  const askToStop = () => stop.abort(new Error('stopped, and cleaned up'))
  io.signal.addEventListener('abort', askToStop, { once: true })
  process.once('SIGTERM', askToStop)
  const isOpen = options.open || Object.values(clients).some(client => client.isReal)
  // With nobody to wait for it takes seconds; what takes minutes hangs.
  if (!isOpen) setTimeout(() => stop.abort(new Error('it took more than two minutes')), 120_000).unref()
  let story: Promise<void> | undefined
  let fault: unknown
  try {
    story = tellStory({ io, clients, isOpen, voice, signal: stop.signal, closers, checks, digest })
    await Promise.race([story, aborted(stop.signal)])
  } catch (thrown) {
    fault = thrown
  } finally {
    // A stopped story ends at its next step; a server that is still being called would not.
    await Promise.race([story?.catch(() => undefined), pause(1_000)])
    for (const close of closers.toReversed()) await close().catch(() => undefined)
  }
  if (fault instanceof StartFault) throw fault
  if (fault !== undefined) voice.line(`\nThe demo broke off: ${fault instanceof Error ? fault.message : fault}`)
  const reason = fault instanceof Error ? fault.message : String(fault)
  const missing = checkIds.filter(id => !checks.some(check => check.id === id))
  const all = [...checks, ...missing.map(id => ({ id, ok: false, detail: `not reached: ${reason}` }))]
  const ok = fault === undefined && all.every(check => check.ok)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  out.result({ ok, digest, checks: all }, () =>
    [
      ...all.filter(check => !checks.includes(check)).map(check => drawCheck(check, out)),
      '',
      ok ? out.bold(`All ${all.length} checks held, in ${seconds} s.`) : `Not all checks held (${seconds} s).`,
    ].join('\n'),
  )
  return ok ? 0 : 1
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
