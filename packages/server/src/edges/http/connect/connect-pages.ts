import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ConnectSession } from '../../../core/connect-session.ts'
import { Failure } from '../../../core/failure.ts'
import type { Integration } from '../../../core/integration.ts'
import { type Browser, beginFlow, declineFlow, formProofOf, readSession } from '../../../flows/connect/begin-flow.ts'
import { ConnectRefusal, refusals } from '../../../flows/connect/connect-refusal.ts'
import type { Ending } from '../../../flows/connect/session-outcome.ts'
import { takeCallback } from '../../../flows/connect/take-callback.ts'
import { type SessionView, viewSession } from '../../../flows/connect/view-session.ts'
import type { Parts } from '../../../parts.ts'
import { nonceCookie } from './nonce-cookie.ts'
import { html, nothing, page, pageHeaders } from './page.ts'
import { createPostedAnswers } from './posted-answers.ts'

/** The pages that a person meets while connecting an account: no scripts, one form, two buttons. */
export function registerConnectPages(app: FastifyInstance, parts: Parts): void {
  const posted = createPostedAnswers(parts.now, parts.random)
  app.register(async scope => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 16 * 1024 },
      (_request, body, done) => {
        done(null, new URLSearchParams(body as string))
      },
    )
    scope.setErrorHandler((thrown, request, reply) => renderRefusal(parts, thrown, request, reply))

    scope.get('/connect/:link', async (request, reply) => {
      const { link } = request.params as { link: string }
      const session = await readSession(parts, request.arrival.tenant, link)
      const cookie = nonceCookie(request.arrival.baseUrl, session.id)
      const nonce = cookie.read(request.headers.cookie) ?? parts.random(32).toString('base64url')
      const view = await viewSession(parts, request.arrival.tenant, session)
      reply.header('set-cookie', cookie.set(nonce))
      return reply.headers(pageHeaders(view.formTargets)).send(connectPage(view, link, formProofOf(nonce, link)))
    })

    scope.post('/connect/:link', async (request, reply) => {
      const { link } = request.params as { link: string }
      const { arrival } = request
      const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams()
      const origin = request.headers.origin
      if (origin !== undefined && origin !== 'null' && origin !== new URL(arrival.baseUrl).origin)
        throw new ConnectRefusal('form_foreign')
      const session = await readSession(parts, arrival.tenant, link)
      const nonce = nonceCookie(arrival.baseUrl, session.id).read(request.headers.cookie)
      const proof = form.getAll('proof')
      const browser: Browser = {
        link,
        ...(nonce !== undefined && { nonce }),
        ...(proof.length === 1 && { formProof: proof[0]! }),
        requestId: arrival.requestId,
        ...(arrival.ip !== undefined && { ip: arrival.ip }),
      }
      if (form.has('decline')) return finish(reply, await declineFlow(parts, arrival.tenant, browser))
      if (!form.has('continue')) throw new ConnectRefusal('form_foreign')
      const begun = await beginFlow(parts, arrival.tenant, browser, integration =>
        callbackUrl(arrival.baseUrl, integration),
      )
      if (begun.kind !== 'go') return finish(reply, begun)
      return reply.headers(pageHeaders()).code(303).header('location', begun.url).send('')
    })

    scope.get('/callback/:integration', async (request, reply) => {
      const { integration } = request.params as { integration: string }
      const query = request.raw.url!.split('?').slice(1).join('?')
      const params = posted.take(query) ?? new URLSearchParams(query)
      let found: ConnectSession | undefined
      const { arrival } = request
      const ending = await takeCallback(
        parts,
        arrival.tenant,
        {
          integration,
          params,
          nonceOf(session) {
            found = session
            return nonceCookie(arrival.baseUrl, session.id).read(request.headers.cookie)
          },
          requestId: arrival.requestId,
          ...(arrival.ip !== undefined && { ip: arrival.ip }),
        },
        row => callbackUrl(arrival.baseUrl, row),
      )
      if (found !== undefined) reply.header('set-cookie', nonceCookie(arrival.baseUrl, found.id).clear())
      return finish(reply, ending)
    })

    // response_mode=form_post: the browser posts across sites without our Lax cookie, so the answer comes round once more by GET.
    scope.post('/callback/:integration', async (request, reply) => {
      const { integration } = request.params as { integration: string }
      if (!(request.body instanceof URLSearchParams)) throw new ConnectRefusal('state_missing')
      const handle = posted.keep(request.body)
      return reply
        .headers(pageHeaders())
        .code(303)
        .header('location', `${request.arrival.baseUrl}/callback/${encodeURIComponent(integration)}?${handle}`)
        .send('')
    })
  })
}

function callbackUrl(baseUrl: string, integration: Pick<Integration, 'id'>): string {
  return `${baseUrl}/callback/${integration.id}`
}

function finish(reply: FastifyReply, ending: Ending): FastifyReply {
  if (ending.kind === 'redirect') return reply.headers(pageHeaders()).code(303).header('location', ending.url).send('')
  const done = ending.error === undefined
  const body = done
    ? html`<h1>Not connected yet</h1><p>The account answered, but whoever sent you here gave no address to come back to, so nobody can finish this connection. What was received is destroyed in 15 minutes at the latest.</p>`
    : html`<h1>Nothing was connected</h1><p>${endingWords[ending.error!] ?? 'The flow ended without a connection.'}</p><p class="soft">You can close this page.</p>`
  return reply
    .headers(pageHeaders())
    .code(200)
    .send(page(done ? 'Not connected yet' : 'Nothing was connected', body))
}

const endingWords: Readonly<Record<string, string>> = {
  access_denied: 'You said no, and nobody got access.',
  provider_error: 'The service refused the request.',
  provider_unavailable: 'The service could not be reached. Try again later.',
  account_mismatch: 'This is another account than the one to repair.',
  scopes_refused: 'The service granted none of what was asked for.',
}

function renderRefusal(parts: Parts, thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers(pageHeaders())
  if (thrown instanceof ConnectRefusal) {
    const refusal = refusals[thrown.reason]
    return reply.code(refusal.status).send(page(refusal.title, html`<h1>${refusal.title}</h1><p>${refusal.text}</p>`))
  }
  const status = thrown instanceof Failure ? thrown.status : ((thrown as { statusCode?: number }).statusCode ?? 500)
  if (status >= 500)
    parts.log.error('a connect page failed', {
      request_id: request.id,
      error: thrown instanceof Failure ? (thrown.cause ?? thrown) : thrown,
    })
  const title = status >= 500 ? 'Something failed on our side' : 'This did not work'
  const text =
    status === 502 || status === 503
      ? 'The service could not be reached. Try again in a moment.'
      : 'Go back to the app and start again.'
  return reply
    .code(status)
    .send(page(title, html`<h1>${title}</h1><p>${text}</p><p class="soft">Request ${request.id}</p>`))
}

/** Who asks, for what, until when; then the two buttons. */
function connectPage(view: SessionView, link: string, proof: string): string {
  // What can be changed stands first: it is what one should not overlook.
  const rows = [...view.access.filter(row => row.change), ...view.access.filter(row => !row.change)].map(
    row =>
      html`<li><span class="tag${row.change ? ' change' : ''}">${row.change ? 'Read and change' : 'Read'}</span>${row.words}<details><summary>What exactly</summary>${row.scopes.map(text => html`<div>${text}</div>`)}</details></li>`,
  )
  const others = view.otherScopes.map(
    scope =>
      html`<li><span class="tag">${scope.description === undefined ? 'Scope' : 'Account'}</span>${scope.description ?? scope.name}</li>`,
  )
  const title = `${view.repairs ? 'Reconnect' : 'Connect'} ${view.provider}`
  const body = html`<h1>${title} for ${view.forUser}</h1>
<p><strong>${view.askedBy}</strong> asks to connect your ${view.provider} account, so that agents you allow can work with it. They never see your password or the access token.</p>
<h2>With your yes at ${view.provider}, agents with a grant can</h2>
<ul>${rows}${others}</ul>
${view.access.length + view.otherScopes.length === 0 ? html`<p>${view.provider} itself will ask you what to share.</p>` : nothing}
<h2>By whom, until when</h2>
<p>No agent gets anything by this alone: each needs a grant, made by you or on your behalf by who asks here, which names what it may do and ends after 90 days at the latest. The connection itself lasts until it is ended.</p>
<p class="soft">Continue only if you yourself asked for this, as ${view.forUser}. If somebody sent you this link, choose “No, go back”.</p>
<form method="post" action="${link}"><input type="hidden" name="proof" value="${proof}"><button class="main" type="submit" name="continue" value="1">Continue to ${view.provider}</button><button type="submit" name="decline" value="1">No, go back</button></form>`
  return page(title, body)
}
