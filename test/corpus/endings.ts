import { expect } from 'vitest'
import type { Got, ScriptedClient } from './scripted-client.ts'
import { plainAnswer, type Script } from './scripted-upstream.ts'
import { answer, type Case, call, expectGot, expectReached, get, requestsIn, type Stage } from './stage.ts'

const up = { line: 'GET /x HTTP/1.1' }
const chunkedHead = answer('200 OK', ['Transfer-Encoding: chunked'])

/** Bytes that are nothing but bytes: a body that may hold parameters is read whole before any of it goes up. */
const image = `\x89PNG\r\n\x1a\n${'\0'.repeat(49_992)}`

/** Writes, then ends or breaks the connection once the bytes are on their way. */
const writing =
  (bytes: string, end: 'fin' | 'rst'): Script =>
  async connection => {
    await connection.request()
    if (end === 'fin') return connection.fin(bytes)
    await new Promise<void>(resolve => connection.socket.write(bytes, 'latin1', () => resolve()))
    connection.reset()
  }

/** Breaks the connection once the client has what was written. */
const resetAfter =
  (bytes: string, client: () => ScriptedClient | undefined, last: string): Script =>
  async connection => {
    await connection.request()
    connection.write(bytes)
    await client()!.wire.until('what was written', text => (text.includes(last) ? true : undefined))
    connection.reset()
  }

/** An answer that breaks off upstream breaks off here: nobody takes it for whole. */
const cut: readonly Case[] = [
  ...(
    [
      ['before its length is reached', answer('200 OK', ['Content-Length: 10'], 'half')],
      ['in the middle of a chunk', `${chunkedHead}a\r\nhalf`],
      ['between two chunks', `${chunkedHead}4\r\nhalf\r\n`],
      ['in the size of a chunk', `${chunkedHead}4\r\nhalf\r\n1`],
      ['before the empty line after the last chunk', `${chunkedHead}4\r\nhalf\r\n0\r\n`],
      ['in its trailers', `${chunkedHead}4\r\nhalf\r\n0\r\nX-Sum: 1\r\n`],
    ] as const
  ).flatMap(([where, bytes]) =>
    (['fin', 'rst'] as const).map(end => ({
      name: `an answer that ends by ${end === 'fin' ? 'FIN' : 'RST'} ${where} breaks off`,
      answers: writing(bytes, end),
      record: ['unknown'] as const,
      async play(stage: Stage) {
        const client = await stage.writing(get('/x'))
        // Broken before its head went out it is an error of ours, which is as good.
        const got = await endOf(client)
        expect(got === 'broken' || got.status === 502).toBe(true)
        expectReached(stage, stage.upstream.text, up)
      },
    })),
  ),
  ...(['HTTP/1.1', 'HTTP/1.0'] as const).map(version => ({
    name: `an answer without a length that ends by RST breaks off, to a client of ${version} too`,
    record: ['unknown'] as const,
    async play(stage: Stage) {
      let client: ScriptedClient | undefined
      stage.upstream.play(resetAfter(answer('200 OK', [], 'half'), () => client, 'half'))
      client = await stage.client()
      client.write(stage.fill(get('/x').replace('HTTP/1.1', version)))
      expect(await client.brokeOff()).toBe(true)
      expect(await client.end()).toBe('rst')
    },
  })),
  {
    name: 'an answer with Connection: close that ends by RST in a chunk breaks off',
    record: ['unknown'],
    async play(stage) {
      let client: ScriptedClient | undefined
      const bytes = answer('200 OK', ['Transfer-Encoding: chunked', 'Connection: close'], '4\r\nhalf\r\n')
      stage.upstream.play(resetAfter(bytes, () => client, 'half'))
      client = await stage.client()
      client.write(stage.fill(get('/x')))
      expect(await client.brokeOff()).toBe(true)
      expect(await client.end()).toBe('rst')
    },
  },
  {
    name: 'a chunk whose size is no number breaks the answer off',
    record: ['unknown'],
    async play(stage) {
      stage.upstream.play(writing(`${chunkedHead}4\r\nhalf\r\nzz\r\n`, 'fin'))
      const client = await stage.writing(get('/x'))
      expect(await endOf(client)).toBe('broken')
    },
  },
]

/** Nothing of an answer came. Whether the provider acted on the request is not known, and no request is sent twice. */
const unanswered: readonly Case[] = (['GET', 'POST'] as const).flatMap(method =>
  (
    [
      ['by FIN before an answer', writing('', 'fin')],
      ['by RST before an answer', writing('', 'rst')],
      ['by FIN in the head of an answer', writing('HTTP/1.1 200 OK\r\nContent-', 'fin')],
      ['by RST in the head of an answer', writing('HTTP/1.1 200 OK\r\nContent-', 'rst')],
    ] as const
  ).map(([how, script]) => ({
    name: `${method} to a provider that ends the connection ${how} is 502, and is sent once`,
    sends: call(method, '/x'),
    answers: script,
    reaches: { line: `${method} /x HTTP/1.1` },
    gets: { refused: [502, 'provider_unavailable'] as const },
    record: ['unknown'] as const,
  })),
)

/** A connection kept alive that the provider closes at the very moment at which it is used again. */
const reused: readonly Case[] = [
  ...(['GET', 'POST'] as const).map(method => ({
    name: `${method} on a kept connection that the provider then closes is 502, and is sent once`,
    record: ['ok', 'unknown'] as const,
    async play(stage: Stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(plainAnswer)
        await connection.request()
        connection.fin()
      })
      const client = await stage.writing(get('/first'))
      await expectGot(client, { status: 200, body: 'ok' })
      client.write(stage.fill(call(method, '/second')))
      await expectGot(client, { refused: [502, 'provider_unavailable'] })
      expect(stage.upstream.connections).toHaveLength(1)
      expect(requestsIn(stage.upstream.text).map(({ line }) => line)).toEqual([
        'GET /first HTTP/1.1',
        `${method} /second HTTP/1.1`,
      ])
    },
  })),
  {
    name: 'a kept connection that the provider has half closed is not used again',
    record: ['ok', 'ok'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.fin(plainAnswer)
      })
      const client = await stage.writing(get('/first'))
      await expectGot(client, { status: 200, body: 'ok' })
      await (await stage.upstream.connection()).end()
      client.write(stage.fill(get('/second')))
      await expectGot(client, { status: 200, body: 'ok' })
      expect(stage.upstream.connections.map(({ wire }) => requestsIn(wire.text).length)).toEqual([1, 1])
    },
  },
  {
    name: 'a connection that the provider wants closed is not used again',
    record: ['ok', 'ok'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(answer('200 OK', ['Connection: close', 'Content-Length: 2'], 'ok'))
      })
      const client = await stage.writing(get('/first'))
      await expectGot(client, { status: 200, body: 'ok' })
      client.write(stage.fill(get('/second')))
      await expectGot(client, { status: 200, body: 'ok' })
      expect(stage.upstream.connections).toHaveLength(2)
    },
  },
]

/** What a client does that leaves. */
const left: readonly Case[] = [
  ...(['fin', 'reset'] as const).flatMap((how): readonly Case[] => [
    {
      name: `a client that leaves by ${how} before the answer ends the request upstream`,
      record: ['unknown'],
      async play(stage) {
        stage.upstream.play(connection => connection.request())
        const client = await stage.writing(get('/x'))
        const connection = await stage.upstream.connection()
        await connection.head()
        client[how]()
        await connection.end()
        expect(client.wire.text).toBe('')
      },
    },
    {
      name: `a client that leaves by ${how} in the middle of a download ends it upstream`,
      record: ['unknown'],
      async play(stage) {
        stage.upstream.play(async connection => {
          await connection.request()
          connection.write(`${chunkedHead}4\r\nhalf\r\n`)
        })
        const client = await stage.writing(get('/x'))
        await client.wire.until('the first half', text => (text.includes('half') ? true : undefined))
        client[how]()
        await (await stage.upstream.connection()).end()
        if (how === 'fin') expect(await client.brokeOff()).toBe(true)
      },
    },
    {
      name: `a client that leaves by ${how} in the middle of an upload breaks it off upstream`,
      record: ['unknown'],
      async play(stage) {
        stage.upstream.play(connection => connection.head())
        const client = await stage.writing(
          call('POST', '/x', ['Content-Type: image/png', 'Content-Length: 100000'], image),
        )
        const connection = await stage.upstream.connection()
        await connection.wire.until('the first half', text =>
          text.includes(image.slice(0, 40_000)) ? true : undefined,
        )
        client[how]()
        await connection.end()
        expect(() => requestsIn(connection.wire.text)).toThrow('no whole request')
      },
    },
    {
      name: `a client that leaves by ${how} in the middle of a chunked upload never ends it as if it were whole`,
      record: ['unknown'],
      async play(stage) {
        stage.upstream.play(connection => connection.head())
        const client = await stage.writing(
          call('POST', '/x', ['Content-Type: image/png', 'Transfer-Encoding: chunked'], `c350\r\n${image}\r\n`),
        )
        const connection = await stage.upstream.connection()
        await connection.wire.until('the first half', text => (text.includes(image.slice(0, 9_000)) ? true : undefined))
        client[how]()
        await connection.end()
        expect(() => requestsIn(connection.wire.text)).toThrow('no whole request')
      },
    },
  ]),
  {
    name: 'an old client that half closes in the middle of a download sees it break off',
    record: ['unknown'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(`${chunkedHead}4\r\nhalf\r\n`)
      })
      const client = await stage.writing(get('/x').replace('HTTP/1.1', 'HTTP/1.0'))
      await client.wire.until('the first half', text => (text.includes('half') ? true : undefined))
      client.fin()
      await (await stage.upstream.connection()).end()
      expect(await client.end()).toBe('rst')
    },
  },
  {
    name: 'a client whose chunks stop making sense in the middle of an upload breaks it off upstream',
    record: ['unknown'],
    async play(stage) {
      stage.upstream.play(connection => connection.head())
      const client = await stage.writing(
        call('POST', '/x', ['Content-Type: image/png', 'Transfer-Encoding: chunked'], `c350\r\n${image}\r\n`),
      )
      const connection = await stage.upstream.connection()
      await connection.wire.until('the first half', text => (text.includes(image.slice(0, 9_000)) ? true : undefined))
      client.write('zz\r\nGET /smuggled HTTP/1.1\r\n\r\n')
      await connection.end()
      expect(() => requestsIn(connection.wire.text)).toThrow('no whole request')
      expect(connection.wire.text).not.toContain('smuggled')
    },
  },
]

/** How an answer ended: whole, refused before its head, or broken. */
async function endOf(client: ScriptedClient): Promise<Got | 'broken'> {
  return client.answer().catch((error: Error) => {
    if (/broke off/.test(error.message)) return 'broken'
    throw error
  })
}

/** How connections end, and that nobody takes half of something for the whole of it. */
export const endings: readonly Case[] = [...cut, ...unanswered, ...reused, ...left]
