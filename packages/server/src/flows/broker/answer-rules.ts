import type { LinkField } from '../../core/links/json-links.ts'
import { linkRewriter, type RewriteLink } from '../../core/links/rewrite-link.ts'
import type { Coding } from '../../core/request/content-codings.ts'
import type { OpenCall } from './open-call.ts'
import type { ProxyCall } from './proxy-call.ts'

/** What an answer goes through beside the search for secrets. */
export interface AnswerRules {
  /** The body's coding; it passes as it is. */
  readonly coding?: Coding
  /** Fields of the body that hold links. */
  readonly fields: readonly LinkField[]
  readonly hasBody: boolean
  /** Made at the first link, because most answers have none. */
  readonly rewriter: () => RewriteLink
}

/** The rules for the answer to this call. */
export function answerRules(
  { facts, decision }: Pick<OpenCall, 'facts' | 'decision'>,
  call: Pick<ProxyCall, 'method' | 'path' | 'query' | 'reached'>,
  status: number,
  coding: Coding | undefined,
): AnswerRules {
  let made: RewriteLink | undefined
  return {
    ...(coding !== undefined && { coding }),
    fields: decision.operation?.links ?? [],
    hasBody: call.method !== 'HEAD' && status !== 204 && status !== 304,
    rewriter() {
      const { baseUrl, hostUrl } = call.reached
      made ??= linkRewriter({
        provider: facts.provider,
        host: decision.host,
        path: call.path + call.query,
        proxy:
          hostUrl === undefined
            ? { prefix: `${baseUrl}/proxy/${facts.connection.id}`, isHostName: false }
            : { prefix: hostUrl, isHostName: true },
      })
      return made
    },
  }
}
