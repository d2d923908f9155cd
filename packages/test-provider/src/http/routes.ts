import type { EndpointName, Handler } from './exchange.ts'

/** One path of the surface. `{name}` matches one segment, a final `**` whatever is left. */
export interface Route {
  /** A method, or `*` for every one. */
  readonly method: string
  readonly pattern: string
  readonly endpoint: EndpointName
  readonly handle: Handler
}

export type RouteMatch =
  | { readonly kind: 'found'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'wrong_method'; readonly endpoint: EndpointName; readonly allow: readonly string[] }
  | { readonly kind: 'unknown' }

/** Finds the route of a path. Earlier routes win, HEAD is served by GET. */
export function matchRoute(routes: readonly Route[], method: string, path: string): RouteMatch {
  const allow: string[] = []
  let endpoint: EndpointName | undefined
  for (const route of routes) {
    const params = matchPattern(route.pattern, path)
    if (params === undefined) continue
    if (route.method === '*' || route.method === method || (method === 'HEAD' && route.method === 'GET')) {
      return { kind: 'found', route, params }
    }
    endpoint ??= route.endpoint
    allow.push(route.method)
  }
  return endpoint === undefined ? { kind: 'unknown' } : { kind: 'wrong_method', endpoint, allow }
}

function matchPattern(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const given = path.split('/')
  const hasRest = wanted.at(-1) === '**'
  if (hasRest ? given.length < wanted.length - 1 : given.length !== wanted.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of wanted.entries()) {
    if (segment === '**') return params
    const value = given[index]!
    if (segment.startsWith('{')) {
      if (value === '') return undefined
      try {
        params[segment.slice(1, -1)] = decodeURIComponent(value)
      } catch {
        return undefined
      }
    } else if (segment !== value) return undefined
  }
  return params
}
