import { bodyKinds, textsOf, unreadableCharset } from './body-kind.ts'
import { formKeys } from './form-keys.ts'
import { jsonKeys } from './json-keys.ts'
import { multipartNames } from './multipart-names.ts'
import { listedName } from './parameter-name.ts'

export interface ParametersToCheck {
  /** With or without its "?". */
  readonly query?: string
  readonly contentType?: string
  /** The whole body, if `bodyNeedsInspection` said so. */
  readonly body?: Buffer
}

export interface FoundParameter {
  /** The listed name that was met, or the charset that hides names. */
  readonly name: string
  readonly where: 'query' | 'form' | 'multipart' | 'json' | 'charset'
}

/**
 * The first parameter that the entry names as a credential, in any spelling a reader would take for it; such a request is
 * refused and nothing is sent, or an agent could bring a credential of its own past the vault's (P7). A charset in which
 * names cannot be read is found likewise.
 */
export function findCredentialParameter(
  request: ParametersToCheck,
  names: readonly string[],
): FoundParameter | undefined {
  const hasBody = request.body !== undefined && request.body.length > 0
  if (!hasBody && (request.query ?? '') === '') return undefined
  const listed = new Set(names.map(name => name.normalize('NFKC').toLowerCase()))
  if (listed.size === 0) return undefined
  const inQuery = firstNamed(formKeys(request.query ?? ''), listed)
  if (inQuery !== undefined) return { name: inQuery, where: 'query' }
  if (request.body === undefined || request.body.length === 0) return undefined
  const charset = unreadableCharset(request.contentType)
  for (const text of textsOf(request.body, request.contentType)) {
    const kinds = bodyKinds(request.contentType, text)
    if (kinds.size > 0 && charset !== undefined) return { name: charset, where: 'charset' }
    // What only begins like JSON may be read as a form; a key such as "[a]" begins like an array.
    const isForm = !kinds.has('form') && kinds.has('json') && !isWellFormed(text)
    for (const kind of isForm ? [...kinds, 'form' as const] : kinds) {
      const name = firstNamed(keysOf[kind](text), listed)
      if (name !== undefined) return { name, where: kind }
    }
  }
  return undefined
}

const keysOf = { json: jsonKeys, form: formKeys, multipart: multipartNames }

function isWellFormed(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function firstNamed(keys: Iterable<string>, listed: ReadonlySet<string>): string | undefined {
  for (const key of keys) {
    const name = listedName(key, listed)
    if (name !== undefined) return name
  }
  return undefined
}
