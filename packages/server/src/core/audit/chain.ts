import { personalMembers } from '@valetkey/contract/events'
import type { TenantId } from '../ids.ts'
import { hashOfTuple, lengthPrefixed } from '../length-prefixed.ts'
import { type AuditRow, commitmentTo, leafOf, type PersonalMember, type Salts, type UnplacedRow } from './record.ts'

/** The head of a stream that has no event yet. */
export const emptyHead = '0'.repeat(64)

const linkFormat = 'valetkey audit link 1'
const headFormat = 'valetkey audit head 1'

/** The head after a leaf: SHA-256 over the head before, the stream, the place in it and the leaf. Hex. */
export function linkLeaf(previousHead: string, stream: string, sequence: number, leaf: string): string {
  return hashOfTuple([linkFormat, previousHead, stream, sequence, leaf])
}

/** Where a stream stands: the sequence of its last event (0: none) and the head after it. */
export interface StreamHead {
  readonly tenant: TenantId
  readonly stream: string
  readonly seq: number
  readonly head: string
}

/** Gives a row the next place of a stream. The appender alone calls this, one row after the other. */
export function placeRow(row: UnplacedRow, at: StreamHead): { row: AuditRow; at: StreamHead } {
  if (row.tenant_id !== at.tenant) throw new TypeError('A row goes into a stream of its own tenant')
  const seq = at.seq + 1
  const head = linkLeaf(at.head, at.stream, seq, row.leaf)
  return { row: { ...row, stream: at.stream, seq, head }, at: { ...at, seq, head } }
}

/** What is maced to store a stream's head, so that a writer to the database cannot cut the tail and set the head back. */
export function headTuple(head: StreamHead): Buffer {
  return lengthPrefixed([headFormat, head.tenant, head.stream, head.seq, head.head])
}

export type ChainFault =
  /** A row was removed, moved or renumbered before this one. */
  | 'gap'
  /** A column of this row does not fit its leaf. */
  | 'leaf_mismatch'
  /** The row's place, leaf or head does not follow from the row before. */
  | 'head_mismatch'
  /** A personal column of this row does not fit its commitment. */
  | 'commitment_mismatch'
  /** A salt is gone and no later event says that it was erased. */
  | 'erased_without_event'
  /** Rows after this one are gone. */
  | 'truncated'
  /** The stream has rows, and its stored head is gone. */
  | 'head_missing'

/** `event` is the id of the row at fault, or of the last good row before a cut ('' when no row is left). */
export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly event: string; readonly reason: ChainFault; readonly detail: string }

export interface StreamVerifier {
  /** The next row in the order of `seq`, with the salts that are left of it. The first fault stands from then on. */
  next(row: AuditRow, salts: Salts): Verdict
  /** After the last row: the stored head, whose mac the caller has verified; undefined when there is none. */
  finish(stored: StreamHead | undefined): Verdict
  /** Head and sequence after the last good row. */
  readonly at: StreamHead
}

/**
 * Verifies a stream row by row and names the first row that was altered, or that follows a removed one.
 * `isErasureCovered` answers whether a later event (`user.deleted`, retention) accounts for a salt that is gone.
 */
export function verifyStream(
  start: StreamHead,
  isErasureCovered: (row: AuditRow, member: PersonalMember) => boolean = () => false,
): StreamVerifier {
  let at = start
  let last = ''
  let verdict: Verdict = { ok: true }
  return {
    next(row, salts) {
      if (!verdict.ok) return verdict
      const fault = faultOf(row, salts, at, isErasureCovered)
      if (fault) verdict = { ok: false, event: String(row.id), ...fault }
      else {
        at = { ...at, seq: row.seq, head: row.head }
        last = row.id
      }
      return verdict
    },
    finish(stored) {
      if (!verdict.ok) return verdict
      const fault = tailFault(at, stored)
      if (fault) verdict = { ok: false, event: last, ...fault }
      return verdict
    },
    get at() {
      return at
    },
  }
}

interface Fault {
  readonly reason: ChainFault
  readonly detail: string
}

function faultOf(
  row: AuditRow,
  salts: Salts,
  at: StreamHead,
  isErasureCovered: (row: AuditRow, member: PersonalMember) => boolean,
): Fault | undefined {
  const seq = at.seq + 1
  if (row.stream !== at.stream || row.tenant_id !== at.tenant) {
    return { reason: 'head_mismatch', detail: 'This row names another stream or tenant than the one it was read from' }
  }
  if (row.seq !== seq) {
    return { reason: 'gap', detail: `Number ${seq} of stream ${at.stream} was expected here, not ${row.seq}` }
  }
  if (leafOrNone(row) !== row.leaf) {
    return { reason: 'leaf_mismatch', detail: 'A column of this event was altered after it was written' }
  }
  if (linkLeaf(at.head, at.stream, seq, row.leaf) !== row.head) {
    return { reason: 'head_mismatch', detail: 'This event does not follow the one before it' }
  }
  return personalFault(row, salts, isErasureCovered)
}

function personalFault(
  row: AuditRow,
  salts: Salts,
  isErasureCovered: (row: AuditRow, member: PersonalMember) => boolean,
): Fault | undefined {
  // The text is covered by the leaf that was just compared, so it is ours and parses.
  const commitments = JSON.parse(row.commitments) as Partial<Record<PersonalMember, string>>
  for (const member of personalMembers) {
    const column = row[member]
    const commitment = commitments[member]
    const salt = salts[member]
    if (commitment === undefined) {
      if (column === null && salt === undefined) continue
      return mismatch(member)
    }
    if (salt === undefined) {
      if (!isErasureCovered(row, member)) {
        return { reason: 'erased_without_event', detail: `${member} lost its salt, and no later event accounts for it` }
      }
      // What is left after its salt is gone could be anything: nothing proves it.
      if (column !== null) return mismatch(member)
      continue
    }
    if (column === null || !isCommitment(commitment, member, column, salt)) return mismatch(member)
  }
  return undefined
}

function mismatch(member: PersonalMember): Fault {
  return { reason: 'commitment_mismatch', detail: `${member} is not what was committed to` }
}

function leafOrNone(row: AuditRow): string | undefined {
  try {
    return leafOf(row)
  } catch {
    // A column that is not text any more (SQLite stores what it is given) was altered.
    return undefined
  }
}

function isCommitment(commitment: string, member: PersonalMember, column: string, salt: string): boolean {
  try {
    return commitmentTo(member, column, salt) === commitment
  } catch {
    // A salt or column that is not what we write was altered.
    return false
  }
}

function tailFault(at: StreamHead, stored: StreamHead | undefined): Fault | undefined {
  if (stored === undefined) {
    if (at.seq === 0) return undefined
    return { reason: 'head_missing', detail: `The stored head of stream ${at.stream} is gone` }
  }
  if (stored.tenant !== at.tenant || stored.stream !== at.stream) {
    return { reason: 'head_mismatch', detail: 'The stored head is of another stream' }
  }
  if (stored.seq > at.seq) {
    return { reason: 'truncated', detail: `Stream ${at.stream} was written up to ${stored.seq} and ends at ${at.seq}` }
  }
  if (stored.seq !== at.seq || stored.head !== at.head) {
    return { reason: 'head_mismatch', detail: `The stored head of stream ${at.stream} is not that of its last event` }
  }
  return undefined
}
