import { expect } from 'vitest'
import { plainAnswer, type Script } from './scripted-upstream.ts'
import { answer, type Case, call, expectGot, get, requestsIn, type Stage } from './stage.ts'

const up = { line: 'GET /x HTTP/1.1' }
const head = call('HEAD', '/x')
const upHead = { line: 'HEAD /x HTTP/1.1' }

/** Reads a request and answers it in several writes, so that they come in packets of their own. */
const inPieces =
  (...pieces: readonly string[]): Script =>
  async connection => {
    await connection.request()
    for (const piece of pieces)
      await new Promise<void>(resolve => connection.socket.write(piece, 'latin1', () => setImmediate(resolve)))
  }

const once = (bytes: string): Script => inPieces(bytes)

const thenFin =
  (bytes: string): Script =>
  async connection => {
    await connection.request()
    connection.fin(bytes)
  }

const passed: readonly Case[] = [
  {
    name: 'an answer comes with its headers in their order and spelling, repeated ones too',
    answers: answer('201 Made', ['X-B: 2', 'x-a: 1', 'X-B: 3', 'Content-Length: 2'], 'ok'),
    reaches: up,
    gets: { status: 201, headers: ['X-B: 2', 'x-a: 1', 'X-B: 3'], body: 'ok' },
    record: ['ok'],
  },
  {
    name: 'an answer in single bytes is the same answer',
    answers: inPieces(
      ...answer('200 OK', ['X-A: 1', 'Transfer-Encoding: chunked'], '2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n'),
    ),
    reaches: up,
    gets: { status: 200, headers: ['X-A: 1'], body: 'ok', trailers: ['X-Sum: 1'] },
    record: ['ok'],
  },
  {
    name: 'headers that belong to the connection upstream, and those that it names, end here',
    answers: answer(
      '200 OK',
      [
        'Connection: keep-alive, X-Hop',
        'X-Hop: 1',
        'Keep-Alive: timeout=9',
        'Proxy-Authenticate: Basic',
        'Trailer: X-Sum',
        'Upgrade: h2c',
        'X-A: 1',
        'Content-Length: 2',
      ],
      'ok',
    ),
    reaches: up,
    gets: { status: 200, headers: ['X-A: 1'], body: 'ok' },
    record: ['ok'],
  },
  {
    name: 'cookies end here, however many and however spelt',
    answers: answer('200 OK', ['Set-Cookie: a=b', 'SET-COOKIE: c=d', 'Set-Cookie2: e=f', 'Content-Length: 2'], 'ok'),
    reaches: up,
    record: ['ok'],
  },
  {
    name: 'no redirect is followed, and no place outside is named to the agent, however often it stands there (row 23)',
    answers: answer('302 Found', [
      'Location: https://evil.example/a',
      'Location: https://evil.example/b',
      'Content-Length: 0',
    ]),
    reaches: up,
    gets: { status: 302, headers: ['valetkey-link-removed: location'] },
    record: ['ok'],
  },
  {
    name: 'an answer without a length ends with its connection',
    answers: thenFin(answer('200 OK', ['X-A: 1'], 'all of it')),
    reaches: up,
    gets: { status: 200, headers: ['X-A: 1'], body: 'all of it' },
    record: ['ok'],
  },
  {
    name: 'an answer of HTTP/1.0 is passed on as HTTP/1.1',
    answers: thenFin(answer('200 OK', [], 'old').replace('HTTP/1.1', 'HTTP/1.0')),
    reaches: up,
    gets: { status: 200, body: 'old' },
    record: ['ok'],
  },
  {
    name: 'chunks come with their trailers, without those that frame or belong to the connection',
    answers: answer(
      '200 OK',
      ['Transfer-Encoding: chunked', 'Trailer: X-Sum'],
      '3;a=b\r\none\r\n2\r\n, \r\n3\r\ntwo\r\n0\r\nX-Sum: 1\r\nKeep-Alive: timeout=9\r\nSet-Cookie: a=b\r\nContent-Type: text/html\r\nX-Other: 2\r\n\r\n',
    ),
    reaches: up,
    gets: { status: 200, body: 'one, two', trailers: ['X-Sum: 1', 'X-Other: 2'] },
    record: ['ok'],
  },
  {
    name: 'the secret is masked in headers, body and trailers, also where packets part it (P1)',
    answers: async connection => {
      await connection.request()
      const secret = connection.credential
      const half = secret.slice(0, 9)
      const write = (text: string) =>
        new Promise<void>(resolve => connection.socket.write(text, () => setImmediate(resolve)))
      await write(answer('200 OK', [`X-Echo: ${secret}`, 'Transfer-Encoding: chunked']))
      await write(`${(half.length + 1).toString(16)}\r\n<${half}\r\n`)
      await write(`${(secret.length - 8).toString(16)}\r\n${secret.slice(9)}>\r\n`)
      await write(`0\r\nX-Echo: a${secret}b\r\n\r\n`)
    },
    record: ['ok'],
    async play(stage) {
      const client = await stage.writing(get('/x'))
      const got = await client.answer()
      const { credential } = stage.upstream.connections[0]!
      expect(credential.length).toBeGreaterThan(20)
      const masked = '*'.repeat(credential.length)
      expect(got.body).toBe(`<${masked}>`)
      expect(got.headers.find(([name]) => name === 'X-Echo')?.[1]).toBe(masked)
      expect(got.trailers).toEqual([`X-Echo: a${masked}b`])
      expect(client.wire.text).not.toContain(credential)
    },
  },
  {
    name: 'more than a thousand headers of an answer pass, as long as they have 64 KiB at most',
    answers: answer('200 OK', [...Array.from({ length: 1_200 }, (_, i) => `X-${i}: ${i}`), 'Content-Length: 2'], 'ok'),
    reaches: up,
    gets: { status: 200, headers: Array.from({ length: 1_200 }, (_, i) => `X-${i}: ${i}`), body: 'ok' },
    record: ['ok'],
  },
  {
    name: 'early hints and processing of the provider end here',
    answers: answer('103 Early Hints', ['Link: </x>; rel=preload']) + answer('102 Processing', []) + plainAnswer,
    reaches: up,
    record: ['ok'],
  },
  {
    name: 'a status that nobody knows passes',
    answers: answer('599 What', ['Content-Length: 2'], 'ok'),
    reaches: up,
    gets: { status: 599, body: 'ok' },
    record: ['error'],
  },
  {
    name: 'an answer without a reason phrase passes',
    answers: 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok',
    reaches: up,
    record: ['ok'],
  },
]

/** Answers that have no body by rule (RFC 9112 section 6.3), whatever they say. */
const bodiless: readonly Case[] = [
  {
    name: 'an answer to HEAD keeps the length that a body would have',
    sends: head,
    answers: answer('200 OK', ['Content-Length: 1234']),
    reaches: upHead,
    gets: { status: 200 },
    record: ['ok'],
  },
  {
    name: 'an answer to HEAD that is chunked has no chunks',
    sends: head,
    answers: answer('200 OK', ['Transfer-Encoding: chunked']),
    reaches: upHead,
    gets: { status: 200 },
    record: ['ok'],
  },
  {
    name: 'an answer to HEAD with a body has none here',
    sends: head,
    answers: answer('200 OK', ['Content-Length: 4'], 'body'),
    reaches: upHead,
    gets: { status: 200 },
    record: ['ok'],
  },
  {
    name: 'an answer to HEAD in an encoding passes, for there is nothing to scan',
    sends: head,
    answers: answer('200 OK', ['Content-Encoding: zstd', 'Content-Length: 4']),
    reaches: upHead,
    gets: { status: 200, headers: ['Content-Encoding: zstd'] },
    record: ['ok'],
  },
  ...(['204 No Content', '304 Not Modified'] as const).flatMap(status => [
    {
      name: `${status} has no body`,
      answers: answer(status, ['ETag: "a"']),
      reaches: up,
      gets: { status: Number(status.slice(0, 3)), headers: ['ETag: "a"'] },
      record: ['ok'] as const,
    },
    {
      name: `${status} with a length and a body has none here`,
      answers: answer(status, ['Content-Length: 4'], 'body'),
      reaches: up,
      gets: { status: Number(status.slice(0, 3)) },
      record: ['ok'] as const,
    },
    {
      name: `${status} with chunks has none here`,
      answers: answer(status, ['Transfer-Encoding: chunked'], '4\r\nbody\r\n0\r\n\r\n'),
      reaches: up,
      gets: { status: Number(status.slice(0, 3)) },
      record: ['ok'] as const,
    },
  ]),
]

/** Answers that two readers could understand differently, or that are no HTTP/1.1: nothing of them is passed on. */
const refused: readonly Case[] = (
  [
    ['two different lengths', answer('200 OK', ['Content-Length: 2', 'Content-Length: 3'], 'ok!'), 'unknown'],
    ['two equal lengths', answer('200 OK', ['Content-Length: 2', 'Content-Length: 2'], 'ok'), 'unknown'],
    [
      'a length and chunks',
      answer('200 OK', ['Content-Length: 2', 'Transfer-Encoding: chunked'], '2\r\nok\r\n0\r\n\r\n'),
      'unknown',
    ],
    ['a negative length', answer('200 OK', ['Content-Length: -2'], 'ok'), 'unknown'],
    ['a length that is no number', answer('200 OK', ['Content-Length: two'], 'ok'), 'unknown'],
    ['a length beyond 64 bits', answer('200 OK', ['Content-Length: 99999999999999999999'], 'ok'), 'unknown'],
    ['a folded header', answer('200 OK', ['X-A: 1', ' 2', 'Content-Length: 2'], 'ok'), 'unknown'],
    ['a space before a colon', answer('200 OK', ['X-A : 1', 'Content-Length: 2'], 'ok'), 'unknown'],
    ['a null byte in a header', answer('200 OK', ['X-A: 1\x002', 'Content-Length: 2'], 'ok'), 'unknown'],
    [
      'a bare carriage return in a header',
      answer('200 OK', ['X-A: 1\rSet-Cookie: a=b', 'Content-Length: 2'], 'ok'),
      'unknown',
    ],
    ['a header without a colon', answer('200 OK', ['X-A', 'Content-Length: 2'], 'ok'), 'unknown'],
    ['bare line feeds', answer('200 OK', ['Content-Length: 2'], 'ok').replaceAll('\r\n', '\n'), 'unknown'],
    ['a status of two digits', answer('20 OK', ['Content-Length: 2'], 'ok'), 'unknown'],
    ['a status of four digits', answer('2000 OK', ['Content-Length: 2'], 'ok'), 'unknown'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', 'unknown'],
    ['HTTP/0.9', '<html>ok</html>', 'unknown'],
    [
      'headers of more than 64 KiB',
      answer('200 OK', [`X-A: ${'a'.repeat(70_000)}`, 'Content-Length: 2'], 'ok'),
      'unknown',
    ],
    [
      'gzip although it was not asked for',
      answer('200 OK', ['Content-Encoding: gzip', 'Content-Length: 2'], '\x1f\x8b'),
      'error',
    ],
    ['an unknown encoding', answer('200 OK', ['Content-Encoding: zstd', 'Content-Length: 2'], 'ok'), 'error'],
    ['a list of encodings', answer('200 OK', ['Content-Encoding: identity, gzip', 'Content-Length: 2'], 'ok'), 'error'],
    [
      'an encoding for the transfer',
      answer('200 OK', ['Transfer-Encoding: gzip, chunked'], '2\r\nok\r\n0\r\n\r\n'),
      'error',
    ],
  ] as const
).map(([what, bytes, record]) => ({
  name: `an answer with ${what} is refused`,
  answers: bytes,
  reaches: up,
  gets: { refused: [502, 'provider_answer_refused'] as const },
  record: [record],
}))

const switching: readonly Case[] = [
  {
    name: 'a switch of protocols that nobody asked for is no answer',
    answers: answer('101 Switching Protocols', ['Connection: Upgrade', 'Upgrade: websocket'], '\x81\x02hi'),
    reaches: up,
    gets: { refused: [502, 'provider_unavailable'] },
    record: ['unknown'],
  },
  {
    name: 'informational answers without end are no answer',
    answers: async connection => {
      await connection.request()
      connection.write(answer('103 Early Hints', ['X-A: 1']).repeat(1_200))
    },
    reaches: up,
    gets: { refused: [502, 'provider_answer_refused'] },
    record: ['unknown'],
  },
  {
    name: 'a status below 100 is no answer',
    answers: answer('099 Hm', ['Content-Length: 2'], 'ok'),
    reaches: up,
    gets: { refused: [502, 'provider_unavailable'] },
    record: ['unknown'],
  },
  {
    name: 'a 100 that nobody asked for, in a packet of its own, is passed over for an upload too',
    sends: call('POST', '/x', ['Content-Type: text/plain', 'Content-Length: 5'], 'hello'),
    answers: inPieces(answer('100 Continue', ['X-A: 1']), answer('100 Continue', []), plainAnswer),
    reaches: { line: 'POST /x HTTP/1.1', headers: ['content-type: text/plain'], body: 'hello' },
    record: ['ok'],
  },
  {
    name: 'a body that begins like a 100 is a body',
    answers: inPieces(answer('200 OK', ['Content-Length: 25']), 'HTTP/1.1 100 Continue\r\n\r\n'),
    reaches: up,
    gets: { status: 200, body: 'HTTP/1.1 100 Continue\r\n\r\n' },
    record: ['ok'],
  },
  {
    name: 'a 100 that nobody asked for is passed over (RFC 9110 section 15.2)',
    answers: answer('100 Continue', []) + plainAnswer,
    reaches: up,
    record: ['ok'],
  },
]

/** What comes on a connection after an answer belongs to nobody. */
const poisoned: readonly Case[] = [
  ...(
    [
      ['in the same packet', plainAnswer + answer('200 OK', ['Content-Length: 4'], 'evil')],
      [
        'after a length that is too short',
        answer('200 OK', ['Content-Length: 2'], `ok${answer('200 OK', ['Content-Length: 4'], 'evil')}`),
      ],
      [
        'after the last chunk',
        answer(
          '200 OK',
          ['Transfer-Encoding: chunked'],
          `2\r\nok\r\n0\r\n\r\n${answer('200 OK', ['Content-Length: 4'], 'evil')}`,
        ),
      ],
      [
        'instead of the body of 204',
        answer('204 No Content', ['Content-Length: 40'], answer('200 OK', ['Content-Length: 4'], 'evil')),
      ],
      ['instead of the body of 304', answer('304 Not Modified', [], answer('200 OK', ['Content-Length: 4'], 'evil'))],
    ] as const
  ).map(([what, bytes]) => ({
    name: `an answer to a request that nobody made, ${what}, answers no other one`,
    answers: once(bytes),
    record: ['ok', 'ok'] as const,
    async play(stage: Stage) {
      const client = await stage.writing(get('/first'))
      const first = await client.answer()
      expect(['ok', '']).toContain(first.body)
      stage.upstream.play(once(plainAnswer))
      client.write(stage.fill(get('/second')))
      await expectGot(client, { status: 200, body: 'ok' })
      expect(stage.upstream.connections).toHaveLength(2)
      expect(requestsIn(stage.upstream.connections[0]!.wire.text)).toHaveLength(1)
    },
  })),
  {
    name: 'an answer that comes on an idle connection closes it and answers nobody',
    answers: plainAnswer,
    record: ['ok', 'ok'],
    async play(stage) {
      const client = await stage.writing(get('/first'))
      await expectGot(client, { status: 200, body: 'ok' })
      const connection = await stage.upstream.connection()
      connection.write(answer('200 OK', ['Content-Length: 4'], 'evil'))
      await connection.end()
      client.write(stage.fill(get('/second')))
      await expectGot(client, { status: 200, body: 'ok' })
      expect(stage.upstream.connections).toHaveLength(2)
    },
  },
]

/** What a provider answers. */
export const answers: readonly Case[] = [...passed, ...bodiless, ...refused, ...switching, ...poisoned]
