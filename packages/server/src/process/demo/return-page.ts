import type { Listener } from '@valetkey/test-provider/http/listener'

/** The app's own page: where the browser lands when a connect flow is over. */
export interface ReturnPage {
  readonly url: string
  /** What came back for that session, however early it came. */
  returned(session: string): Promise<URLSearchParams>
  close(): Promise<void>
}

/** Answers a browser that comes back, and tells the app what it brought. */
export function returnPageOn(listener: Listener): ReturnPage {
  const waiting = new Map<string, PromiseWithResolvers<URLSearchParams>>()
  const of = (session: string) => {
    const found = waiting.get(session) ?? Promise.withResolvers<URLSearchParams>()
    waiting.set(session, found)
    return found
  }
  listener.mount('/done', (_request, response, _path, query) => {
    const params = new URLSearchParams(query)
    const error = params.get('error')
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
    response.end(error === null ? 'Connected. Go back to the terminal.' : `Not connected: ${error.replace(/\W/g, ' ')}`)
    of(params.get('connect_session') ?? '').resolve(params)
  })
  return {
    url: `${listener.origin}/done`,
    returned: session => of(session).promise,
    close: () => listener.close(),
  }
}
