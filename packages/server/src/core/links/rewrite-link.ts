import type { ResolvedProvider } from '../catalogue/resolved-provider.ts'

/** Where links of an answer come from, and where they have to lead. */
export interface LinkPlace {
  readonly provider: ResolvedProvider
  /** Host of the entry that was asked. */
  readonly host: string
  /** Path and query that were asked: what a relative reference means (RFC 3986 section 5). */
  readonly path: string
  readonly proxy: ProxyPlace
}

/** Where the agent reaches this connection. */
export interface ProxyPlace {
  /** `{base_url}/proxy/{connection}`, or `https://{connection}.{domain}`; no slash at its end. */
  readonly prefix: string
  /** Under a host name of its own the first origin needs no `~{host}`, and SDKs that drop the path of a URL expect none. */
  readonly isHostName: boolean
}

/**
 * The link as it leads through the proxy; undefined when it leads anywhere else than to the provider's own hosts.
 * `declared` is the host that the operation's field names.
 */
export type RewriteLink = (reference: string, declared?: string) => string | undefined

/** Stands for the host that was asked: no name can be below it (RFC 6761 section 6.4). */
const asked = 'https://asked.invalid'

/**
 * Rewrites links of one answer (CONTRACT 7, P7). A link is read as browsers and `fetch` read one (WHATWG URL), and what
 * goes on is always written anew: whatever another reader would make of backslashes, user names, blanks or encoded dots
 * in the original, the host of the result is ours. A link with user information is nobody's.
 */
export function linkRewriter({ provider, host, path, proxy }: LinkPlace): RewriteLink {
  const first = provider.entry.api.origins[0]
  const firstHost = first === undefined ? provider.origins[0]?.host : new URL(first.origin).host
  const origins = provider.origins.map(({ host, target }) => ({ host, at: new URL(target).host }))
  return (reference, declared) => {
    const url = URL.parse(reference, asked + path)
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return undefined
    const named = url.host === 'asked.invalid' ? host : url.host
    const meant = origins.filter(origin => origin.host === named || origin.at === named)
    const ofField = origins.find(origin => origin.host === declared && meant.some(({ at }) => at === origin.at))
    const found = ofField ?? meant.find(origin => origin.host === named) ?? meant[0]
    if (found === undefined) return undefined
    const isPlain = proxy.isHostName && found.host === firstHost && !url.pathname.startsWith('/~')
    return `${proxy.prefix}${isPlain ? '' : `/~${found.host}`}${url.pathname}${url.search}${url.hash}`
  }
}
