import type { Readable } from 'node:stream'
import { Failure, invalid } from '../../core/failure.ts'
import { checkPath } from '../../core/request/path-hygiene.ts'

/** What an agent asks for, as the edge parsed it. Nothing of it is believed yet. */
export interface ProxyCall {
  readonly method: string
  /** A connection's id or a provider's. */
  readonly connection: string
  /** From `~{host}`; the first origin's when left out. */
  readonly host?: string
  /** Raw, without query. */
  readonly path: string
  /** Raw, with its "?", or ''. */
  readonly query: string
  readonly rawHeaders: readonly string[]
  readonly body?: Readable
  /** Where the agent reaches the proxy, for links in answers: the base URL, and `https://{connection}.{domain}` if it came so. */
  readonly reached: { readonly baseUrl: string; readonly hostUrl?: string }
  /** What was read of the body so that the call could be judged: all of it, or that it can hold no parameters. */
  readonly seen?: { body?: Buffer | 'content' }
  /** Lets a client go on that waits for `100 Continue`. */
  readonly takeBody: () => void
}

/** Methods that are brokered. TRACE would echo the credential, CONNECT would tunnel past every rule (RFC 9110 section 9.3). */
export const proxyMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** What is wrong with a call whoever asks and whatever for: method, path and query as such. Throws. */
export function checkCall(call: Pick<ProxyCall, 'method' | 'path' | 'query' | 'rawHeaders'>): void {
  if (!proxyMethods.includes(call.method)) {
    throw new Failure('method_not_allowed', `This method is not brokered. Use one of ${proxyMethods.join(', ')}.`)
  }
  if (call.rawHeaders.some((name, index) => index % 2 === 0 && name.toLowerCase() === 'upgrade')) {
    throw new Failure('upgrade_not_supported', 'Protocol upgrades are not brokered. Send the request without Upgrade.')
  }
  // Whether this operation has encoded slashes is known only once it is matched: `requirePlainSlashes`.
  const path = checkPath(call.path, { mayEncodeSlash: true })
  if (!path.ok) throw invalid('/path', path.why)
  if (!/^[!"$-~]*$/.test(call.query)) {
    throw invalid('/query', 'The query must be printable ASCII without "#"; percent-encode every other character.')
  }
}

/** An encoded slash is data for those vendors only whose operation declares it. */
export function requirePlainSlashes(path: string, mayEncodeSlash: boolean): void {
  // Nothing is encoded in most paths, and the rest was judged before.
  if (!path.includes('%')) return
  const checked = checkPath(path, { mayEncodeSlash })
  if (!checked.ok) throw invalid('/path', checked.why)
}
