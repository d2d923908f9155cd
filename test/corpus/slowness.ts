import { expect, vi } from 'vitest'
import { silenceMs } from '../../packages/server/src/flows/broker/upload.ts'
import type { ScriptedClient } from './scripted-client.ts'
import { plainAnswer } from './scripted-upstream.ts'
import { answer, type Case, call, expectGot, get, requestsIn } from './stage.ts'

const png = ['Content-Type: image/png']
const image = `\x89PNG\r\n\x1a\n${'\0'.repeat(49_992)}`
const chunkedHead = answer('200 OK', ['Transfer-Encoding: chunked'])

/** Writes byte after byte until the other side has enough; the number says how many it took. */
function trickle(write: (byte: string) => void, bytes: string, everyMs: number): () => number {
  let count = 0
  const timer = setInterval(() => write(bytes[count++ % bytes.length]!), everyMs)
  return () => {
    clearInterval(timer)
    return count
  }
}

/** With the limits of the listener and of the door out shrunk to a fraction of a second. */
export const slowness: readonly Case[] = [
  {
    name: 'headers that do not come to an end in time are refused, however steadily they come',
    record: [],
    async play(stage) {
      const client = await stage.writing(`GET {proxy}/x HTTP/1.1\r\nHost: v\r\nX-Slow: `)
      const stop = trickle(byte => client.write(byte), 'a', 20)
      await expectGot(client, { refused: [400, 'validation_failed'] })
      await client.end()
      stop()
      expect(stage.upstream.text).toBe('')
    },
  },
  {
    name: 'a connection on which no request begins is closed',
    record: [],
    async play(stage) {
      const client = await stage.client()
      await client.end()
      expect(client.wire.text).not.toContain('HTTP/1.1 2')
    },
  },
  {
    name: 'an upload that falls silent is broken off upstream',
    record: ['unknown'],
    async play(stage) {
      stage.upstream.play(connection => connection.head())
      const client = await stage.writing(call('POST', '/x', [...png, 'Content-Length: 100000'], image))
      const connection = await stage.upstream.connection()
      await connection.wire.until('the first half', text => (text.length > 50_000 ? true : undefined))
      vi.advanceTimersByTime(silenceMs + 1)
      await connection.end()
      expect(() => requestsIn(connection.wire.text)).toThrow('no whole request')
      await expectGot(client, { refused: [400, 'validation_failed'] })
    },
  },
  {
    name: 'an upload that falls silent while it is looked into is refused, and nothing of it goes up',
    record: ['denied'],
    async play(stage) {
      const client = await stage.writing(
        call('POST', '/x', ['Content-Type: application/json', 'Content-Length: 100', 'Expect: 100-continue']),
      )
      await client.wire.until('100', text => (text.includes('100 Continue') ? true : undefined))
      client.write('{"a":')
      vi.advanceTimersByTime(silenceMs + 1)
      await expectGot(client, { refused: [400, 'validation_failed'] })
      expect(stage.upstream.text).toBe('')
    },
  },
  {
    name: 'a provider that does not begin its answer in time is 504, and its connection is closed',
    record: ['unknown'],
    async play(stage) {
      stage.upstream.play(connection => connection.request())
      const client = await stage.writing(get('/x'))
      await expectGot(client, { refused: [504, 'provider_timeout'] })
      await (await stage.upstream.connection()).end()
      expect(requestsIn(stage.upstream.text)).toHaveLength(1)
    },
  },
  {
    name: 'a provider whose headers do not come to an end in time is 504, however steadily they come',
    record: ['unknown'],
    async play(stage) {
      let stop = () => 0
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write('HTTP/1.1 200 OK\r\nX-Slow: ')
        stop = trickle(byte => connection.write(byte), 'a', 20)
      })
      const client = await stage.writing(get('/x'))
      await expectGot(client, { refused: [504, 'provider_timeout'] })
      await (await stage.upstream.connection()).end()
      expect(stop()).toBeGreaterThan(2)
    },
  },
  ...(
    [
      ['with a length', answer('200 OK', ['Content-Length: 10'], 'half')],
      ['in chunks', `${chunkedHead}4\r\nhalf\r\n`],
      ['without a length', answer('200 OK', [], 'half')],
    ] as const
  ).map(
    ([what, bytes]): Case => ({
      name: `an answer ${what} that falls silent breaks off`,
      record: ['unknown'],
      async play(stage) {
        stage.upstream.play(async connection => {
          await connection.request()
          connection.write(bytes)
        })
        const client = await stage.writing(get('/x'))
        expect(await client.brokeOff()).toBe(true)
        expect(client.wire.text).toContain('half')
        await (await stage.upstream.connection()).end()
      },
    }),
  ),
  {
    name: 'an answer that comes slowly but steadily is whole in the end',
    answers: async connection => {
      await connection.request()
      connection.write(answer('200 OK', ['Content-Length: 30']))
      let left = 30
      const timer = setInterval(() => {
        connection.write('a')
        if (--left === 0) clearInterval(timer)
      }, 20)
    },
    reaches: { line: 'GET /x HTTP/1.1' },
    gets: { status: 200, body: 'a'.repeat(30) },
    record: ['ok'],
  },
  {
    name: 'a slow provider slows no other call',
    record: ['ok', 'unknown'],
    async play(stage) {
      stage.upstream.play(async connection => {
        const { line } = await connection.request()
        if (line.includes('/quick')) connection.write(plainAnswer)
      })
      const slow = await stage.writing(get('/slow'))
      await (await stage.upstream.connection()).head()
      const quick = await stage.writing(get('/quick'))
      await expectGot(quick, { status: 200, body: 'ok' })
      expect(slow.wire.text).toBe('')
      await expectGot(slow, { refused: [504, 'provider_timeout'] })
    },
  },
]

const total = 64 * 1024 * 1024
const piece = Buffer.alloc(256 * 1024)
/** Kernel buffers of two loopback connections hold most of this; ours may add a few hundred KiB. */
const mostInBetween = 24 * 1024 * 1024

/** Writes up to `total` bytes as fast as they are taken; the number says how many went to the socket. */
function pour(socket: ScriptedClient['socket'], already = 0): () => number {
  let poured = already
  const more = () => {
    while (poured < total) {
      const next = piece.subarray(0, Math.min(piece.length, total - poured))
      poured += next.length
      if (!socket.write(next)) {
        socket.once('drain', more)
        return
      }
    }
  }
  more()
  return () => poured
}

/** Waits until a number grows no more. */
async function settled(count: () => number): Promise<number> {
  let last = -1
  await expect
    .poll(
      () => {
        const before = last
        last = count()
        return last > 0 && last === before
      },
      { interval: 150, timeout: 20_000 },
    )
    .toBe(true)
  return last
}

/** How many bytes come out of a socket from now on. */
function counting(socket: ScriptedClient['socket']): () => number {
  let bytes = 0
  socket.removeAllListeners('data')
  socket.on('data', chunk => {
    bytes += chunk.length
  })
  return () => bytes
}

/** Back-pressure both ways: whoever does not read is not written to, and nothing is lost when it goes on. */
export const pressure: readonly Case[] = [
  {
    name: 'a client that does not read stops the provider, and gets every byte when it goes on',
    record: ['ok'],
    async play(stage) {
      stage.upstream.play(connection => connection.request())
      const client = await stage.writing(get('/x'))
      const connection = await stage.upstream.connection()
      await connection.head()
      connection.write(answer('200 OK', [`Content-Length: ${total}`]))
      await client.head()
      client.socket.pause()
      const already = client.unread.length - (await client.head()).length
      const got = counting(client.socket)
      client.socket.pause()
      const poured = pour(connection.socket)
      expect(await settled(poured)).toBeLessThan(mostInBetween)
      client.socket.resume()
      await expect.poll(() => already + got(), { timeout: 20_000 }).toBe(total)
    },
  },
  {
    name: 'a provider that does not read stops the client, and gets every byte when it goes on',
    record: ['ok'],
    async play(stage) {
      stage.upstream.play(() => {})
      const client = await stage.writing(call('POST', '/x', [...png, `Content-Length: ${total}`]))
      client.write(image.slice(0, 2_000))
      const connection = await stage.upstream.connection()
      const already = (await connection.head()).length
      const before = connection.wire.text.length - already
      connection.socket.pause()
      const got = counting(connection.socket)
      connection.socket.pause()
      const poured = pour(client.socket, 2_000)
      expect(await settled(poured)).toBeLessThan(mostInBetween)
      connection.socket.resume()
      await expect.poll(() => before + got(), { timeout: 20_000 }).toBe(total)
      connection.write(answer('200 OK', ['Connection: close', 'Content-Length: 2'], 'ok'))
      await expectGot(client, { status: 200, body: 'ok' })
    },
  },
]
