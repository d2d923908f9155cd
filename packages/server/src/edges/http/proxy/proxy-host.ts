/**
 * `https://{connection}.{domain}` with the port of the base URL, when a request came to such a host; undefined else. Links
 * in answers keep to it, for an SDK that follows one leaves its credential out where the origin changes.
 */
export function urlOfOwnHost(
  host: string | undefined,
  domain: string | undefined,
  baseUrl: string,
): string | undefined {
  if (domain === undefined || host === undefined) return undefined
  const name = host.toLowerCase().replace(/:\d{1,5}$/, '')
  if (!name.endsWith(`.${domain}`) || !/^[a-z0-9-]+$/.test(name.slice(0, -domain.length - 1))) return undefined
  const { protocol, port } = new URL(baseUrl)
  return `${protocol}//${name}${port === '' ? '' : `:${port}`}`
}

/**
 * What a request to `{connection}.{domain}` means as a URL under `/proxy/`; undefined on every other host, and where no
 * domain is set (CONTRACT 7). For SDKs that drop the path of their base URL. A label of a host name holds no `_`, so an id
 * is written with `-`. On such a host nothing is served but the proxy, and an odd name or target is a connection that
 * nobody has.
 */
export function urlOfProxyHost(
  host: string | undefined,
  domain: string | undefined,
  target: string,
): string | undefined {
  if (domain === undefined || host === undefined) return undefined
  const name = host.toLowerCase().replace(/:\d{1,5}$/, '')
  if (!name.endsWith(`.${domain}`)) return undefined
  const label = name.slice(0, -domain.length - 1)
  if (!/^[a-z0-9-]+$/.test(label) || !target.startsWith('/')) return '/proxy//'
  return `/proxy/${label.replace(/^con-(?=[0-9a-z]{26}$)/, 'con_')}${target}`
}
