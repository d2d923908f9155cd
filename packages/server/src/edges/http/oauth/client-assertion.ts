/** Why a client assertion is refused although its signature is right, or undefined. */
export function assertionFault(
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>>,
  expected: { readonly client: string; readonly issuer: string; readonly now: number },
): string | undefined {
  const now = Math.floor(expected.now / 1000)
  const { iss, sub, aud, exp, iat, jti } = claims
  if (header.typ !== undefined && !isClientAuthenticationType(header.typ)) return 'typ is of another kind of JWT'
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) return 'a critical header is not understood'
  if (iss !== expected.client || sub !== expected.client) return 'iss and sub must both be the client_id'
  // An audience that anybody else is among can be collected there and used here (audience injection; rows 5, 103).
  const audience = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud
  if (audience !== expected.issuer) return 'aud must be the issuer identifier alone'
  if (!isSeconds(exp) || exp <= now) return 'exp must lie in the future'
  if (exp - now > longestLifeSeconds) return 'exp must be within 5 minutes'
  if (iat !== undefined && (!isSeconds(iat) || iat > now + clockSkewSeconds)) return 'iat must not lie in the future'
  if (typeof jti !== 'string' || jti === '' || jti.length > 255) return 'jti must be a text of 1 to 255 characters'
  return undefined
}

const longestLifeSeconds = 300
const clockSkewSeconds = 60

// RFC 7523 leaves typ open; its revision names client-authentication+jwt. An ID or access token is neither (RFC 8725 3.11).
function isClientAuthenticationType(typ: unknown): boolean {
  return typeof typ === 'string' && ['jwt', 'client-authentication+jwt'].includes(typ.toLowerCase())
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
