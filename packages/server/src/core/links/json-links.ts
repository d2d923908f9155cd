import { jsonTexts } from './json-texts.ts'
import type { RewriteLink } from './rewrite-link.ts'

/** A field of an answer that holds links (`Operation.links`): a JSON pointer in which `*` means each item or member. */
export interface LinkField {
  readonly pointer: string
  readonly host?: string
}

export interface RewrittenBody {
  /** All other bytes are as they were, so that no long number and no order of members is lost. */
  readonly body: Buffer
  readonly isChanged: boolean
  /** Pointers of fields that led elsewhere; `null` stands in their place. */
  readonly removed: readonly string[]
}

/** A JSON body with the links in these fields rewritten; undefined when it is no JSON in UTF-8, or nests too deep. */
export function rewriteJsonLinks(
  body: Buffer,
  fields: readonly LinkField[],
  rewrite: RewriteLink,
): RewrittenBody | undefined {
  const { patterns, names } = compiledOf(fields)
  if (!mayHold(body, names)) return { body, isChanged: false, removed: [] }
  const texts = jsonTexts(body, patterns)
  if (texts === undefined) return undefined
  const parts: Buffer[] = []
  const removed = new Set<string>()
  let done = 0
  for (const { start, end, pattern, value } of texts) {
    if (value === '') continue
    const { pointer, host } = fields[pattern]!
    const link = rewrite(value, host)
    if (link === undefined) removed.add(pointer)
    parts.push(body.subarray(done, start), Buffer.from(link === undefined ? 'null' : JSON.stringify(link)))
    done = end
  }
  if (parts.length === 0) return { body, isChanged: false, removed: [] }
  parts.push(body.subarray(done))
  return { body: Buffer.concat(parts), isChanged: true, removed: [...removed] }
}

interface Compiled {
  readonly patterns: readonly (readonly string[])[]
  /** The last name of each as it stands in a document; undefined when one could stand there otherwise. */
  readonly names: readonly Buffer[] | undefined
}

// Fields are the catalogue's and stay; every answer of their operation asks.
const compiled = new WeakMap<readonly LinkField[], Compiled>()

function compiledOf(fields: readonly LinkField[]): Compiled {
  const known = compiled.get(fields)
  if (known !== undefined) return known
  const patterns = fields.map(({ pointer }) => stepsOf(pointer))
  const last = new Set(patterns.map(pattern => pattern.findLast(step => step !== '*') ?? ''))
  const names = [...last].every(name => /^[A-Za-z_.@-]+$/.test(name))
    ? [...last].map(name => Buffer.from(`"${name}"`))
    : undefined
  const made = { patterns, names }
  compiled.set(fields, made)
  return made
}

const escapes = Buffer.from('\\u')

/** Most answers have no further page: where no name of a field stands, and none can be hidden by an escape, nothing is read. */
function mayHold(body: Buffer, names: readonly Buffer[] | undefined): boolean {
  // UTF-16, which no JSON has to be (RFC 8259 section 8.1), would hide one too.
  return names === undefined || names.some(name => body.includes(name)) || body.includes(escapes) || body.includes(0)
}

/** RFC 6901 section 4. */
function stepsOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}
