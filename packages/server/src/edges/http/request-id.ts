import { makeId, type RequestId } from '../../core/ids.ts'

/** Takes the caller's `X-Request-Id` when it is well formed, else makes one (CONTRACT 3). */
export function requestIdOf(
  header: string | string[] | undefined,
  now: number,
  random: (bytes: number) => Buffer,
): string {
  if (typeof header === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(header)) return header
  return makeId('req', now, random(10)) satisfies RequestId
}
