import { compilePattern, foldPath, matchesName, type PathPattern, segmentsOf } from './pattern.ts'
import type { Operation, ProviderEntry } from './provider.ts'

/** The operations of one entry as tries by host and method, compiled once. */
export interface OperationTable {
  readonly provider: string
  /** A path with one slash at its end is the same as without it (`ApiFacts.slashAtEnd`). */
  readonly slashAtEnd: boolean
  /** Every operation by its id. */
  readonly operations: ReadonlyMap<string, Operation>
  /** Operations that are root fields of the GraphQL type Mutation, by the field. */
  readonly mutations: ReadonlyMap<string, Operation>
  /** Tries by `METHOD host`. */
  readonly exact: ReadonlyMap<string, Node>
  /** The same with literals in lower case: only to recognise look-alikes. */
  readonly folded: ReadonlyMap<string, Node>
}

export interface OperationMatch {
  readonly operation: Operation
  /** The route's pattern, as audit events name the path. */
  readonly pattern: string
  /** Path parameters as they stood in the path, percent-encoded. */
  readonly params: Readonly<Record<string, string>>
}

interface Leaf {
  readonly operation: Operation
  readonly pattern: PathPattern
}

interface Node {
  readonly literals: Map<string, Node>
  /** `{name}` children by their literal end, longest end first: `:resolve` before none. */
  readonly names: { readonly ending: string; readonly node: Node }[]
  rest?: Leaf
  leaf?: Leaf
}

/** Compiles an entry's operations. Throws a TypeError on malformed patterns: `lintEntry` says it kindly before. */
export function compileOperations(entry: ProviderEntry): OperationTable {
  const first = entry.api.origins[0]
  const exact = new Map<string, Node>()
  const loose = new Map<string, Node>()
  for (const operation of entry.operations) {
    for (const route of operation.routes) {
      const host = route.host ?? (first === undefined ? '' : new URL(first.origin).host)
      const leaf: Leaf = { operation, pattern: compilePattern(route.pattern) }
      for (const method of route.methods) {
        insert(rootFor(exact, method, host), leaf, text => text)
        insert(rootFor(loose, method, host), leaf, text => text.toLowerCase())
      }
    }
  }
  return {
    provider: entry.id,
    slashAtEnd: entry.api.slashAtEnd === true,
    operations: new Map(entry.operations.map(operation => [operation.id, operation])),
    mutations: new Map(
      entry.operations.flatMap(operation => (operation.graphql === undefined ? [] : [[operation.graphql, operation]])),
    ),
    exact,
    folded: loose,
  }
}

/**
 * The operation that a call is, or undefined. A literal beats `{name}`, which beats `**`. HEAD is the GET without its
 * body. A path that means one operation as it stands and another to a server that decodes more is no operation at all.
 */
export function match(table: OperationTable, method: string, host: string, path: string): OperationMatch | undefined {
  const segments = segmentsOf(path)
  if (segments === undefined) return undefined
  if (table.slashAtEnd && segments.length > 1 && segments.at(-1) === '') segments.pop()
  const root = table.exact.get(keyOf(method, host))
  const leaf = root === undefined ? undefined : find(root, segments, 0)
  if (leaf === undefined) return undefined
  // An operation that declares encoded slashes has a vendor that reads them as data.
  const read = leaf.operation.encodedSlash === true ? path.replace(/%2f/gi, '_') : path
  if (folded(table, method, host, read)?.operation.id !== leaf.operation.id) return undefined
  return { operation: leaf.operation, pattern: leaf.pattern.text, params: paramsOf(leaf.pattern, segments) }
}

/**
 * The catalogued operation that a careless server might take this path for: other case, trailing slash, encoded
 * delimiters, matrix parameters, dots and blanks at the end, a format as some frameworks take it (`/projects.json`). What
 * resembles an operation is never opened by a `paths` rule.
 */
export function lookAlike(table: OperationTable, method: string, host: string, path: string): Operation | undefined {
  const segments = segmentsOf(path)
  const root = table.exact.get(keyOf(method, host))
  const leaf = segments === undefined || root === undefined ? undefined : find(root, segments, 0)
  return (folded(table, method, host, path) ?? leaf ?? withoutFormat(table, method, host, path))?.operation
}

function withoutFormat(table: OperationTable, method: string, host: string, path: string): Leaf | undefined {
  const reading = foldPath(path)
  const bare = reading.replace(/[. ]+$/, '').replace(/\.(?:atom|csv|html?|ics|js|json|jsonld|rss|txt|xml|ya?ml)$/, '')
  return bare === reading ? undefined : folded(table, method, host, bare)
}

function folded(table: OperationTable, method: string, host: string, path: string): Leaf | undefined {
  const root = table.folded.get(keyOf(method, host))
  if (root === undefined) return undefined
  const reading = foldPath(path)
  return find(root, reading === '/' ? [] : reading.slice(1).split('/'), 0)
}

function keyOf(method: string, host: string): string {
  return `${method === 'HEAD' ? 'GET' : method} ${host}`
}

function rootFor(roots: Map<string, Node>, method: string, host: string): Node {
  const key = keyOf(method, host)
  let root = roots.get(key)
  if (root === undefined) {
    root = empty()
    roots.set(key, root)
  }
  return root
}

function empty(): Node {
  return { literals: new Map(), names: [] }
}

function insert(root: Node, leaf: Leaf, spelling: (text: string) => string): void {
  let node = root
  for (const segment of leaf.pattern.segments) {
    if (segment.kind === 'rest') {
      node.rest ??= leaf
      return
    }
    node =
      segment.kind === 'literal'
        ? literalChild(node, spelling(segment.text))
        : nameChild(node, spelling(segment.ending))
  }
  node.leaf ??= leaf
}

function literalChild(node: Node, text: string): Node {
  let child = node.literals.get(text)
  if (child === undefined) {
    child = empty()
    node.literals.set(text, child)
  }
  return child
}

function nameChild(node: Node, ending: string): Node {
  const there = node.names.find(name => name.ending === ending)
  if (there !== undefined) return there.node
  const child = empty()
  node.names.push({ ending, node: child })
  node.names.sort((a, b) => b.ending.length - a.ending.length)
  return child
}

function find(node: Node, segments: readonly string[], index: number): Leaf | undefined {
  const segment = segments[index]
  if (segment === undefined) return node.leaf
  if (segment !== '') {
    const literal = node.literals.get(segment)
    const found = literal === undefined ? undefined : find(literal, segments, index + 1)
    if (found !== undefined) return found
    for (const name of node.names) {
      if (!matchesName(name.ending, segment)) continue
      const within = find(name.node, segments, index + 1)
      if (within !== undefined) return within
    }
  }
  if (node.rest !== undefined && !segments.slice(index).includes('')) return node.rest
  return undefined
}

function paramsOf(pattern: PathPattern, segments: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {}
  for (const [index, segment] of pattern.segments.entries()) {
    if (segment.kind !== 'name') continue
    const at = segments[index]!
    params[segment.name] = at.slice(0, at.length - segment.ending.length)
  }
  return params
}
