import type { ConnectError, ConnectSession } from '../../core/connect-session.ts'

/** Where the browser goes at the end of a flow; without `return_to` a page says what happened. */
export type Ending =
  | { readonly kind: 'redirect'; readonly url: string }
  | { readonly kind: 'page'; readonly session: ConnectSession; readonly error?: ConnectError }

/** Adds our parameters to `return_to`, keeping its own query. */
export function endingOf(
  session: ConnectSession,
  said: { readonly completionCode: string } | { readonly error: ConnectError },
): Ending {
  if (session.returnTo === undefined) return { kind: 'page', session, ...('error' in said && { error: said.error }) }
  const url = new URL(session.returnTo)
  url.searchParams.set('connect_session', session.id)
  if ('error' in said) url.searchParams.set('error', said.error)
  else url.searchParams.set('completion_code', said.completionCode)
  return { kind: 'redirect', url: url.href }
}
