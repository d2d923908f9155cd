import { Failure } from '../../core/failure.ts'
import { answerBounds, readBoundedJson } from '../../core/token/bounded-json.ts'
import { atPointer } from '../../core/token/json-pointer.ts'
import type { Account, AccountRequest, Send } from './oauth.ts'
import { readSendFailure } from './send-failure.ts'

/** Profiles are larger than token answers; still far from what could hurt. */
const profileBounds = { ...answerBounds, maxBytes: 262_144, maxMembers: 2_000, maxDepth: 16 }
const longestId = 256
const longestLabel = 200

/**
 * Whose account the tokens are of, by the entry's rule: the id is made of every pointer, the label is for people. The
 * token goes to the resolved URL and nowhere else (P7). Throws `needs_reauth` when the provider does not accept the
 * token, `provider_unavailable` when it cannot be asked, `provider_answer_refused` when its answer is not believed.
 */
export async function account(send: Send, request: AccountRequest): Promise<Account | undefined> {
  const { provider, tokens } = request
  const rule = provider.entry.oauth.account
  if (rule === undefined) return undefined
  switch (rule.source) {
    case 'token-answer':
      return accountIn(tokens.facts, request)
    case 'id-token':
      if (tokens.idTokenClaims === undefined) throw refused('The sign-in brought no verified ID token.')
      return accountIn(tokens.idTokenClaims, request)
    case 'endpoint': {
      // A discovered provider may have no userinfo endpoint; its ID token was verified and says the same.
      if (provider.accountUrl === undefined && tokens.idTokenClaims !== undefined)
        return accountIn(tokens.idTokenClaims, request)
      const profile = await fetchProfile(send, request)
      const sub = tokens.idTokenClaims?.sub
      // OpenID Connect Core section 5.3.4: userinfo of another person must not be taken for this one's (row 66).
      if (
        sub !== undefined &&
        provider.accountUrl === provider.userinfoEndpoint &&
        atPointer(profile, '/sub') !== sub
      ) {
        throw refused('Userinfo speaks of another subject than the ID token.')
      }
      return accountIn(profile, request)
    }
  }
}

async function fetchProfile(send: Send, request: AccountRequest): Promise<unknown> {
  const { provider, tokens } = request
  const { entry, accountUrl } = provider
  if (accountUrl === undefined)
    throw refused('The provider names neither a userinfo endpoint nor an account in its ID token.')
  const token = tokens.accessToken.reveal()
  const placeholder = /\{access_token\}|%7Baccess_token%7D/gi
  const isInPath = accountUrl.search(placeholder) !== -1
  const method = entry.oauth.account?.method ?? 'GET'
  const { name, scheme } = entry.api.credentialHeader ?? { name: 'authorization', scheme: 'Bearer' }
  let answer: Awaited<ReturnType<Send>>
  try {
    answer = await send({
      method,
      url: isInPath ? accountUrl.replace(placeholder, () => encodeURIComponent(token)) : accountUrl,
      headers: {
        ...entry.api.defaultHeaders,
        accept: 'application/json',
        'user-agent': 'Valetkey',
        ...(!isInPath && { [name.toLowerCase()]: scheme === '' ? token : `${scheme} ${token}` }),
        ...(method === 'POST' && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      ...(method === 'POST' && { body: '' }),
    })
  } catch (thrown) {
    const failure = readSendFailure(thrown)
    if (failure.hasBadAnswer) throw refused('The provider did not say whose account this is in an answer we accept.')
    throw new Failure('provider_unavailable', 'The provider could not be asked whose account this is. Try again later.')
  }
  return judgeProfile(answer, request)
}

function judgeProfile(answer: Awaited<ReturnType<Send>>, request: AccountRequest): unknown {
  const { status } = answer
  const read = readBoundedJson(answer.body, profileBounds)
  const json = read.kind === 'object' ? read.value : undefined
  const isNoLongerGood = (request.provider.entry.api.unauthorizedAnswers ?? []).some(rule => {
    const value = atPointer(json, rule.pointer)
    return rule.status === status && typeof value === 'string' && rule.values.includes(value)
  })
  if (status === 401 || isNoLongerGood) {
    throw new Failure('needs_reauth', 'The provider does not accept this access token. The owner has to connect again.')
  }
  if (status >= 500 || status === 429) {
    throw new Failure('provider_unavailable', 'The provider could not say whose account this is. Try again later.')
  }
  if (status < 200 || status > 299 || json === undefined || json.ok === false) {
    throw refused('The provider did not say whose account this is in an answer we accept.')
  }
  return json
}

function accountIn(source: unknown, request: AccountRequest): Account {
  const rule = request.provider.entry.oauth.account!
  const parts = rule.id.map(pointer => identifier(atPointer(source, pointer)))
  if (parts.length === 0 || parts.some(part => part === undefined)) {
    throw refused('The answer has no account id where the entry says it is.')
  }
  // Several parts are escaped before they are joined, so that no two accounts share an id.
  const id = parts.length === 1 ? parts[0]! : parts.map(part => encodeURIComponent(part!)).join(':')
  const names = rule.label.map(pointer => readable(atPointer(source, pointer))).filter(name => name !== '')
  const label = [...new Set(names)].join(' · ').slice(0, longestLabel) || id
  const { accessToken, refreshToken, otherSecrets } = request.tokens
  for (const secret of [accessToken, ...(refreshToken === undefined ? [] : [refreshToken]), ...otherSecrets]) {
    if (`${id}\n${label}`.includes(secret.reveal())) throw refused('The account id or label repeats a credential.')
  }
  return { id, label }
}

function identifier(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  const isGood =
    typeof value === 'string' && value !== '' && value.length <= longestId && !/[\p{Cc}\p{Cs}]/u.test(value)
  return isGood ? value : undefined
}

/** A name for people: one line, nothing invisible, nothing that turns the direction of writing. */
function readable(value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number') return ''
  return String(value)
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, longestLabel)
}

function refused(detail: string): Failure {
  return new Failure('provider_answer_refused', detail)
}
