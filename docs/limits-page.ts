import { mostTokens } from '../packages/server/src/edges/http/authenticate.ts'
import { longestBodyMs } from '../packages/server/src/edges/http/body-patience.ts'
import { mostKept as mostPosted } from '../packages/server/src/edges/http/connect/posted-answers.ts'
import { httpLimits } from '../packages/server/src/edges/http/http-limits.ts'
import { longestReadMs, mostProviders } from '../packages/server/src/edges/http/oauth/authorization-server.ts'
import {
  mostEntries as mostFailures,
  mostForAddress,
  mostForClient,
} from '../packages/server/src/edges/http/oauth/failed-attempts.ts'
import { longestBody as longestTokenBody } from '../packages/server/src/edges/http/oauth/token-request.ts'
import { mostTenants as mostTenantsFound } from '../packages/server/src/edges/http/tenant-of-path.ts'
import { egressLimits } from '../packages/server/src/engines/egress/egress-limits.ts'
import { recordQueueBound } from '../packages/server/src/engines/store/record-queue.ts'
import { mostTenants as mostSigners } from '../packages/server/src/flows/agents/open-signers.ts'
import { mostHeldBytes } from '../packages/server/src/flows/broker/attempt.ts'
import { mostEntries as mostFacts } from '../packages/server/src/flows/broker/call-facts.ts'
import { callLimits } from '../packages/server/src/flows/broker/call-room.ts'
import { mostGrants } from '../packages/server/src/flows/broker/first-uses.ts'
import { freeBytes, mostRatio, mostWindowBytes } from '../packages/server/src/flows/broker/inflated-watch.ts'
import { mostEntries as mostLiveSecrets } from '../packages/server/src/flows/broker/live-secrets.ts'
import { mostHeld } from '../packages/server/src/flows/broker/pass-compressed.ts'
import { longestBody as longestRewritten } from '../packages/server/src/flows/broker/pass-rewritten.ts'
import { mostEntries as mostDoubts } from '../packages/server/src/flows/broker/token-doubts.ts'
import { replayableBytes, silenceMs } from '../packages/server/src/flows/broker/upload.ts'
import { mostOnRecord, mostTenants as mostStrangers } from '../packages/server/src/flows/connect/stranger-refusals.ts'
import { mostDocuments } from '../packages/server/src/flows/credentials/provider-of.ts'
import {
  mostConnections as mostRetired,
  mostSecrets,
} from '../packages/server/src/flows/credentials/retired-secrets.ts'
import { exchangeTimeoutMs } from '../packages/server/src/flows/credentials/send-for.ts'

type Row = readonly [what: string, bound: string, beyond: string]

const plain = (value: number) => value.toLocaleString('en-US')
const bytes = (value: number) =>
  value % 1_048_576 === 0 ? `${plain(value / 1_048_576)} MiB` : `${plain(value / 1_024)} KiB`
const time = (ms: number) => (ms >= 120_000 ? `${plain(ms / 60_000)} min` : `${plain(ms / 1_000)} s`)

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row) => `| ${cells.join(' | ')} |`
  return [line(head), '| --- | --- | --- |', ...rows.map(line)].join('\n')
}

const refused = '503 `unavailable`, `Retry-After`'
const tooLarge = '413 `payload_too_large`'
const oldest = 'the oldest is read again when it is needed'

/** Every bound of a server process, from the constants that keep it. */
export function limitsPage(): string {
  return `# Limits

One process refuses before its memory grows. Every queue, cache and wait has a bound, and what lies beyond one gets an answer at once:
503 \`unavailable\` with \`Retry-After\` where waiting helps. A call that is refused for want of room is not sent to the provider; only a
catalogued read may have gone out beside its record, and its answer is then thrown away.

This page is made from the code by \`npm run docs\`. None of these is a setting: more load than this belongs on a further node.

## What comes in

${table(
  ['what', 'bound', 'beyond it'],
  [
    [
      'open connections',
      plain(httpLimits.connections),
      'closed at once; the log says so. An idle one costs less than 15 KiB, with TLS about 60 KiB',
    ],
    ['requests being served', plain(httpLimits.requestsInFlight), refused],
    ['of these, other than brokered calls', plain(httpLimits.otherRequestsInFlight), refused],
    ['requests at once on one connection (pipelining)', plain(httpLimits.requestsPerConnection), refused],
    ['headers of a request', `${bytes(httpLimits.headerBytes)}, ${plain(httpLimits.headers)} fields`, tooLarge],
    ['time for the headers', time(httpLimits.headersMs), '400 `validation_failed`, connection closed'],
    ['time for a TLS handshake', time(httpLimits.tlsHandshakeMs), 'connection closed'],
    ['body of an API request', `1 MiB within ${time(longestBodyMs)}`, `${tooLarge}; too slow: connection closed`],
    [
      'body of a token request',
      `${bytes(longestTokenBody)} within ${time(longestReadMs)}`,
      '413 `invalid_request`; too slow: connection closed',
    ],
    ['silence of an agent that uploads', time(silenceMs), '400 `validation_failed`'],
    ['from the headers to the first byte of the answer', time(httpLimits.answerMs), 'connection closed'],
    ['no byte in either direction during a request', time(httpLimits.silentMs), 'connection closed'],
    ['idle connection', time(httpLimits.keepAliveMs), 'closed'],
    [
      'failed client authentications in a minute',
      `${mostForClient} for a client and address, ${mostForAddress} for an address`,
      '429, `Retry-After`',
    ],
    [
      'refused callbacks of strangers on the record',
      `${mostOnRecord} a minute and tenant`,
      'counted; the next one on the record has the number',
    ],
  ],
)}

An answer that has begun may last as long as bytes move: long polls and event streams have no total limit of ours. They end with their grant, task or connection.

## Brokered calls

${table(
  ['what', 'bound', 'beyond it'],
  [
    ['calls in progress', plain(callLimits.calls), refused],
    ['of these, of one agent', plain(callLimits.callsPerAgent), refused],
    [
      'calls under way to one origin of one tenant',
      plain(egressLimits.callsPerOrigin),
      'they wait; the connections take turns',
    ],
    [
      'of these, of one connection',
      plain(egressLimits.callsPerConnectionAndOrigin),
      'they wait in a line of their own',
    ],
    [
      'connections to an origin kept for our own requests (renewal)',
      plain(egressLimits.ownPerOrigin),
      `they wait, ${time(exchangeTimeoutMs)} in all`,
    ],
    [
      'calls that wait for one origin',
      `${plain(egressLimits.waitingPerOrigin)}, of one connection ${plain(egressLimits.waitingPerConnectionAndOrigin)}`,
      refused,
    ],
    ['wait for an origin', time(egressLimits.waitMs), '504 `provider_timeout`, nothing sent'],
    ['connecting', time(egressLimits.connectMs), '504 `provider_timeout`, nothing sent'],
    ['head of the answer, from the sent request', time(egressLimits.headersMs), '504 `provider_timeout`'],
    ['silence inside an answer', time(egressLimits.bodySilenceMs), 'the connection is reset'],
    ['headers of an answer', bytes(egressLimits.answerHeaderBytes), '502 `provider_answer_refused`'],
    ['body kept to be sent a second time', bytes(replayableBytes), '503 `retry_body` if it was needed'],
    ['body that is read whole (JSON, forms, multipart)', bytes(replayableBytes), tooLarge],
    [
      'bodies held at once, of requests and of answers whose links are rewritten',
      `${bytes(callLimits.bodyBytes)}, of one agent ${bytes(callLimits.bodyBytesPerAgent)}`,
      `${refused}; a body on its way goes on and cannot be sent twice, an answer passes with its links as they are and a warning`,
    ],
    ['answer held until its record is durable', bytes(mostHeldBytes), 'the provider waits'],
    ['answer whose links are rewritten', bytes(longestRewritten), 'it passes with its links as they are and a warning'],
    [
      'what a compressed answer inflates to',
      `${bytes(freeBytes)}, past that ${mostRatio} times what came`,
      '502 `provider_answer_refused`; after the first byte the connection is reset',
    ],
    ['memory of the inflaters of compressed answers', bytes(mostWindowBytes), refused],
    [
      'compressed bytes held for a possible beginning of a secret',
      bytes(mostHeld),
      '502 `provider_answer_refused`; after the first byte the connection is reset',
    ],
    ['events that wait for the audit log', `${plain(recordQueueBound)}, and as many outcomes`, refused],
    [
      'idle connection pools',
      `${plain(egressLimits.pools)}, each ${time(egressLimits.poolIdleMs)}`,
      'the longest idle is closed',
    ],
  ],
)}

## What is remembered

${table(
  ['what', 'entries', 'beyond them'],
  [
    ['verified tokens', plain(mostTokens), oldest],
    ['facts of a decision (caller and connection)', plain(mostFacts), oldest],
    ['opened credentials', plain(mostLiveSecrets), oldest],
    [
      'retired secrets that are still masked',
      `${plain(mostRetired)} connections, ${mostSecrets} each`,
      'the oldest are masked no more',
    ],
    ['credentials in doubt after a 401', plain(mostDoubts), 'the oldest may be renewed once more'],
    ['grants whose first use was seen', plain(mostGrants), 'the oldest may be recorded as first used twice'],
    ['discovery documents', plain(mostDocuments), oldest],
    ['signing keys', `${plain(mostSigners)} tenants`, oldest],
    ['authorization servers', `${plain(mostProviders)} tenants`, 'made anew'],
    ['tenants by name', plain(mostTenantsFound), oldest],
    ['allow-lists for egress', `${plain(egressLimits.tenants)} tenants`, oldest],
    ['failed authentications', plain(mostFailures), 'the oldest is forgotten'],
    ['windows of strangers’ refusals', `${plain(mostStrangers)} tenants`, 'the oldest is forgotten'],
    ['callbacks by form_post', `${plain(mostPosted)} of 16 KiB`, 'the oldest flow is begun again'],
  ],
)}

Everything else that is held belongs to a request or a call in progress and ends with it.

## The machine

A process needs an open file for every connection on both sides. Where \`ulimit -n\` allows less than is needed, 70 % of it go to agents'
connections and the log says so at the start: raise it for many agents (systemd: \`LimitNOFILE=\`).
`
}
