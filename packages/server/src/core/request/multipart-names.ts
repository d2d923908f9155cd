import { decodeOnce } from './parameter-name.ts'

/**
 * The field names of a multipart body, found at every `Content-Disposition` whatever the boundary is: readers disagree
 * about boundaries, so each place that could be a part counts as one.
 */
export function* multipartNames(text: string): Generator<string> {
  // Folded header lines (RFC 5322 section 2.2.3) belong to the line before.
  const header = /content-disposition[ \t]*:((?:[^\r\n]|\r?\n[ \t]|\r[ \t])*)/gi
  for (const [, line = ''] of text.matchAll(header)) yield* namesIn(line.replace(/[\r\n]+[ \t]*/g, ' '))
}

function* namesIn(line: string): Generator<string> {
  const pieces: string[] = []
  const parameter = /(?:^|[;\s])name(\*(?:\d+\*?)?)?\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;\s]*))/gi
  for (const [, star, quoted, bare] of line.matchAll(parameter)) {
    const value = quoted ?? bare ?? ''
    // RFC 2231: a charset and language before the value, percent-encoding within it, continuations in several pieces.
    const plain = star === undefined ? value : decodeOnce(value.replace(/^[^']*'[^']*'/, ''))
    pieces.push(plain)
    yield plain
    yield plain.replace(/\\(.)/g, '$1')
    yield encodedWords(plain)
  }
  if (pieces.length > 1) yield pieces.join('')
}

/** RFC 2047 encoded words, which mail-born parsers read in form names too. */
function encodedWords(text: string): string {
  return text.replace(/=\?[^?]*\?([bq])\?([^?]*)\?=/gi, (_, kind: string, value: string) =>
    kind.toLowerCase() === 'b'
      ? Buffer.from(value, 'base64').toString('utf8')
      : decodeOnce(value.replaceAll('_', ' ').replaceAll('=', '%')),
  )
}
