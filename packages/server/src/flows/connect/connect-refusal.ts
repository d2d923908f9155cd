/** Why a browser is not let on. Each has its page, its status and its event (CONTRACT 6). */
export const refusals = {
  link_unknown: {
    status: 404,
    title: 'This link is not known',
    text: 'The link is wrong or has expired. Go back to the app and start again.',
  },
  link_used: {
    status: 409,
    title: 'This link was used already',
    text: 'A connect link works once, in one browser. Go back to the app and start again.',
  },
  link_expired: {
    status: 410,
    title: 'This link has expired',
    text: 'A connect link is good for 15 minutes. Go back to the app and start again.',
  },
  form_foreign: {
    status: 403,
    title: 'This form was not opened here',
    text: 'Open the link in this browser, with cookies allowed, and press the button there.',
  },
  state_missing: {
    status: 400,
    title: 'The provider sent no state',
    text: 'The answer of the provider cannot be matched to a request. Go back to the app and start again.',
  },
  state_unknown: {
    status: 400,
    title: 'This answer was not asked for',
    text: 'No open request matches the answer. It may have been used already. Go back to the app and start again.',
  },
  state_expired: {
    status: 400,
    title: 'This took too long',
    text: 'The request is older than 15 minutes. Go back to the app and start again.',
  },
  other_integration: {
    status: 400,
    title: 'This answer belongs to another service',
    text: 'The answer came to the address of another integration. Nothing was connected.',
  },
  parameter_repeated: {
    status: 400,
    title: 'The answer is ambiguous',
    text: 'A parameter was sent more than once. Nothing was connected.',
  },
  issuer_wrong: {
    status: 400,
    title: 'The answer comes from somebody else',
    text: 'The answer does not name the service that was asked. Nothing was connected.',
  },
  other_browser: {
    status: 403,
    title: 'Another browser began this',
    text: 'Who begins to connect must also finish, in the same browser. Nothing was connected.',
  },
} as const

export type RefusalReason = keyof typeof refusals

/** Thrown by the steps of a connect flow; the edge renders its page. */
export class ConnectRefusal extends Error {
  readonly reason: RefusalReason
  constructor(reason: RefusalReason) {
    super(refusals[reason].title)
    this.name = 'ConnectRefusal'
    this.reason = reason
  }
}
