/**
 * The closed list of departures from the standards, each with the sentence that says what it does. Code asks for a name;
 * there is one implementation of each.
 */
export const quirks = {
  'json-token-request': 'The token, revocation and introspection endpoints take JSON bodies only.',
  'http-200-on-error':
    'Errors of the token endpoint come as 200 with `{ok: false, error}`; successes carry `ok: true`.',
  'api-200-on-error': 'A refused bearer token at an API comes as 200 with `{ok: false, error: "invalid_auth"}`.',
  'nested-token': 'The members of a token answer stand under `authed_user`.',
  'scope-response-comma': 'The granted scopes are separated by commas in the token answer.',
  'scope-missing': 'The token answer has no `scope`.',
  'scopes-downgraded': 'The last of the requested scopes is never granted.',
  'no-expiry': 'The token answer has no `expires_in`; the token expires all the same.',
  'expires-in-string': '`expires_in` is a string of digits.',
  'form-encoded-answer': 'Token answers, errors included, are form-encoded.',
  'status-201': 'A successful token answer has status 201.',
  'null-fields': 'Members without a value are null instead of absent.',
  'token-type-nonstandard': '`token_type` is `bot`; the token is a bearer token all the same.',
  'extra-huge-answer': 'The token answer carries an 8 MiB member.',
  'deep-json': 'The token answer carries a member nested 20,000 levels deep.',
  'no-refresh-token': 'No refresh token is issued.',
  'refresh-omits-refresh-token': 'A refresh answers without a refresh token; the one that was used stays good.',
  'no-iss': 'The authorization response has no `iss` although the metadata announces it (RFC 9207).',
  'wrong-iss': 'The `iss` of the authorization response names another issuer.',
  'iss-trailing-slash': 'The `iss` of the authorization response ends in a slash that the issuer does not have.',
  'iss-upper-case': 'The `iss` of the authorization response is the issuer in upper case.',
  'iss-not-announced': 'The metadata does not announce `iss`; it is sent all the same.',
  'metadata-wrong-issuer': 'The discovery documents name another issuer than the one they were asked of.',
  'state-altered': 'The authorization response carries another `state` than the request.',
  'state-missing': 'The authorization response carries no `state`.',
  'code-repeated': 'The authorization response carries the parameter `code` twice.',
  'id-token-wrong-nonce': 'The id token carries another nonce than the request.',
  'id-token-wrong-audience': 'The id token is for another client.',
  'id-token-wrong-issuer': 'The id token is from another issuer.',
  'id-token-expired': 'The id token expired an hour ago.',
  'id-token-wrong-key': 'The id token is signed by a key that is not in the JWKS, under the id of one that is.',
  'id-token-unsigned': 'The id token has `alg: none` and no signature.',
} as const satisfies Record<string, string>

export type QuirkName = keyof typeof quirks

/** The names, in the order of the table. */
export const quirkNames = Object.keys(quirks) as readonly QuirkName[]

/** The quirks of a provider; refuses names that are not in the table. */
export function quirkSet(names: Iterable<QuirkName>): Set<QuirkName> {
  const set = new Set<QuirkName>()
  for (const name of names) {
    if (!Object.hasOwn(quirks, name)) {
      throw new TypeError(`no quirk is called "${name}"; expected one of ${quirkNames.join(', ')}`)
    }
    set.add(name)
  }
  return set
}
