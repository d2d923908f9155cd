import { hash } from 'node:crypto'

/**
 * One unambiguous byte form for a tuple: the number of fields, then each field as a tag and, with its length before it,
 * its text. Absent, empty text and a number never look alike, and no field can grow into its neighbour. What is hashed,
 * maced or bound as associated data is encoded by this and nothing else.
 */
export function lengthPrefixed(fields: Tuple): Buffer {
  return Buffer.from(scratch.subarray(0, encode(fields, 0)))
}

type Tuple = readonly (string | number | undefined)[]

/** SHA-256 of a tuple's byte form, in hex. */
export function hashOfTuple(fields: Tuple): string {
  const end = encode(fields, 0)
  return hash('sha256', scratch.subarray(0, end), 'hex')
}

/**
 * HMAC-SHA256 (RFC 2104) of a tuple's byte form under a key of at most 64 bytes; base64url. Made of two plain hashes,
 * because Node's `Hmac` costs three times as much for texts this short, and every event has several.
 */
export function hmacOfTuple(key: Uint8Array, fields: Tuple): string {
  if (key.length > blockBytes) throw new TypeError('hmacOfTuple takes keys of at most 64 bytes')
  const end = encode(fields, blockBytes)
  for (let i = 0; i < blockBytes; i++) {
    const byte = i < key.length ? key[i]! : 0
    scratch[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  outer.write(hash('sha256', scratch.subarray(0, end), 'latin1'), blockBytes, 'latin1')
  const mac = hash('sha256', outer, 'base64url')
  scratch.fill(0, 0, blockBytes)
  outer.fill(0)
  return mac
}

const blockBytes = 64
const outer = Buffer.alloc(blockBytes + 32)

/** Every audit record and every opened credential is written here first, so that nothing is measured before. */
let scratch = Buffer.alloc(4_096)

function encode(fields: Tuple, start: number): number {
  let at = start + 4
  makeRoom(start, at)
  writeLength(start, fields.length)
  for (const field of fields) {
    if (field === undefined) {
      makeRoom(at, at + 1)
      scratch[at++] = absentTag
      continue
    }
    const text = textOf(field)
    // A UTF-16 unit has three bytes in UTF-8 at most.
    makeRoom(at, at + 5 + text.length * 3)
    scratch[at] = typeof field === 'number' ? numberTag : textTag
    const length = writeText(text, at + 5)
    writeLength(at + 1, length)
    at += 5 + length
  }
  return at
}

function makeRoom(used: number, wanted: number): void {
  if (wanted <= scratch.length) return
  const larger = Buffer.alloc(Math.max(wanted, scratch.length * 2))
  scratch.copy(larger, 0, 0, used)
  scratch = larger
}

function writeLength(at: number, length: number): void {
  scratch[at] = length >>> 24
  scratch[at + 1] = length >>> 16
  scratch[at + 2] = length >>> 8
  scratch[at + 3] = length
}

function writeText(text: string, at: number): number {
  const { length } = text
  if (length > longestByHand) return writeEncoded(text, at)
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return writeEncoded(text, at)
    scratch[at + i] = unit
  }
  return length
}

/** Up to here, ASCII is written sooner than the encoder is called. */
const longestByHand = 48

function writeEncoded(text: string, at: number): number {
  // A lone surrogate has no UTF-8 form: two different texts would get the same bytes.
  if (!text.isWellFormed()) throw new TypeError('lengthPrefixed takes well-formed text only')
  return scratch.write(text, at, 'utf8')
}

const absentTag = 0
const textTag = 1
const numberTag = 2

function textOf(field: string | number): string {
  if (typeof field === 'string') return field
  if (typeof field !== 'number') throw new TypeError('lengthPrefixed takes texts, integers and undefined')
  if (!Number.isSafeInteger(field)) throw new TypeError('lengthPrefixed takes safe integers only')
  return String(field)
}
