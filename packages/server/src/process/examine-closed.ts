import type { Config } from '../config.ts'
import { parseAllowList } from '../engines/egress/allow-list.ts'
import { openStore } from '../engines/store/open-store.ts'
import type { Store } from '../engines/store/store.ts'
import type { Finding } from '../flows/doctor/examine.ts'
import { isInitialised, StartFault } from './data-folder.ts'
import { splitNextStep } from './next-step.ts'

/**
 * What `doctor` can say when the server does not open: what kept it, and everything that can be looked at without it and
 * without its key. One fault does not hide the next.
 */
export async function examineClosed(config: Config, fault: Error): Promise<readonly Finding[]> {
  const { wrong, next } = splitNextStep(fault.message)
  const id = idOf(fault)
  const found: Finding = { id, ok: false, detail: wrong, next: next ?? nextOf(id) }
  return [
    ...(id === 'settings' ? [] : [settings(config)]),
    found,
    // A folder that another process holds, or a database that is away, has just been asked.
    ...(id === 'database' ? [clock(undefined)] : await database(config)),
    egress(config),
  ]
}

/** The part that said what kept the server from opening. */
function idOf(error: Error): Finding['id'] {
  if (error.name === 'KeyFault' || /root key/i.test(error.message)) return 'key'
  return error instanceof StartFault ? 'settings' : 'database'
}

function nextOf(id: Finding['id']): string {
  if (id === 'key') return 'Set VALETKEY_ROOT_KEY to the key that init printed.'
  if (id === 'settings') return 'Do what the line says, then run doctor again.'
  return 'Look at the line above; when PostgreSQL is meant, check DATABASE_URL.'
}

function settings({ url, databaseUrl, dataFolder }: Config): Finding {
  const kind = databaseUrl === undefined ? 'embedded database' : 'PostgreSQL'
  return {
    id: 'settings',
    ok: true,
    detail: `${url || 'no URL yet (serve makes one)'}, ${kind}, data in ${dataFolder}`,
  }
}

/** The database without a key: it can be reached, has the right shape, and its newest event is not of tomorrow. */
async function database(config: Config): Promise<readonly Finding[]> {
  const { databaseUrl: url, dataFolder: folder } = config
  if (url === undefined && !isInitialised(folder)) return [clock(undefined)]
  try {
    const store = await openStore(
      url === undefined
        ? { kind: 'sqlite', folder, nodeId: 'doctor', mustExist: true }
        : { kind: 'postgres', url, nodeId: 'doctor', forServing: true },
    )
    try {
      const { schemaVersion } = await store.health()
      const kind = store.kind === 'sqlite' ? 'SQLite' : 'PostgreSQL'
      const detail = `${kind} can be reached, schema version ${schemaVersion}. Its audit log and integrations are not looked at before the server opens.`
      return [{ id: 'database', ok: true, detail }, clock(await newestEvent(store))]
    } finally {
      await store.close()
    }
  } catch (thrown) {
    const { wrong, next } = splitNextStep((thrown as Error).message)
    return [{ id: 'database', ok: false, detail: wrong, next: next ?? nextOf('database') }, clock(undefined)]
  }
}

async function newestEvent(store: Store): Promise<number | undefined> {
  let newest: number | undefined
  for (const tenant of await store.locator.tenants()) {
    const page = await store.asTenant(tenant.id, rows => rows.audit.query({ limit: 1 }))
    if (page.rows[0] !== undefined) newest = Math.max(newest ?? 0, Date.parse(page.rows[0].time))
  }
  return newest
}

const clockToleranceMs = 5_000

function clock(newest: number | undefined): Finding {
  const now = Date.now()
  return newest !== undefined && newest > now + clockToleranceMs
    ? {
        id: 'clock',
        ok: false,
        detail: `The clock says ${new Date(now).toISOString()}, but the log has an event of ${new Date(newest).toISOString()}.`,
        next: 'Set the clock (chrony or systemd-timesyncd): tokens and grants are judged by it.',
      }
    : { id: 'clock', ok: true, detail: new Date(now).toISOString() }
}

function egress({ egressAllow }: Config): Finding {
  const { length } = parseAllowList(egressAllow).rules
  return {
    id: 'egress',
    ok: true,
    detail: length === 0 ? 'No private target is listed.' : `VALETKEY_EGRESS_ALLOW lists ${length} private target(s).`,
  }
}
