/** Departures from the standards, by name: a closed list. Each has one sentence, one implementation and one test. */
export const quirks = {
  'json-token-request': 'The token endpoint takes a JSON body instead of a form.',
  'http-200-on-error': 'Errors come with status 200 and an `ok: false` or `error` member.',
  'scope-comma': 'Granted scopes are separated by commas.',
  'token-nested': 'The token lies deeper in the answer, where `tokenAnswer` points.',
  'token-type-nonstandard': 'The `token_type` has a value of the vendor that means bearer.',
  'form-encoded-answer': 'The token answer is form-encoded.',
  'status-201': 'The token answer has status 201.',
  'null-members': 'Members without a value are sent as null.',
  'expires-in-text': 'The `expires_in` is a text instead of a number.',
  'no-expiry': 'The token answer has no `expires_in`.',
  'scopes-not-returned': 'The token answer does not say which scopes were granted.',
  'scopes-fixed-at-client': 'There is no scope parameter; the provider fixed the scopes at the client.',
  'version-header-required': 'Calls need a version header, which we add when the agent did not send one.',
  'refresh-only-on-first-consent': 'A refresh token comes only with an explicit consent prompt.',
  'scope-partial-grant': 'The person may untick single scopes.',
  'token-in-revocation-path': 'Revocation names the token in the path.',
} as const

export type QuirkName = keyof typeof quirks
