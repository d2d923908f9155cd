import { ConfigFault } from '../config.ts'
import { Failure } from '../core/failure.ts'
import { StartFault } from './data-folder.ts'

/** A fault of starting as a program reads it with `--json`: the shape of every failure of the command line. */
export interface LocalFault {
  readonly ok: false
  readonly code: string
  readonly detail: string
  /** One sentence for each faulty setting. */
  readonly faults?: readonly string[]
}

const clearNames = new Set(['KeyFault', 'CatalogueFault'])
const clearCodes = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTDIR', 'EROFS', 'ENOSPC'])

/** What a command on this machine says of something thrown whose message is meant for the operator; undefined for a bug. */
export function localFaultOf(thrown: unknown): LocalFault | undefined {
  if (!(thrown instanceof Error)) return undefined
  const detail = thrown.message
  if (thrown instanceof ConfigFault) return { ok: false, code: 'settings', detail, faults: thrown.faults }
  if (thrown instanceof Failure) return { ok: false, code: thrown.code, detail }
  const isClear =
    thrown instanceof StartFault ||
    clearNames.has(thrown.name) ||
    clearCodes.has((thrown as NodeJS.ErrnoException).code ?? '')
  return isClear ? { ok: false, code: 'failed', detail } : undefined
}
