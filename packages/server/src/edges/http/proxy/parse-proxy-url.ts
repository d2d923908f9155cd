/** A URL under `/proxy/`, in its parts, raw. */
export interface ProxyUrl {
  readonly connection: string
  readonly host?: string
  readonly path: string
  readonly query: string
}

/**
 * `/proxy/{connection}/{path…}` and `/proxy/{connection}/~{host}/{path…}` (CONTRACT 7). Nothing is decoded or tidied: the
 * path goes up byte for byte, or is refused.
 */
export function parseProxyUrl(url: string): ProxyUrl {
  const mark = url.indexOf('?')
  const whole = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark)
  const rest = whole.slice('/proxy/'.length)
  const slash = rest.indexOf('/')
  const connection = slash === -1 ? rest : rest.slice(0, slash)
  const path = slash === -1 ? '/' : rest.slice(slash)
  if (!path.startsWith('/~')) return { connection, path, query }
  const end = path.indexOf('/', 2)
  const host = (end === -1 ? path.slice(2) : path.slice(2, end)).toLowerCase()
  return { connection, host, path: end === -1 ? '/' : path.slice(end), query }
}
