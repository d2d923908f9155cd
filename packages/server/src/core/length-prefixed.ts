/**
 * One unambiguous byte form for a tuple: the number of fields, then each field as a tag and, with its length before it,
 * its text. Absent, empty text and a number never look alike, and no field can grow into its neighbour. What is hashed,
 * maced or bound as associated data is encoded by this and nothing else.
 */
export function lengthPrefixed(fields: readonly (string | number | undefined)[]): Buffer {
  // Sized first and written in place: every audit record and every opened credential passes here.
  const texts = fields.map(textOf)
  let size = 4
  for (const text of texts) size += text === undefined ? 1 : 5 + Buffer.byteLength(text, 'utf8')
  const bytes = Buffer.allocUnsafe(size)
  let at = bytes.writeUInt32BE(fields.length, 0)
  texts.forEach((text, i) => {
    if (text === undefined) {
      at = bytes.writeUInt8(absentTag, at)
      return
    }
    at = bytes.writeUInt8(typeof fields[i] === 'number' ? numberTag : textTag, at)
    const length = bytes.write(text, at + 4, 'utf8')
    at = bytes.writeUInt32BE(length, at) + length
  })
  return bytes
}

const absentTag = 0
const textTag = 1
const numberTag = 2

function textOf(field: string | number | undefined): string | undefined {
  if (field === undefined) return undefined
  if (typeof field === 'number') {
    if (!Number.isSafeInteger(field)) throw new TypeError('lengthPrefixed takes safe integers only')
    return String(field)
  }
  if (typeof field !== 'string') throw new TypeError('lengthPrefixed takes texts, integers and undefined')
  // A lone surrogate has no UTF-8 form: two different texts would get the same bytes.
  if (!field.isWellFormed()) throw new TypeError('lengthPrefixed takes well-formed text only')
  return field
}
