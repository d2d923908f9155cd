import type { Valetkey } from '@valetkey/sdk'
import { ValetkeyError } from '@valetkey/sdk'
import type { AuditEvent, AuditFilters } from '@valetkey/sdk/wire'
import type { CliIo } from '../cli-io.ts'

/** An event is readable within 1 s of its answer, so one may appear behind a later one: look back a little further. */
const lookBackMs = 5_000

/**
 * The record as it grows: batches of new events, oldest first, each event once, until `io.signal`. Begins with the last
 * `lines` events. A server that is away for a while is waited for; one that refuses is not.
 */
export async function* followEvents(
  vault: Valetkey,
  filters: AuditFilters,
  { lines, everyMs }: { readonly lines: number; readonly everyMs: number },
  io: CliIo,
): AsyncGenerator<readonly AuditEvent[], void, undefined> {
  // The server's own times decide throughout: this machine's clock may be another.
  const first = (await vault.audit.events(filters).page({ limit: Math.max(lines, 1) })).data
  const seen = new Map(first.map(event => [event.id, Date.parse(event.time)]))
  let newest = Math.max(0, ...seen.values())
  // What is older than the first page was not asked for.
  const from = first.length === 0 ? 0 : Math.min(...seen.values())
  if (first.length > 0 && lines > 0) yield [...first].reverse()
  while (!io.signal.aborted) {
    await io.wait(everyMs)
    if (io.signal.aborted) return
    const since = new Date(Math.max(newest - lookBackMs, from)).toISOString()
    const fresh: AuditEvent[] = []
    try {
      for await (const event of vault.audit.events({ ...filters, since })) if (!seen.has(event.id)) fresh.push(event)
    } catch (error) {
      if (io.signal.aborted) return
      if (ValetkeyError.is(error) && (error.status === 0 || error.status >= 500)) continue
      throw error
    }
    for (const event of fresh) {
      const at = Date.parse(event.time)
      seen.set(event.id, at)
      newest = Math.max(newest, at)
    }
    for (const [id, at] of seen) if (at < newest - 2 * lookBackMs) seen.delete(id)
    if (fresh.length > 0) yield fresh.reverse()
  }
}
