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
  const texts = jsonTexts(
    body,
    fields.map(({ pointer }) => stepsOf(pointer)),
  )
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

/** RFC 6901 section 4. */
function stepsOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}
