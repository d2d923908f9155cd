import type { AuditEvent } from '@valetkey/sdk/wire'
import type { PersonDigest } from './agent.ts'

/** What a check comes to. Judges are pure, so that tests can show each of them failing. */
export interface Verdict {
  readonly ok: boolean
  readonly detail: string
}

/** How Valetkey answered one attempt of the agent, and how much of it reached the provider. */
export interface Attempt {
  readonly what: string
  readonly status: number
  readonly code?: string
  /** The codes of all reasons that held. */
  readonly reasons?: readonly string[]
  /** Calls that the provider saw because of it; undefined where the provider is real and tells nobody. */
  readonly reached?: number
}

const isQuiet = ({ reached }: Attempt) => reached === undefined || reached === 0
const told = ({ what, status, code, reached }: Attempt) =>
  `${what}: ${status} ${code ?? 'no refusal of ours'}${reached ? `, and ${reached} calls reached the provider` : ''}`

/** Every attempt was refused with this status, for no other reason than these, and nothing was sent. */
export function judgeRefusals(attempts: readonly Attempt[], status: number, codes: readonly string[]): Verdict {
  const isGood = (one: Attempt) =>
    one.status === status &&
    [one.code ?? '', ...(one.reasons ?? [])].every(code => codes.includes(code)) &&
    isQuiet(one)
  const bad = attempts.filter(one => !isGood(one))
  if (attempts.length === 0) return { ok: false, detail: 'nothing was tried' }
  return { ok: bad.length === 0, detail: (bad.length === 0 ? attempts : bad).map(told).join('; ') }
}

/** The grant worked until it was revoked, and the very next call was refused. */
export function judgeRevocation(before: Attempt, after: Attempt): Verdict {
  if (before.status !== 200) return { ok: false, detail: `before the revocation ${told(before)}` }
  return judgeRefusals([after], 403, ['grant_expired', 'grant_required'])
}

/** The tokens really ended, every call was answered, and the provider renewed exactly once. */
export function judgeExpiry(seen: {
  readonly expired: number
  readonly refreshes: number
  readonly statuses: readonly number[]
}): Verdict {
  const { expired, refreshes, statuses } = seen
  const answered = statuses.filter(status => status === 200).length
  return {
    ok: expired > 0 && refreshes === 1 && statuses.length > 0 && answered === statuses.length,
    detail: `${expired} access token ended at the provider; ${answered} of ${statuses.length} calls at once were answered; ${refreshes} refresh`,
  }
}

/** What must and must not stand in one person's digest of one service. */
export interface Expectation {
  readonly person: string
  readonly source: string
  readonly own: readonly string[]
  readonly foreign: readonly string[]
}

/** Each digest holds all of its person's own texts and none of the other's; no call came with a token nobody issued. */
export function judgeWhoseData(
  digests: readonly PersonDigest[],
  expectations: readonly Expectation[],
  unknownBearers: number,
): Verdict {
  const unread = digests.flatMap(({ person, sources }) =>
    sources.flatMap(({ source, fault }) => (fault === undefined ? [] : [`${source} of ${person}: ${fault}`])),
  )
  const mixed = expectations.flatMap(({ person, source, own, foreign }) => {
    const found = digests.find(digest => digest.person === person)?.sources.find(one => one.source === source)
    if (found?.fault !== undefined) return []
    const texts = found?.items.map(item => item.text) ?? []
    const holds = (text: string) => texts.some(one => one.includes(text))
    return [
      ...own.filter(text => !holds(text)).map(text => `${source} of ${person} lacks "${text}"`),
      ...foreign.filter(holds).map(text => `${source} of ${person} shows "${text}"`),
    ]
  })
  const faults = [...unread, ...mixed]
  if (unknownBearers > 0) faults.push(`${unknownBearers} calls came with a token that the provider never issued`)
  const owned = expectations.reduce((sum, { own }) => sum + own.length, 0)
  if (owned === 0) return { ok: false, detail: 'no seeded service: nothing tells whose data came back' }
  return faults.length > 0
    ? { ok: false, detail: faults.slice(0, 3).join('; ') }
    : { ok: true, detail: `${owned} texts, each in its owner's digest and in nobody else's` }
}

/** What the audit trail must tell. */
export interface TrailExpectation {
  readonly agent: string
  /** A user's id and a connection's: each must have been read. */
  readonly reads: readonly { readonly user: string; readonly connection: string }[]
  readonly denials: number
}

/** Every allowed access has its outcome, every connection was read for its owner by the agent, refusals are there, the chain holds. */
export function judgeTrail(
  events: readonly AuditEvent[],
  expected: TrailExpectation,
  verified: { readonly ok: boolean; readonly events?: number; readonly reason?: string },
): Verdict {
  const allowed = events.filter(event => event.type === 'access.allowed')
  const denied = events.filter(event => event.type === 'access.denied' && event.agent === expected.agent)
  const faults = [
    ...(verified.ok ? [] : [`audit verify fails: ${verified.reason ?? 'no reason given'}`]),
    ...(unfinished(events).length > 0 ? [`${unfinished(events).length} accesses have no outcome`] : []),
    ...(denied.length < expected.denials ? [`${denied.length} of ${expected.denials} refusals are recorded`] : []),
    ...expected.reads
      .filter(
        ({ user, connection }) =>
          !allowed.some(
            event => event.user === user && event.connection === connection && event.agent === expected.agent,
          ),
      )
      .map(({ connection }) => `no access to ${connection} is recorded for its owner`),
  ]
  if (expected.reads.length === 0) faults.push('no reads were expected')
  return faults.length > 0
    ? { ok: false, detail: faults.slice(0, 3).join('; ') }
    : {
        ok: true,
        detail: `${allowed.length} accesses with their outcomes and ${denied.length} refusals; audit verify: ${verified.events} events hold`,
      }
}

/** Allowed accesses whose outcome is not there (yet: an event is readable within a second). */
export function unfinished(events: readonly AuditEvent[]): AuditEvent[] {
  const completed = new Set(events.filter(event => event.type === 'access.completed').map(event => event.of))
  return events.filter(event => event.type === 'access.allowed' && !completed.has(event.id))
}
