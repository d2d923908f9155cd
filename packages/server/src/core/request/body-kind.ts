export type BodyKind = 'json' | 'form' | 'multipart'

/** How much of a body `bodyNeedsInspection` wants to see, unless the body is shorter. */
export const firstBytesWanted = 1_024

/** A body of an inspected kind above this is refused with 413. */
export const inspectedBytes = 1_048_576

/**
 * What kinds of parameters a body may hold, by its declared type and by how it begins; none for what can only be content.
 * The declared type alone proves nothing: some servers read JSON or forms whatever the type says.
 */
export function bodyKinds(contentType: string | undefined, beginning: string): ReadonlySet<BodyKind> {
  const type = (contentType ?? '').split(';')[0]!.trim().toLowerCase()
  const kinds = new Set<BodyKind>()
  const text = beginning.replace(/^[\s\u0000\ufeff]+/, '')
  const isJson = /^[{[]\s*(?:["'{}[\]/#\w$-]|$)/.test(text)
  if (isJson || /json/.test(type)) kinds.add('json')
  if (type.includes('urlencoded') || (!isJson && looksLikeForm(text, type))) kinds.add('form')
  const mayBeParts = type.startsWith('multipart/') || /^--[^\r\n]{1,256}\r?\n/.test(text)
  // Only form-data has field names. Uploads of a file beside its description (`multipart/related`) have none.
  if (type.includes('form-data') || (mayBeParts && /content-disposition/i.test(text))) kinds.add('multipart')
  return kinds
}

/**
 * Whether a body must be read whole, up to `inspectedBytes`, before it may go up. `firstBytes`: its first
 * `firstBytesWanted` bytes, or all of it.
 */
export function bodyNeedsInspection(contentType: string | undefined, firstBytes: Buffer): boolean {
  return textsOf(firstBytes.subarray(0, firstBytesWanted), contentType).some(
    text => bodyKinds(contentType, text).size > 0,
  )
}

/**
 * The body as text in every encoding it could be read in: UTF-8, and UTF-16 or UTF-32 where a mark, zero bytes or the
 * declared charset speak for them (RFC 4627 section 3).
 */
export function textsOf(body: Buffer, contentType: string | undefined): string[] {
  const texts = [body.toString('utf8')]
  const isWide = body.subarray(0, 64).includes(0) || /^(?:\xff\xfe|\xfe\xff)/.test(body.toString('latin1', 0, 2))
  if (!isWide && !/utf-?(?:16|32)/i.test(contentType ?? '')) return texts
  for (const [width, isBig] of [
    [2, false],
    [2, true],
    [4, false],
    [4, true],
  ] as const)
    texts.push(wideText(body, width, isBig))
  return texts
}

/** A declared charset in which ASCII letters are other bytes than in ASCII hides names from us: it is not taken. */
export function unreadableCharset(contentType: string | undefined): string | undefined {
  for (const [, quoted, bare] of (contentType ?? '').matchAll(/charset\s*=\s*(?:"([^"]*)"?|([^;\s]*))/gi)) {
    const charset = (quoted ?? bare ?? '').trim().toLowerCase()
    if (
      !/^(?:|utf-?8|us-ascii|ascii|utf-?(?:16|32)(?:le|be)?|iso-?8859-\d{1,2}|latin-?1|windows-125\d|cp125\d)$/.test(
        charset,
      )
    )
      return charset
  }
  return undefined
}

function looksLikeForm(text: string, type: string): boolean {
  const head = text.slice(0, firstBytesWanted)
  // A picture whose bytes happen to hold a "=" early is no form; text that calls itself text may be one whatever it holds.
  const isText = type === '' || type.startsWith('text/') || !/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(head)
  // Either a name before the first "=" or "&", or so long a run without blanks that one may still follow.
  const beginsWithName = /^[^\s<>{}"=&]{0,1024}[=&]/.test(head)
  return (isText && beginsWithName) || (head.length >= firstBytesWanted && /^[\x21-\x7e]+$/.test(head))
}

function wideText(body: Buffer, width: 2 | 4, isBig: boolean): string {
  let out = ''
  for (let at = 0; at + width <= body.length; at += width) {
    if (width === 2) out += String.fromCharCode(isBig ? body.readUInt16BE(at) : body.readUInt16LE(at))
    else {
      const code = isBig ? body.readUInt32BE(at) : body.readUInt32LE(at)
      out += code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code)
    }
  }
  return out
}
