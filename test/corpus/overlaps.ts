import { expect } from 'vitest'
import { plainAnswer } from './scripted-upstream.ts'
import { answer, type Case, call, expectGot, get, requestsIn } from './stage.ts'

const image = (size: number) => `\x89PNG\r\n\x1a\n${'\0'.repeat(size - 8)}`
const png = ['Content-Type: image/png']
const up = { line: 'POST /x HTTP/1.1', headers: ['content-type: image/png'] }

/** RFC 9110 section 10.1.1. */
const expecting: readonly Case[] = [
  {
    name: 'a client that waits to send is told to go on, and its Expect stays here',
    record: ['ok'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(plainAnswer)
      })
      const client = await stage.writing(call('POST', '/x', [...png, 'Content-Length: 20', 'Expect: 100-continue']))
      await client.wire.until('100', text => (text === 'HTTP/1.1 100 Continue\r\n\r\n' ? true : undefined))
      client.write(image(20))
      await expectGot(client, { status: 200, body: 'ok', interim: [100] })
      const [reached] = requestsIn(stage.upstream.text)
      expect(reached).toMatchObject({ line: 'POST /x HTTP/1.1', body: image(20) })
      expect(reached!.headers.join()).not.toContain('expect')
    },
  },
  {
    name: 'a client that does not wait although it said so is served all the same',
    sends: call('POST', '/x', [...png, 'Content-Length: 20', 'Expect: 100-continue'], image(20)),
    answers: plainAnswer,
    reaches: { ...up, body: image(20) },
    gets: { status: 200, body: 'ok', interim: [100] },
    record: ['ok'],
  },
  {
    name: 'a client that waits to send what is refused is never told to go on',
    sends: call('POST', '/~evil.example/x', [...png, 'Content-Length: 20', 'Expect: 100-continue']),
    gets: { refused: [403, 'host_not_allowed'] },
    ending: 'fin',
    record: ['denied'],
  },
  {
    name: 'another expectation is refused',
    sends: get('/x', 'Expect: a-miracle'),
    gets: { bare: 417 },
    record: [],
  },
]

/** Bodies that are passed on while they come. */
const streamed: readonly Case[] = [
  {
    name: 'a body with a length goes up with that length, byte for byte',
    sends: call('POST', '/x', [...png, 'Content-Length: 100000'], image(100_000)),
    answers: plainAnswer,
    reaches: { ...up, body: image(100_000) },
    record: ['ok'],
  },
  {
    name: 'a chunked body goes up in chunks, byte for byte',
    sends: call('POST', '/x', [...png, 'Transfer-Encoding: chunked'], `186a0\r\n${image(100_000)}\r\n0\r\n\r\n`),
    answers: plainAnswer,
    reaches: { ...up, body: image(100_000) },
    record: ['ok'],
  },
]

/** An answer that does not wait for the end of the upload. */
const early: readonly Case[] = [
  ...(['stays open', 'is closed'] as const).map(
    (after): Case => ({
      name: `an answer in the middle of an upload reaches the client; the connection upstream ${after} and is not used again`,
      record: ['error', 'ok'],
      async play(stage) {
        const refusal = answer('413 Too Large', ['Content-Length: 7'], 'too big')
        stage.upstream.play(async connection => {
          await connection.head()
          if (after === 'stays open') connection.write(refusal)
          else connection.fin(refusal)
        })
        const client = await stage.writing(call('POST', '/x', [...png, 'Content-Length: 1000000'], image(100_000)))
        await expectGot(client, { status: 413, body: 'too big' })
        await (await stage.upstream.connection()).end()
        expect(() => requestsIn(stage.upstream.text)).toThrow('no whole request')
        stage.upstream.play(async connection => {
          await connection.request()
          connection.write(plainAnswer)
        })
        // The rest of the body is no request, and whoever goes on sending it is not left hanging.
        client.write('\0'.repeat(900_000))
        client.write(stage.fill(get('/second')))
        await expectGot(client, { status: 200, body: 'ok' })
        expect(stage.upstream.connections).toHaveLength(2)
      },
    }),
  ),
  {
    name: 'a refusal of ours in the middle of an upload leaves the rest of it no request',
    record: ['denied', 'ok'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(plainAnswer)
      })
      const client = await stage.writing(call('POST', '/~evil.example/x', [...png, 'Content-Length: 40'], image(20)))
      await expectGot(client, { refused: [403, 'host_not_allowed'] })
      client.write('GET /smuggled HT\r\n\r\n')
      client.write(stage.fill(get('/second')))
      await expectGot(client, { status: 200, body: 'ok' })
      expect(requestsIn(stage.upstream.text).map(({ line }) => line)).toEqual(['GET /second HTTP/1.1'])
    },
  },
]

/** Requests that do not wait for each other's answers (RFC 9112 section 9.3.2). */
const pipelined: readonly Case[] = [
  {
    name: 'two requests in one packet are answered in their order, whichever the provider answers first',
    record: ['ok', 'ok'],
    async play(stage) {
      let release = () => {}
      const second = new Promise<void>(resolve => {
        release = resolve
      })
      stage.upstream.play(async connection => {
        const { line } = await connection.request()
        if (line.includes('/first')) await second
        connection.write(answer('200 OK', ['Content-Length: 6'], line.slice(5, 11).padEnd(6)))
        release()
      })
      const client = await stage.writing(get('/first') + get('/second'))
      await expectGot(client, { status: 200, body: 'first ' })
      await expectGot(client, { status: 200, body: 'second' })
    },
  },
  {
    name: 'a body ends where it says, and what follows in the packet is the next request',
    record: ['ok', 'ok'],
    async play(stage) {
      stage.upstream.play(async connection => {
        for (;;) {
          await connection.request()
          connection.write(plainAnswer)
        }
      })
      const client = await stage.writing(
        call('POST', '/first', [...png, 'Content-Length: 20'], image(20)) + get('/second'),
      )
      await expectGot(client, { status: 200, body: 'ok' })
      await expectGot(client, { status: 200, body: 'ok' })
      const reached = stage.upstream.connections.flatMap(({ wire }) => requestsIn(wire.text))
      expect(reached.map(({ line, body }) => [line, body]).toSorted()).toEqual([
        ['GET /second HTTP/1.1', ''],
        ['POST /first HTTP/1.1', image(20)],
      ])
    },
  },
  {
    name: 'a refused request takes its body along, and the next one is served',
    record: ['denied', 'ok'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(plainAnswer)
      })
      const client = await stage.writing(
        call(
          'POST',
          '/~evil.example/x',
          [...png, 'Content-Length: 38'],
          'GET /smuggled HTTP/1.1\r\nHost: xxxxxx\r\n\r\n',
        ) + get('/second'),
      )
      await expectGot(client, { refused: [403, 'host_not_allowed'] })
      await expectGot(client, { status: 200, body: 'ok' })
      expect(requestsIn(stage.upstream.text).map(({ line }) => line)).toEqual(['GET /second HTTP/1.1'])
    },
  },
  {
    name: 'when an answer breaks off nothing follows it on that connection',
    record: ['unknown', 'either'],
    async play(stage) {
      stage.upstream.play(async connection => {
        const { line } = await connection.request()
        if (line.includes('/first')) connection.fin(answer('200 OK', ['Content-Length: 10'], 'half'))
        else connection.write(answer('200 OK', ['Content-Length: 6'], 'second'))
      })
      const client = await stage.writing(get('/first') + get('/second'))
      await client.end()
      expect(client.wire.text).not.toContain('second')
    },
  },
  {
    name: 'nothing after Connection: close is a request',
    record: ['ok'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(plainAnswer)
      })
      const client = await stage.writing(get('/first', 'Connection: close') + get('/second'))
      await expectGot(client, { status: 200, body: 'ok' })
      await client.end()
      expect(client.unread).toBe('')
      expect(requestsIn(stage.upstream.text).map(({ line }) => line)).toEqual(['GET /first HTTP/1.1'])
    },
  },
  {
    name: 'bytes that are no request never come in the middle of the answer before them',
    record: ['unknown'],
    async play(stage) {
      stage.upstream.play(async connection => {
        await connection.request()
        connection.write(answer('200 OK', ['Content-Length: 400'], 'half'))
      })
      const client = await stage.writing(get('/first'))
      await client.wire.until('the first half', text => (text.includes('half') ? true : undefined))
      client.write('no request\r\n\r\n')
      await client.end()
      expect(client.wire.text).toMatch(/half$/)
    },
  },
  {
    name: 'bytes that are no request are no answer to the one before them',
    record: ['unknown'],
    async play(stage) {
      stage.upstream.play(connection => connection.request())
      const client = await stage.writing(get('/first'))
      await (await stage.upstream.connection()).head()
      client.write('no request\r\n\r\n')
      await client.end()
      expect(client.wire.text).toBe('')
    },
  },
]

/** What happens at the same time on one connection. */
export const overlaps: readonly Case[] = [...expecting, ...streamed, ...early, ...pipelined]
