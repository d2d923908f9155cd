/** Of an executable document (GraphQL specification, section 2.1). Values of strings do not matter here. */
export interface Token {
  readonly kind: 'name' | 'punctuator' | 'number' | 'string'
  readonly text: string
}

/** More tokens than these are refused. */
export const mostTokens = 5_000

const ignored = /[ \t\n\r,]+|#[^\n\r]*/y
const name = /[_A-Za-z][_0-9A-Za-z]*/y
const punctuator = /\.\.\.|[!$&()[\]{}:=@|]/y
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![_0-9A-Za-z.])/y

const kinds = [
  ['name', name],
  ['punctuator', punctuator],
  ['number', number],
] as const

/** The tokens of a document, or why it is not read: at most `mostTokens`, nothing that is no token. */
export function lexDocument(text: string): readonly Token[] | string {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const skipped = take(ignored, text, at)
    if (skipped !== undefined) {
      at += skipped.length
      continue
    }
    const token = next(text, at)
    if (token === undefined) return `The GraphQL document is not well-formed at character ${at + 1}.`
    if (tokens.length >= mostTokens) return `The GraphQL document has more than ${mostTokens} tokens.`
    tokens.push(token)
    at += token.text.length
  }
  return tokens
}

function next(text: string, at: number): Token | undefined {
  if (text[at] === '"') {
    const end = text.startsWith('"""', at) ? endOfBlock(text, at + 3) : endOfString(text, at + 1)
    return end === undefined ? undefined : { kind: 'string', text: text.slice(at, end) }
  }
  for (const [kind, pattern] of kinds) {
    const found = take(pattern, text, at)
    if (found !== undefined) return { kind, text: found }
  }
  return undefined
}

const escaped = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\})/y

/** Where a string ends that began before `from`; undefined when it does not end, or holds what no string holds. */
function endOfString(text: string, from: number): number | undefined {
  for (let at = from; at < text.length; ) {
    const char = text[at]!
    if (char === '"') return at + 1
    if (char === '\\') {
      const found = take(escaped, text, at)
      if (found === undefined) return undefined
      at += found.length
    } else if (char < ' ' && char !== '\t') return undefined
    else at++
  }
  return undefined
}

/** The same for a block string, whose only escape is that of three quotes. */
function endOfBlock(text: string, from: number): number | undefined {
  for (let at = from; at < text.length; at++) {
    if (text.startsWith('"""', at)) return at + 3
    if (text.startsWith('\\"""', at)) at += 3
    else if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text[at]!)) return undefined
  }
  return undefined
}

function take(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}
