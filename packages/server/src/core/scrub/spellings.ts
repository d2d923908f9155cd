/**
 * Every spelling of a secret that an answer may echo and that is masked: verbatim, percent-encoded, JSON-escaped, base64
 * and base64url at each of the three alignments (so also inside a longer encoded text such as Basic credentials), and
 * base64 that was then put into a URL or JSON. A spelling that escapes an arbitrary part of the characters is not among
 * them (P1 says what meets those).
 */
export function spellingsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const raw = bytes.toString('latin1')
  const found = new Set<string>([raw])
  for (const form of percentForms(raw)) found.add(form)
  for (const form of jsonForms(secret)) found.add(form)
  for (const alignment of [0, 1, 2] as const) {
    for (const encoding of ['base64', 'base64url'] as const) {
      const core = base64Core(bytes, alignment, encoding)
      found.add(core)
      found.add(core.replaceAll('/', '\\/'))
      for (const hex of [upper, lower]) found.add(core.replace(reserved, hex))
    }
  }
  return [...found]
}

const hexOf = (width: number) => (char: string) => char.charCodeAt(0).toString(16).padStart(width, '0')
const upper = (char: string) => `%${hexOf(2)(char).toUpperCase()}`
const lower = (char: string) => `%${hexOf(2)(char)}`
/** What RFC 3986, `encodeURIComponent` and form encoding escape. */
const reserved = /[^A-Za-z0-9._~-]/g
const uriComponent = /[^A-Za-z0-9._~!*'()-]/g
const form = /[^A-Za-z0-9._*-]/g
const every = /[\s\S]/g

function* percentForms(raw: string): Generator<string> {
  for (const hex of [upper, lower]) {
    yield raw.replace(reserved, hex)
    yield raw.replace(uriComponent, hex)
    yield raw.replace(form, hex)
    yield raw.replace(form, hex).replaceAll('%20', '+')
    yield raw.replace(every, hex)
  }
}

const upperUnit = (char: string) => `\\u${hexOf(4)(char).toUpperCase()}`
const lowerUnit = (char: string) => `\\u${hexOf(4)(char)}`

function* jsonForms(secret: string): Generator<string> {
  const minimal = JSON.stringify(secret).slice(1, -1)
  yield inBytes(minimal)
  yield inBytes(minimal.replaceAll('/', '\\/'))
  for (const unit of [upperUnit, lowerUnit]) {
    // As PHP, Python and Ruby write what is not ASCII, and as HTML-safe encoders write markup.
    const ascii = minimal.replace(/[\u0080-\uffff]/g, unit)
    yield ascii
    yield ascii.replaceAll('/', '\\/')
    yield ascii.replace(/[<>&'=]/g, unit)
    yield ascii.replace(/[<>&'=+/]/g, unit)
    yield minimal.replace(/[^A-Za-z0-9"\\]/g, unit)
    yield secret.replace(/[^A-Za-z0-9]/g, unit)
    yield secret.replace(every, unit)
  }
}

/** The characters of a base64 text that depend on the secret alone, when `alignment` bytes of something else precede. */
function base64Core(bytes: Buffer, alignment: 0 | 1 | 2, encoding: 'base64' | 'base64url'): string {
  const text = Buffer.concat([Buffer.alloc(alignment), bytes]).toString(encoding)
  return text.slice(Math.ceil((alignment * 8) / 6), Math.floor(((alignment + bytes.length) * 8) / 6))
}

function inBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
