/**
 * One unambiguous byte form for a tuple: the number of fields, then each field as a tag and, with its length before it,
 * its text. Absent, empty text and a number never look alike, and no field can grow into its neighbour. What is hashed,
 * maced or bound as associated data is encoded by this and nothing else.
 */
export function lengthPrefixed(fields: readonly (string | number | undefined)[]): Buffer {
  const parts: Buffer[] = [uint32(fields.length)]
  for (const field of fields) {
    if (field === undefined) {
      parts.push(absent)
      continue
    }
    const bytes = Buffer.from(textOf(field), 'utf8')
    parts.push(typeof field === 'number' ? number : text, uint32(bytes.length), bytes)
  }
  return Buffer.concat(parts)
}

const absent = Buffer.of(0)
const text = Buffer.of(1)
const number = Buffer.of(2)

function textOf(field: string | number): string {
  if (typeof field === 'number') {
    if (!Number.isSafeInteger(field)) throw new TypeError('lengthPrefixed takes safe integers only')
    return String(field)
  }
  if (typeof field !== 'string') throw new TypeError('lengthPrefixed takes texts, integers and undefined')
  // A lone surrogate has no UTF-8 form: two different texts would get the same bytes.
  if (!field.isWellFormed()) throw new TypeError('lengthPrefixed takes well-formed text only')
  return field
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
