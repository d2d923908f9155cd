import type { AgentCaller } from '../../core/caller.ts'
import type { OperationTable } from '../../core/catalogue/match-operation.ts'
import type { ResolvedProvider } from '../../core/catalogue/resolved-provider.ts'
import type { Connection, Credential } from '../../core/connection.ts'
import { Failure } from '../../core/failure.ts'
import type { Grant } from '../../core/grant.ts'
import type { ConnectionId, TenantId } from '../../core/ids.ts'
import type { Integration } from '../../core/integration.ts'
import type { Ended } from '../../core/revocations.ts'
import type { Task } from '../../core/task.ts'
import { genuineClient } from '../agents/load-client.ts'
import { genuineTask } from '../agents/task-seal.ts'
import { providerOf } from '../credentials/provider-of.ts'
import { isGrantGenuine } from '../grants/grant-seal.ts'
import type { BrokerParts } from './broker-parts.ts'

/** Everything that a decision on one connection rests on, as it was read at one moment. */
export interface CallFacts {
  readonly connection: Connection
  readonly integration: Integration
  readonly provider: ResolvedProvider
  readonly table: OperationTable
  /** Ended ones too; each has a MAC that holds. */
  readonly grants: readonly Grant[]
  readonly task?: Task
  readonly ceiling?: readonly string[]
  readonly credential?: Credential
}

/** Facts that hear of it when they stop being true, until `release`. */
export interface HeldFacts {
  readonly facts: CallFacts | undefined
  /** Something that they rest on ended or changed: read again before acting on them. */
  isStale(): boolean
  release(): void
  /** They were read for an earlier call, at most half a second ago. */
  readonly isRemembered: boolean
}

/**
 * Facts live this long without being read again. What changes in this process is heard of at once; this is for what
 * changes in another one (P4: within 1 s).
 */
const believedForMs = 500
/** Facts that are remembered. */
export const mostEntries = 10_000

interface Entry {
  readonly tenant: string
  readonly agent: string
  readonly task: string | undefined
  readonly connection: string
  facts: CallFacts | undefined
  readAt: number
  isStale: boolean
}

/** A bounded memory of facts by caller and connection, kept true by what ends. */
export interface FactsMemory {
  /** Reads from memory unless `afresh`. */
  get(caller: AgentCaller, connection: ConnectionId, afresh?: boolean): Promise<HeldFacts>
  close(): void
}

export function createFactsMemory(parts: BrokerParts): FactsMemory {
  const entries = new Map<string, Entry>()
  const held = new Map<Entry, number>()
  const hold = (entry: Entry) => held.set(entry, (held.get(entry) ?? 0) + 1)
  const release = (entry: Entry) => {
    const holders = (held.get(entry) ?? 1) - 1
    if (holders === 0) held.delete(entry)
    else held.set(entry, holders)
  }
  const stop = parts.revocations.listen(ended => {
    for (const [key, entry] of entries) {
      if (!touches(ended, entry)) continue
      entry.isStale = true
      entries.delete(key)
    }
    for (const entry of held.keys()) if (touches(ended, entry)) entry.isStale = true
  })

  const read = async (caller: AgentCaller, connection: ConnectionId): Promise<Entry> => {
    const entry: Entry = {
      tenant: caller.tenant,
      agent: caller.agent,
      task: caller.task,
      connection,
      facts: undefined,
      readAt: parts.monotonic(),
      isStale: false,
    }
    hold(entry)
    try {
      for (let tries = 0; tries < 5; tries++) {
        entry.isStale = false
        entry.facts = undefined
        entry.readAt = parts.monotonic()
        entry.facts = await readFacts(parts, caller, connection)
        if (!entry.isStale) break
      }
    } catch (thrown) {
      release(entry)
      throw thrown
    }
    return entry
  }

  const remember = (key: string, entry: Entry): void => {
    // A grant with a budget is counted in the database alone; what nobody may use is not worth a place.
    const isCounted = entry.facts?.grants.some(grant => grant.maxCalls !== undefined) ?? true
    if (entry.isStale || isCounted) return
    entries.delete(key)
    if (entries.size >= mostEntries) entries.delete(entries.keys().next().value!)
    entries.set(key, entry)
  }

  return {
    async get(caller, connection, afresh = false) {
      const key = `${caller.tenant} ${caller.agent} ${caller.user ?? ''} ${caller.task ?? ''} ${connection}`
      const known = afresh ? undefined : entries.get(key)
      const isRemembered = known !== undefined && parts.monotonic() - known.readAt < believedForMs
      if (isRemembered) hold(known)
      const entry = isRemembered ? known : await read(caller, connection)
      if (!isRemembered) remember(key, entry)
      return { facts: entry.facts, isStale: () => entry.isStale, release: () => release(entry), isRemembered }
    },
    close() {
      stop()
      entries.clear()
    },
  }
}

function touches(ended: Ended, entry: Entry): boolean {
  if (ended.tenant !== entry.tenant) return false
  switch (ended.kind) {
    case 'task':
      return ended.id === entry.task || (entry.facts?.grants.some(grant => grant.task === ended.id) ?? true)
    case 'client':
      return ended.id === entry.agent
    case 'grant':
      return ended.connection === entry.connection && ended.agent === entry.agent
    case 'connection':
      return ended.id === entry.connection
    case 'integration':
      return entry.facts === undefined || ended.id === entry.facts.integration.id
    case 'changed':
      return (
        (ended.connection === undefined || ended.connection === entry.connection) &&
        (ended.agent === undefined || ended.agent === entry.agent)
      )
  }
}

/** Reads what a decision rests on, in one look at the store. Undefined when the tenant has no such connection. */
export async function readFacts(
  parts: BrokerParts,
  caller: AgentCaller,
  id: ConnectionId,
): Promise<CallFacts | undefined> {
  const { tenant, agent, task: taskId } = caller
  const rows = await parts.store.asTenant(tenant, async store => {
    const connection = await store.connections.get(id)
    if (connection === undefined) return undefined
    return {
      connection,
      integration: await store.integrations.get(connection.integration),
      credential: await store.credentials.get(id),
      grants: await store.grants.of(agent, id),
      task: taskId === undefined ? undefined : await store.tasks.get(taskId),
      client: await store.clients.get(agent),
    }
  })
  if (rows === undefined) return undefined
  const { connection, integration, credential } = rows
  const table = parts.catalogue.table(connection.provider)
  if (integration === undefined || table === undefined) {
    throw new Failure('internal', 'The integration or the catalogue entry of this connection is gone.')
  }
  const client = await genuineClient(parts, tenant, rows.client)
  if (client === undefined || client.disabledAt !== undefined) {
    throw new Failure('unauthorized', 'The client of this access token is disabled or deleted.')
  }
  const task = await genuineTask(parts, rows.task)
  return {
    connection,
    integration,
    provider: await providerOf(parts, integration),
    table,
    grants: (await genuineOnes(parts, tenant, rows.grants)).map(grant => sharing(grant, caller, connection)),
    ...(task !== undefined && { task }),
    ...(client.ceiling !== undefined && { ceiling: client.ceiling }),
    ...(credential !== undefined && { credential }),
  }
}

/**
 * The same grant with the very texts of caller and connection where they are equal: a decision compares four ids of every
 * grant, and with one text on both sides that is a look at an address.
 */
function sharing(grant: Grant, { tenant, agent }: AgentCaller, connection: Connection): Grant {
  return {
    ...grant,
    ...(grant.tenant === tenant && { tenant }),
    ...(grant.agent === agent && { agent }),
    ...(grant.connection === connection.id && { connection: connection.id }),
    ...(grant.user !== undefined && grant.user === connection.user && { user: connection.user }),
  }
}

/** A grant that somebody altered in the database does not count, and the log says so (P3, P6). */
async function genuineOnes(parts: BrokerParts, tenant: TenantId, grants: readonly Grant[]): Promise<readonly Grant[]> {
  const kept: Grant[] = []
  for (const grant of grants) {
    if (grant.tenant === tenant && (await isGrantGenuine(parts, grant))) kept.push(grant)
    else
      parts.log.error('The row of a grant was altered outside Valetkey; it does not count', { tenant, grant: grant.id })
  }
  return kept
}
