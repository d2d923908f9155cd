/**
 * The keys at the top of a JSON text: of the outermost object, or of the objects directly in an outermost array, every
 * duplicate and every further text after the first. It reads what lenient parsers read too (comments, single quotes,
 * bare names, `=` for `:`), because what matters is what the provider's parser might find, and it never fails.
 */
export function* jsonKeys(text: string): Generator<string> {
  /** Open brackets, outermost first. */
  const open: string[] = []
  let mayBeKey = false
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    if (char === '{' || char === '[') {
      open.push(char)
      mayBeKey = char === '{'
      at++
    } else if (char === '}' || char === ']') {
      open.pop()
      mayBeKey = false
      at++
    } else if (char === ',' || char === ';') {
      mayBeKey = open.at(-1) === '{'
      at++
    } else if (char === '#' || text.startsWith('//', at)) {
      at = endOf(text, /[\r\n]/g, at)
    } else if (text.startsWith('/*', at)) {
      at = endOf(text, /\*\//g, at + 2)
    } else if (char === '"' || char === "'") {
      const end = endOfString(text, at)
      if (mayBeKey && isTop(open)) yield unescaped(text.slice(at + 1, end))
      mayBeKey = false
      at = end + 1
    } else if (mayBeKey && /[^\s:=>]/.test(char)) {
      const end = endOf(text, /[\s:=,;{}[\]"'#]/g, at + 1, 0)
      if (isTop(open)) yield unescaped(text.slice(at, end))
      mayBeKey = false
      at = end
    } else at++
  }
}

function isTop(open: readonly string[]): boolean {
  return open.length === 1 || (open.length === 2 && open[0] === '[')
}

function endOf(text: string, mark: RegExp, from: number, past = 1): number {
  mark.lastIndex = from
  const found = mark.exec(text)
  return found === null ? text.length : found.index + (past === 0 ? 0 : found[0].length)
}

function endOfString(text: string, start: number): number {
  const quote = text[start]
  let at = start + 1
  while (at < text.length && text[at] !== quote) at += text[at] === '\\' ? 2 : 1
  return Math.min(at, text.length)
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

function unescaped(text: string): string {
  return text.replace(
    /\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\s\S]))/g,
    (_, braced, unit, byte, char) => {
      const hex: string | undefined = braced ?? unit ?? byte
      if (hex === undefined) return escapes[char] ?? char
      const code = Number.parseInt(hex, 16)
      return code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code)
    },
  )
}
