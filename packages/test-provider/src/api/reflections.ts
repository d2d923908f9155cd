import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Answer, Exchange } from '../http/exchange.ts'

/** How `/api/reflect?as=…` sends the received token back, to try what scrubs it. */
export const reflections = {
  verbatim: 'The token in the body as it is.',
  authorization: 'The whole Authorization header in the body.',
  percent: 'Every byte of the token percent-encoded, and once only what a URL component demands.',
  base64: 'The token in base64 and base64url, at each of the three alignments.',
  json: 'The token with every character as a JSON escape, and once with only its slashes escaped.',
  header: 'The token in the answer headers `x-reflected` and `link`.',
  trailer: 'The token in the trailer `x-reflected`.',
  split: 'The token in the body, one byte a chunk.',
  gzip: 'The token in a gzip-encoded body.',
} as const
export type ReflectionName = keyof typeof reflections

/** The answer for one reflection, or nothing if there is none of that name. */
export function reflect(exchange: Exchange, name: string): Answer | undefined {
  if (!Object.hasOwn(reflections, name)) return undefined
  const authorization = exchange.headers.authorization ?? ''
  const token = authorization.slice(authorization.indexOf(' ') + 1)
  const text = (body: string | Buffer, headers: Answer['headers'] = {}): Answer => ({
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
    body,
  })
  switch (name as ReflectionName) {
    case 'verbatim':
      return text(`before ${token} after`)
    case 'authorization':
      return text(`Authorization: ${authorization}\n`)
    case 'percent':
      return text(`${percentEveryByte(token)}\n${encodeURIComponent(token)}\n`)
    case 'base64':
      return text(base64Forms(token).join('\n'))
    case 'json':
      return { ...text(`{"a":"${jsonEscaped(token)}","b":"${token.replaceAll('/', '\\/')}"}`) }
    case 'header':
      return text('see the headers', { 'x-reflected': token, link: `</api/items?t=${token}>; rel="next"` })
    case 'trailer':
      return {
        status: 200,
        headers: { 'content-type': 'text/plain', trailer: 'x-reflected' },
        async stream(response) {
          response.write('see the trailer')
          response.addTrailers({ 'x-reflected': token })
          response.end()
        },
      }
    case 'split':
      return {
        status: 200,
        headers: { 'content-type': 'text/plain' },
        async stream(response, gone) {
          for (const byte of Buffer.from(`before ${token} after`)) {
            if (gone.aborted) return
            await new Promise<void>(resolve => response.write(Buffer.of(byte), () => setImmediate(resolve)))
          }
          response.end()
        },
      }
    case 'gzip':
      return text(gzipSync(`before ${token} after`), { 'content-encoding': 'gzip' })
  }
}

function percentEveryByte(value: string): string {
  return [...Buffer.from(value)].map(byte => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join('')
}

function jsonEscaped(value: string): string {
  return [...value].map(character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
}

/** Zero to two bytes before the token shift its base64 form; a filler behind it hides the last one. */
function base64Forms(value: string): string[] {
  return ['', '-', '--'].flatMap(before => {
    const bytes = Buffer.from(`${before}${value}--`)
    return [bytes.toString('base64'), bytes.toString('base64url')]
  })
}

/** The JSON that `/api/echo` answers. With `?authorization=user` the header's place is taken by the user's id. */
export function echo(exchange: Exchange, owner: string): Readonly<Record<string, unknown>> {
  const isReplaced = exchange.query.get('authorization') === 'user'
  return {
    method: exchange.method,
    path: exchange.path,
    query: [...exchange.query],
    headers: isReplaced ? { ...exchange.headers, authorization: owner } : exchange.headers,
    body: exchange.body.subarray(0, 65_536).toString('utf8'),
    body_bytes: exchange.record.bodyBytes,
    body_sha256: exchange.record.bodySha256 || createHash('sha256').digest('hex'),
    user: owner,
  }
}
