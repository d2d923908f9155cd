import { lexDocument, type Token } from './lex-document.ts'

/** What a document with one operation does: reads, or calls these root fields of Mutation. */
export type GraphqlCall =
  | { readonly kind: 'query'; readonly name?: string }
  | { readonly kind: 'mutation'; readonly name?: string; readonly fields: readonly string[] }

export type DocumentReading =
  | { readonly ok: true; readonly call: GraphqlCall }
  | { readonly ok: false; readonly why: string }

/** Selections, lists and objects nested deeper are refused; fragments count where they are spread. */
export const deepest = 50

/** Why a document is not taken. Thrown inside this file alone. */
class Unread extends Error {}

/**
 * Reads an executable GraphQL document (specification of October 2021, section 2) within bounds: one operation, fragments
 * that are there once and in no circle. Root fields count by their names, whatever their aliases, directives, fragments
 * and type conditions; nothing is executed.
 */
export function readDocument(text: string): DocumentReading {
  const tokens = lexDocument(text)
  if (typeof tokens === 'string') return { ok: false, why: tokens }
  try {
    return { ok: true, call: callOf(new Parser(tokens).document()) }
  } catch (error) {
    if (!(error instanceof Unread)) throw error
    return { ok: false, why: error.message }
  }
}

interface Document {
  readonly operations: readonly Operation[]
  readonly fragments: ReadonlyMap<string, readonly Selection[]>
}

interface Operation {
  readonly kind: string
  readonly name?: string
  readonly selections: readonly Selection[]
}

type Selection =
  | { readonly kind: 'field'; readonly name: string; readonly selections: readonly Selection[] }
  | { readonly kind: 'spread'; readonly fragment: string }
  | { readonly kind: 'inline'; readonly selections: readonly Selection[] }

function callOf({ operations, fragments }: Document): GraphqlCall {
  const operation = operations[0]
  if (operation === undefined || operations.length > 1) {
    throw new Unread('A GraphQL document must have one operation. Send them singly.')
  }
  checkDepth(operation.selections, fragments)
  const name = operation.name === undefined ? {} : { name: operation.name }
  if (operation.kind === 'query') return { kind: 'query', ...name }
  if (operation.kind !== 'mutation') throw new Unread('GraphQL subscriptions are not brokered.')
  const fields = new Set<string>()
  collectFields(operation.selections, fragments, fields)
  fields.delete('__typename')
  if (fields.size === 0) throw new Unread('The GraphQL mutation calls no field.')
  return { kind: 'mutation', ...name, fields: [...fields] }
}

/** Also finds circles and fragments that are not there. A fragment is measured once, however often it is spread. */
function checkDepth(root: readonly Selection[], fragments: Document['fragments']): void {
  const measured = new Map<string, number>()
  const open = new Set<string>()
  const depthOf = (selections: readonly Selection[], at: number): number => {
    if (at > deepest) throw new Unread(`The GraphQL document is nested more than ${deepest} deep.`)
    let deep = 0
    for (const selection of selections) {
      if (selection.kind === 'spread') deep = Math.max(deep, depthOfFragment(selection.fragment, at))
      else if (selection.selections.length > 0) deep = Math.max(deep, depthOf(selection.selections, at + 1) + 1)
    }
    if (at + deep > deepest) throw new Unread(`The GraphQL document is nested more than ${deepest} deep.`)
    return deep
  }
  const depthOfFragment = (name: string, at: number): number => {
    const known = measured.get(name)
    if (known !== undefined) return known
    if (open.has(name)) throw new Unread(`The GraphQL fragment ${name} spreads itself.`)
    open.add(name)
    const deep = depthOf(fragmentOf(name, fragments), at)
    open.delete(name)
    measured.set(name, deep)
    return deep
  }
  depthOf(root, 1)
}

function fragmentOf(name: string, fragments: Document['fragments']): readonly Selection[] {
  const found = fragments.get(name)
  if (found === undefined) throw new Unread(`The GraphQL fragment ${name} is not in the document.`)
  return found
}

/** There is no circle by now. A fragment is opened once. */
function collectFields(
  selections: readonly Selection[],
  fragments: Document['fragments'],
  fields: Set<string>,
  opened = new Set<string>(),
): void {
  for (const selection of selections) {
    if (selection.kind === 'field') fields.add(selection.name)
    else if (selection.kind === 'inline') collectFields(selection.selections, fragments, fields, opened)
    else if (!opened.has(selection.fragment)) {
      opened.add(selection.fragment)
      collectFields(fragmentOf(selection.fragment, fragments), fragments, fields, opened)
    }
  }
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  document(): Document {
    const operations: Operation[] = []
    const fragments = new Map<string, readonly Selection[]>()
    while (this.#at < this.#tokens.length) {
      if (this.#takes('fragment', 'name')) this.#fragment(fragments)
      else operations.push(this.#operation())
    }
    return { operations, fragments }
  }

  #operation(): Operation {
    if (this.#sees('{')) return { kind: 'query', selections: this.#selections() }
    const kind = this.#name()
    if (!['query', 'mutation', 'subscription'].includes(kind)) {
      throw new Unread('A GraphQL document holds operations and fragments only.')
    }
    const name = this.#tokens[this.#at]?.kind === 'name' ? this.#name() : undefined
    if (this.#takes('(')) this.#until(')', () => this.#variable())
    this.#directives()
    return { kind, ...(name !== undefined && { name }), selections: this.#selections() }
  }

  #fragment(fragments: Map<string, readonly Selection[]>): void {
    const name = this.#name()
    if (name === 'on') throw this.#unexpected()
    if (fragments.has(name)) throw new Unread(`The GraphQL fragment ${name} is there twice.`)
    this.#expect('on', 'name')
    this.#name()
    this.#directives()
    fragments.set(name, this.#selections())
  }

  #selections(): readonly Selection[] {
    const selections: Selection[] = []
    this.#expect('{')
    this.#nested(() => this.#until('}', () => selections.push(this.#selection())))
    return selections
  }

  #selection(): Selection {
    if (!this.#takes('...')) return this.#field()
    const isCondition = this.#takes('on', 'name')
    if (!isCondition && this.#tokens[this.#at]?.kind === 'name') {
      const fragment = this.#name()
      this.#directives()
      return { kind: 'spread', fragment }
    }
    if (isCondition) this.#name()
    this.#directives()
    return { kind: 'inline', selections: this.#selections() }
  }

  #field(): Selection {
    const first = this.#name()
    const name = this.#takes(':') ? this.#name() : first
    this.#arguments()
    this.#directives()
    return { kind: 'field', name, selections: this.#sees('{') ? this.#selections() : [] }
  }

  #variable(): void {
    this.#expect('$')
    this.#name()
    this.#expect(':')
    this.#type()
    if (this.#takes('=')) this.#value()
    this.#directives()
  }

  #type(): void {
    if (this.#takes('[')) {
      this.#nested(() => this.#type())
      this.#expect(']')
    } else this.#name()
    this.#takes('!')
  }

  #directives(): void {
    while (this.#takes('@')) {
      this.#name()
      this.#arguments()
    }
  }

  #arguments(): void {
    if (this.#takes('(')) this.#until(')', () => this.#member())
  }

  #member(): void {
    this.#name()
    this.#expect(':')
    this.#value()
  }

  #value(): void {
    if (this.#takes('$')) this.#name()
    else if (this.#takes('[')) this.#nested(() => this.#until(']', () => this.#value(), 0))
    else if (this.#takes('{')) this.#nested(() => this.#until('}', () => this.#member(), 0))
    else {
      const token = this.#tokens[this.#at]
      if (token === undefined || token.kind === 'punctuator') throw this.#unexpected()
      this.#at++
    }
  }

  #nested(read: () => void): void {
    if (++this.#depth > deepest) throw new Unread(`The GraphQL document is nested more than ${deepest} deep.`)
    read()
    this.#depth--
  }

  #until(end: string, read: () => void, least = 1): void {
    for (let count = 0; count < least || !this.#takes(end); count++) read()
  }

  #sees(text: string, kind: Token['kind'] = 'punctuator'): boolean {
    const token = this.#tokens[this.#at]
    return token?.kind === kind && token.text === text
  }

  #takes(text: string, kind: Token['kind'] = 'punctuator'): boolean {
    const isThere = this.#sees(text, kind)
    if (isThere) this.#at++
    return isThere
  }

  #expect(text: string, kind: Token['kind'] = 'punctuator'): void {
    if (!this.#takes(text, kind)) throw this.#unexpected()
  }

  #name(): string {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'name') throw this.#unexpected()
    this.#at++
    return token.text
  }

  #unexpected(): Unread {
    const text = this.#tokens[this.#at]?.text.slice(0, 40)
    return new Unread(
      text === undefined ? 'The GraphQL document ends early.' : `The GraphQL document is not well-formed at "${text}".`,
    )
  }
}
