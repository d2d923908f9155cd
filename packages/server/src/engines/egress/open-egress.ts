import type { TenantId } from '../../core/ids.ts'
import { type AllowRule, rulesOf } from './allow-list.ts'
import { Call } from './call.ts'
import { makeConnector } from './connector.ts'
import { type Dial, dialSocket, type Resolve, resolveWithSystem } from './dial.ts'
import { type Egress, EgressFailure, type StreamHandler, type StreamRequest } from './egress.ts'
import { egressLimits } from './egress-limits.ts'
import { runExchange } from './exchange.ts'
import { judgeForm, readTarget, type Target } from './guard.ts'
import { localAddresses, type OwnPlace } from './own-listeners.ts'
import { Pools } from './pools.ts'
import { faultOfRequest } from './transport-headers.ts'
import type { TurnLimits } from './turns.ts'

export interface EgressOptions {
  /** The parsed `VALETKEY_EGRESS_ALLOW`. */
  readonly allow: readonly AllowRule[]
  /** What a tenant is called in the list, and whether entries without a slug are its own. */
  readonly tenantOf: (tenant: TenantId) => Promise<TenantInList> | TenantInList
  /** Our own listeners and the database; more by `deny`. */
  readonly denied?: readonly OwnPlace[]
  readonly connectTimeoutMs?: number
  readonly headersTimeoutMs?: number
  /** Longest silence inside an answer; a long poll of a provider needs more. */
  readonly bodyTimeoutMs?: number
  /** How many may be under way and wait at one origin; narrower in tests. */
  readonly turns?: Partial<TurnLimits>
  readonly maxPools?: number
  readonly poolIdleMs?: number
  /** PEM certificates trusted beside the system's. */
  readonly extraCa?: readonly string[]
  readonly resolve?: Resolve
  readonly dial?: Dial
  readonly machineAddresses?: () => readonly string[]
}

export interface TenantInList {
  readonly slug?: string
  readonly isFirst: boolean
}

/** Opens the one door out. */
export function openEgress(options: EgressOptions): Egress {
  const denied: OwnPlace[] = [...(options.denied ?? [])]
  const under = new Set<Call>()
  const pools = new Pools({
    maxPools: options.maxPools ?? egressLimits.pools,
    turns: {
      active: egressLimits.callsPerOrigin,
      activePerParty: egressLimits.callsPerConnectionAndOrigin,
      waiting: egressLimits.waitingPerOrigin,
      waitingPerParty: egressLimits.waitingPerConnectionAndOrigin,
      waitMs: egressLimits.waitMs,
      ...options.turns,
    },
    reserved: egressLimits.ownPerOrigin,
    idleMs: options.poolIdleMs ?? egressLimits.poolIdleMs,
    now: () => performance.now(),
  })
  let isClosed = false
  // A tenant's slug never changes, so its rules are found once.
  const rulesByTenant = new Map<TenantId, readonly AllowRule[]>()

  const rulesFor = (tenant: TenantId): Promise<readonly AllowRule[]> | readonly AllowRule[] => {
    const known = rulesByTenant.get(tenant)
    if (known !== undefined) return known
    const remember = (inList: TenantInList) => {
      const rules = rulesOf(options.allow, inList)
      if (rulesByTenant.size >= egressLimits.tenants) rulesByTenant.delete(rulesByTenant.keys().next().value!)
      rulesByTenant.set(tenant, rules)
      return rules
    }
    const inList = options.tenantOf(tenant)
    return inList instanceof Promise ? inList.then(remember) : remember(inList)
  }

  const connectorFor = (target: Target, rules: readonly AllowRule[]) =>
    makeConnector({
      target,
      rules,
      resolve: options.resolve ?? resolveWithSystem,
      dial: options.dial ?? dialSocket,
      ownPlaces: () => denied,
      machineAddresses: options.machineAddresses ?? localAddresses,
      connectTimeoutMs: options.connectTimeoutMs ?? egressLimits.connectMs,
      ...(options.extraCa !== undefined && { extraCa: options.extraCa }),
    })

  const begin = (tenant: TenantId, request: StreamRequest, handler: StreamHandler, beforeSend?: () => void): Call => {
    let release = () => {}
    const call = new Call(request, handler, {
      headersTimeoutMs: options.headersTimeoutMs ?? egressLimits.headersMs,
      bodyTimeoutMs: options.bodyTimeoutMs ?? egressLimits.bodySilenceMs,
      ...(beforeSend !== undefined && { beforeSend }),
      onSettled: () => {
        under.delete(call)
        release()
      },
    })
    under.add(call)
    const go = (rules: readonly AllowRule[]) => {
      if (!under.has(call)) return
      const target = checkedTarget(request, rules)
      const origin = originOf(target)
      const { party } = request
      const taken = pools.take({
        key: `${tenant} ${origin}`,
        origin,
        makeConnect: () => connectorFor(target, rules),
        ...(party !== undefined && { party }),
        ready: pool => call.start(pool, request),
        failed: failure => call.fail(failure),
      })
      release = taken.release
      if (taken.pool !== undefined) call.start(taken.pool, request)
    }
    const start = async () => {
      if (isClosed) throw new EgressFailure('aborted', 'The server is closing.', false)
      const rules = rulesFor(tenant)
      go(rules instanceof Promise ? await rules : rules)
    }
    // The control is returned before the handler hears of anything, also of a refusal.
    queueMicrotask(() => void start().catch((error: unknown) => call.fail(error)))
    return call
  }

  return {
    exchange: (tenant, request) =>
      runExchange(request, (inStreamForm, handler, beforeSend) => begin(tenant, inStreamForm, handler, beforeSend)),
    stream: (tenant, request, handler) => begin(tenant, request, handler),
    async mayReach(tenant, url) {
      const target = readTarget(url)
      if (target === undefined) return { ok: false, why: notATarget }
      return judgeForm(target, await rulesFor(tenant))
    },
    deny(host, port) {
      denied.push({ host, port })
      // A connection kept alive was judged before this place was ours.
      pools.retireAll()
    },
    async close() {
      isClosed = true
      for (const call of [...under]) call.abort('The server is closing.')
      await pools.destroy()
    },
  }
}

const notATarget = 'The target must be https://host[:port] without user information.'

function checkedTarget(request: StreamRequest, rules: readonly AllowRule[]): Target {
  const target = judgedTarget(request.origin, rules)
  const fault = faultOfRequest(request.method, request.path, request.headers)
  if (fault !== undefined) throw new EgressFailure('malformed', fault, false)
  return target
}

// What may be reached by its form depends on the text and the rules alone; the address is judged at every connect.
const judged = new WeakMap<readonly AllowRule[], Map<string, Target>>()
const mostTargets = 1_000

function judgedTarget(origin: string, rules: readonly AllowRule[]): Target {
  const known = judged.get(rules) ?? new Map<string, Target>()
  judged.set(rules, known)
  const found = known.get(origin)
  if (found !== undefined) return found
  const target = judgeTarget(origin, rules)
  if (known.size >= mostTargets) known.clear()
  known.set(origin, target)
  return target
}

function judgeTarget(origin: string, rules: readonly AllowRule[]): Target {
  const parsed = URL.parse(origin)
  const target = parsed === null ? undefined : readTarget(parsed)
  if (
    parsed === null ||
    target === undefined ||
    parsed.pathname !== '/' ||
    parsed.search !== '' ||
    parsed.hash !== ''
  ) {
    throw new EgressFailure('not_allowed', notATarget, false)
  }
  const judgement = judgeForm(target, rules)
  if (!judgement.ok) throw new EgressFailure('not_allowed', judgement.why, false)
  return target
}

function originOf(target: Target): string {
  const host = target.hostname.includes(':') ? `[${target.hostname}]` : target.hostname
  return `${target.isTls ? 'https' : 'http'}://${host}:${target.port}`
}
