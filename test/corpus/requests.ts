import { plainAnswer } from './scripted-upstream.ts'
import { type Case, call, get } from './stage.ts'

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
const chunkedHello = '5\r\nhello\r\n0\r\n\r\n'
const malformed = { gets: { refused: [400, 'validation_failed'] }, ending: 'fin', record: [] } as const

/** A request that is framed in a way that two readers could understand differently: never sent on. */
const refusedFraming: readonly Case[] = (
  [
    ['a length and then chunked', ['Content-Length: 5', 'Transfer-Encoding: chunked'], chunkedHello],
    ['chunked and then a length', ['Transfer-Encoding: chunked', 'Content-Length: 5'], chunkedHello],
    ['two equal lengths', ['Content-Length: 5', 'Content-Length: 5'], 'hello'],
    ['two different lengths', ['Content-Length: 5', 'Content-Length: 6'], 'hello!'],
    ['two lengths in one line', ['Content-Length: 5, 5'], 'hello'],
    ['chunked twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], chunkedHello],
    ['chunked twice in one line', ['Transfer-Encoding: chunked, chunked'], chunkedHello],
    ['chunked before another coding', ['Transfer-Encoding: chunked, identity'], chunkedHello],
    ['a coding alone that is not chunked', ['Transfer-Encoding: gzip'], ''],
    ['a coding that looks like chunked', ['Transfer-Encoding: xchunked'], chunkedHello],
    ['chunked in quotes', ['Transfer-Encoding: "chunked"'], chunkedHello],
    ['chunked with a vertical tab', ['Transfer-Encoding: \x0bchunked'], chunkedHello],
    ['a coding that is folded', ['Transfer-Encoding:', ' chunked'], chunkedHello],
    ['a space before the colon of the coding', ['Transfer-Encoding : chunked'], chunkedHello],
    ['a tab before the colon of the length', ['Content-Length\t: 5'], 'hello'],
    ['a plus before the length', ['Content-Length: +5'], 'hello'],
    ['a negative length', ['Content-Length: -5'], 'hello'],
    ['a length in hexadecimal', ['Content-Length: 0x5'], 'hello'],
    ['a length with a fraction', ['Content-Length: 5.0'], 'hello'],
    ['an empty length', ['Content-Length: '], ''],
    ['a length beyond 64 bits', ['Content-Length: 99999999999999999999999'], 'hello'],
    ['a header without a name', [': x'], ''],
    ['a header without a colon', ['Content-Length 5'], ''],
    ['a folded header', ['Accept: text/plain,', ' text/html'], ''],
    ['a null byte in a header', ['Accept: a\0b'], ''],
    ['a null byte in the name of a header', ['Acc\0ept: a'], ''],
    ['a bare carriage return in a header', ['Accept: a\rContent-Length: 5'], ''],
  ] as const
).map(([what, lines, body]) => ({
  name: `a request with ${what} is refused, and what follows it is no request`,
  sends: call('POST', '/x', lines, body + smuggled),
  ...malformed,
}))

const refusedChunks: readonly Case[] = (
  [
    ['a size that is no number', 'zz\r\nhello\r\n0\r\n\r\n'],
    ['a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
    ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['a size beyond 64 bits', 'ffffffffffffffff1\r\nhello\r\n0\r\n\r\n'],
    ['a space before its size', ' 5\r\nhello\r\n0\r\n\r\n'],
    ['a bare line feed after its size', '5\nhello\r\n0\r\n\r\n'],
    ['more bytes than its size says', '5\r\nhello!!\r\n0\r\n\r\n'],
    ['a bare line feed in its extension', `5;a=b\nhello\r\n0\r\n\r\n`],
  ] as const
).map(([what, body]) => ({
  name: `a chunk with ${what} ends the request`,
  sends: call('POST', '/x', ['Transfer-Encoding: chunked', 'Content-Type: application/json'], body + smuggled),
  ...malformed,
}))

const taken: readonly Case[] = [
  {
    name: 'a plain read goes up with the headers that are let through, and comes back',
    sends: get('/x?a=b&a=c', 'Accept: text/plain', 'X-Unknown: 1', 'Cookie: a=b'),
    answers: plainAnswer,
    reaches: { line: 'GET /x?a=b&a=c HTTP/1.1', headers: ['accept: text/plain'] },
    record: ['ok'],
  },
  {
    name: 'leading zeros of a length do not go up',
    sends: call('POST', '/x', ['Content-Length: 0005', 'Content-Type: text/plain'], 'hello'),
    answers: plainAnswer,
    reaches: { line: 'POST /x HTTP/1.1', headers: ['content-type: text/plain'], body: 'hello' },
    record: ['ok'],
  },
  {
    name: 'a transfer coding in another case and after a tab is chunked, and framed anew',
    sends: call('POST', '/x', ['Transfer-Encoding:\tChUnKeD', 'Content-Type: text/plain'], chunkedHello),
    answers: plainAnswer,
    reaches: { line: 'POST /x HTTP/1.1', headers: ['content-type: text/plain'], body: 'hello' },
    record: ['ok'],
  },
  {
    name: 'extensions and trailers of a chunked request end here',
    sends: call(
      'POST',
      '/x',
      ['Transfer-Encoding: chunked', 'Trailer: X-Sum', 'Content-Type: text/plain'],
      '5;name="ab"\r\nhello\r\n0;last\r\nX-Sum: 1\r\nAuthorization: Bearer y\r\n\r\n',
    ),
    answers: plainAnswer,
    reaches: { line: 'POST /x HTTP/1.1', headers: ['content-type: text/plain'], body: 'hello' },
    record: ['ok'],
  },
  {
    name: 'a name that only resembles Transfer-Encoding frames nothing and stays here',
    sends: call('POST', '/x', ['Content-Length: 5', 'Transfer_Encoding: chunked', 'Content-Type: text/plain'], 'hello'),
    answers: plainAnswer,
    reaches: { line: 'POST /x HTTP/1.1', headers: ['content-type: text/plain'], body: 'hello' },
    record: ['ok'],
  },
  {
    name: 'headers that Connection names stay here, in any case and with odd commas',
    sends: get(
      '/x',
      'Connection: keep-alive,, ACCEPT , x-own',
      'Accept: text/plain',
      'X-Own: 1',
      'Prefer: a',
      'Keep-Alive: 9',
      'Proxy-Connection: close',
      'TE: trailers',
    ),
    answers: plainAnswer,
    reaches: { line: 'GET /x HTTP/1.1', headers: ['prefer: a'] },
    record: ['ok'],
  },
  {
    name: 'a Host that names another place names nothing',
    sends: get('/x').replace('Host: v', 'Host: evil.example:1'),
    answers: plainAnswer,
    reaches: { line: 'GET /x HTTP/1.1' },
    record: ['ok'],
  },
  {
    name: 'an empty line before a request is passed over (RFC 9112 section 2.2)',
    sends: `\r\n${get('/x')}`,
    answers: plainAnswer,
    reaches: { line: 'GET /x HTTP/1.1' },
    record: ['ok'],
  },
  {
    name: 'bytes beyond ASCII in a header go up as they are',
    sends: get('/x', 'Prefer: caf\xe9'),
    answers: plainAnswer,
    reaches: { line: 'GET /x HTTP/1.1', headers: ['prefer: caf\xe9'] },
    record: ['ok'],
  },
  {
    name: 'HTTP/1.0 is answered and its connection ended',
    sends: get('/x').replace('HTTP/1.1', 'HTTP/1.0'),
    answers: plainAnswer,
    reaches: { line: 'GET /x HTTP/1.1' },
    ending: 'fin',
    record: ['ok'],
  },
  {
    name: 'HTTP/1.0 gets a chunked answer without chunks',
    sends: get('/x').replace('HTTP/1.1', 'HTTP/1.0'),
    answers: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
    reaches: { line: 'GET /x HTTP/1.1' },
    ending: 'fin',
    record: ['ok'],
  },
]

const aimed: readonly Case[] = [
  {
    name: 'an absolute-form target is no way to another host',
    sends: get('/x').replace('GET {proxy}', 'GET http://evil.example{proxy}'),
    gets: { refused: [404, 'not_found'] },
    record: [],
  },
  {
    name: 'an authority before the path is no connection',
    sends: get('/x').replace('GET {proxy}', 'GET //evil.example{proxy}'),
    gets: { refused: [404, 'not_found'] },
    record: [],
  },
  {
    name: 'user information after the connection is no host',
    sends: get('@evil.example/x'),
    gets: { refused: [404, 'not_found'] },
    record: ['denied'],
  },
  {
    name: 'a host after the tilde that is not the entry’s is refused',
    sends: get('/~evil.example/x'),
    gets: { refused: [403, 'host_not_allowed'] },
    record: ['denied'],
  },
  {
    name: 'a port after the host of the entry makes it another host',
    sends: get('/~api.example:81/x'),
    gets: { refused: [403, 'host_not_allowed'] },
    record: ['denied'],
  },
  {
    name: 'an encoded line break in the path is refused',
    sends: get('/x%0d%0aHost:%20evil.example'),
    gets: { refused: [400, 'validation_failed'] },
    record: ['denied'],
  },
  {
    name: 'a fragment in the target is refused',
    sends: get('/x#y'),
    gets: { refused: [400, 'validation_failed'] },
    record: ['denied'],
  },
  { name: 'a space in the target is refused', sends: get('/x y'), ...malformed },
  { name: 'a null byte in the target is refused', sends: get('/x\0y'), ...malformed },
  {
    name: 'a request without Host is refused',
    sends: get('/x').replace('Host: v\r\n', ''),
    gets: { bare: 400 },
    ending: 'fin',
    record: [],
  },
  {
    name: 'a request with two Hosts is refused',
    sends: get('/x', 'Host: w'),
    gets: { refused: [400, 'validation_failed'] },
    record: ['denied'],
  },
  {
    name: 'more than a thousand headers are refused, and hide no body after them',
    sends: call(
      'POST',
      '/x',
      [...Array.from({ length: 1_200 }, () => 'a: 1'), 'Transfer-Encoding: chunked'],
      chunkedHello + smuggled,
    ),
    gets: { refused: [413, 'payload_too_large'] },
    ending: 'fin',
    record: [],
  },
  { name: 'lines that end in a bare line feed are refused', sends: get('/x').replaceAll('\r\n', '\n'), ...malformed },
  { name: 'HTTP/2 by prior knowledge is refused', sends: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', ...malformed },
  { name: 'an unknown version is refused', sends: get('/x').replace('HTTP/1.1', 'HTTP/1.2'), ...malformed },
  { name: 'a request without a version is refused', sends: get('/x').replace(' HTTP/1.1', ''), ...malformed },
  {
    name: 'TRACE is refused',
    sends: call('TRACE', '/x'),
    gets: { refused: [405, 'method_not_allowed'] },
    record: ['denied'],
  },
  {
    name: 'CONNECT is refused',
    sends: call('CONNECT', '/x').replace('{proxy}/x', 'evil.example:443'),
    gets: { refused: [405, 'method_not_allowed'] },
    ending: 'fin',
    record: [],
  },
  {
    name: 'an offer to upgrade is refused',
    sends: get('/x', 'Connection: Upgrade', 'Upgrade: websocket'),
    gets: { refused: [501, 'upgrade_not_supported'] },
    record: ['denied'],
  },
  {
    name: 'an offer of HTTP/2 is refused too',
    sends: get('/x', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
    gets: { refused: [501, 'upgrade_not_supported'] },
    record: ['denied'],
  },
  {
    name: 'headers larger than 64 KiB are refused',
    sends: get('/x', `X-Large: ${'a'.repeat(70_000)}`),
    gets: { refused: [413, 'payload_too_large'] },
    ending: 'over',
    record: [],
  },
  {
    name: 'two credentials of the agent are refused',
    sends: get('/x', 'Authorization: Bearer other'),
    gets: { refused: [401, 'unauthorized'] },
    record: [],
  },
]

/** What a client writes: framing, targets, headers. */
export const requests: readonly Case[] = [...refusedFraming, ...refusedChunks, ...taken, ...aimed]
