import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  gunzipSync,
  gzipSync,
} from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hosts, type ScriptedApi, startScriptedApi } from '../scripted-api.ts'

/** A secret inside a body that nobody can mask, because no byte of it may change (P1). */
describe('a compressed answer', () => {
  let api: ScriptedApi
  let path: string
  beforeAll(async () => {
    api = await startScriptedApi()
    path = `/proxy/${api.connection}/~${hosts[0]}/open/x`
  })
  afterAll(() => api.close())
  beforeEach(() => {
    isDripping = false
    api.requests.length = 0
  })

  const both = { 'accept-encoding': 'gzip, br' }
  /** At once, or a few bytes a packet: a short body that is there is looked into in another way than one that comes. */
  let isDripping = false
  const answering = (body: (token: string) => Buffer, coding = 'gzip') => {
    api.answer = async (_request, response, token) => {
      const bytes = body(token)
      response.writeHead(200, { 'content-encoding': coding, 'content-length': String(bytes.length) })
      const step = isDripping ? 37 : bytes.length
      for (let at = 0; at < bytes.length && !response.destroyed; at += step)
        await new Promise<void>(resolve => response.write(bytes.subarray(at, at + step), () => setTimeout(resolve, 1)))
      response.end()
    }
  }
  const compress = (coding: string, text: string | Buffer) =>
    coding === 'br' ? brotliCompressSync(text) : gzipSync(text)
  /** How a call ended for the agent: its code, its status when the body was whole, or `cut`. */
  const outcome = async (headers: Record<string, string> = both): Promise<number | string> => {
    try {
      const answer = await api.ask(path, headers)
      return answer.headers['valetkey-error'] === undefined ? answer.status : String(answer.headers['valetkey-error'])
    } catch {
      return 'cut'
    }
  }
  const echoes = () => api.rig.events('secret_echo')

  it.each(['gzip', 'br'])('passes byte for byte when nothing is in it: %s', async coding => {
    const text = JSON.stringify(
      Array.from({ length: 20_000 }, (_, id) => ({ id, name: randomBytes(6).toString('hex') })),
    )
    const sent = compress(coding, text)
    answering(() => sent, coding)
    const answer = await api.ask(path, both)
    expect(answer.headers).toMatchObject({ 'content-encoding': coding, 'content-length': String(sent.length) })
    expect(answer.body.equals(sent)).toBe(true)
    expect((coding === 'br' ? brotliDecompressSync : gunzipSync)(answer.body).toString()).toBe(text)
    expect(api.requests[0]!.headers['accept-encoding']).toBe('gzip, br')
  })

  it.each([undefined, 'identity', 'deflate, zstd', 'gzip;q=0'])(
    'is not asked for by who takes none: %s',
    async taken => {
      answering(() => gzipSync('x'))
      expect(await outcome(taken === undefined ? {} : { 'accept-encoding': taken })).toBe('provider_answer_refused')
      expect(api.requests[0]!.headers['accept-encoding']).toBe('identity')
    },
  )

  it.each([
    ['br', 'gzip'],
    ['gzip, br', 'gzip, br'],
    ['gzip, gzip', 'gzip'],
    ['deflate', 'deflate, gzip'],
    ['zstd', 'zstd, gzip'],
    ['aws-chunked', 'gzip'],
  ])('is refused in an encoding that was not offered, or in a list of them: %s', async (coding, taken) => {
    answering(() => gzipSync('x'), coding)
    expect(await outcome({ 'accept-encoding': taken })).toBe('provider_answer_refused')
  })

  it.each(['gzip', 'br'])(
    'that reflects the token is refused before its first byte, and is an event: %s',
    async coding => {
      const before = (await echoes()).length
      const forms: ((token: string) => string)[] = [
        token => `{"you":"${token}"}`,
        token => Buffer.from(`a${token}`).toString('base64'),
        token => encodeURIComponent(token),
        token => [...token].map(char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
      ]
      for (const form of forms) {
        answering(token => compress(coding, form(token)), coding)
        isDripping = false
        expect(await outcome()).toBe('provider_answer_refused')
        isDripping = true
        expect(['cut', 'provider_answer_refused']).toContain(await outcome())
      }
      await expect.poll(async () => (await echoes()).length).toBe(before + 2 * forms.length)
    },
  )

  it.each(['gzip', 'br'])(
    'that shows the token in pieces, each with its own block and packet, shows none of it: %s',
    async coding => {
      api.answer = async (_request, response, token) => {
        response.writeHead(200, { 'content-encoding': coding })
        const packer = coding === 'br' ? createBrotliCompress() : createGzip()
        const flush = coding === 'br' ? constants.BROTLI_OPERATION_FLUSH : constants.Z_SYNC_FLUSH
        packer.on('data', chunk => response.write(chunk))
        for (const piece of ['begin ', ...token, ' end']) {
          packer.write(piece)
          await new Promise<void>(resolve => packer.flush(flush, () => setImmediate(resolve)))
        }
        packer.end(() => response.end())
      }
      const answer = await api.rig.begin(path, { token: api.token, headers: both })
      const chunks: Buffer[] = []
      const ending = await new Promise(resolve => {
        answer
          .on('data', chunk => chunks.push(chunk))
          .on('end', () => resolve('end'))
          .on('error', () => resolve('cut'))
      })
      expect([answer.statusCode, ending]).toEqual([200, 'cut'])
      const seen = inflatedSoFar(coding, Buffer.concat(chunks))
      expect(seen).toBe('begin ')
    },
  )

  it.each([false, true])(
    'is searched in every member, in the words of its header and past its padding; in drops: %s',
    async dripping => {
      isDripping = dripping
      const named = (token: string) => {
        const plain = gzipSync('nothing')
        return Buffer.concat([
          plain.subarray(0, 3),
          Buffer.of(0x10),
          plain.subarray(4, 10),
          Buffer.from(`${token}\0`, 'latin1'),
          plain.subarray(10),
        ])
      }
      const bodies: ((token: string) => Buffer)[] = [
        token => Buffer.concat([gzipSync('first'), gzipSync(token)]),
        token => Buffer.concat([gzipSync('first'), gzipSync(''), gzipSync(token)]),
        named,
        token => Buffer.concat([gzipSync('first'), Buffer.from(token)]),
        token => Buffer.concat([gzipSync('first'), Buffer.alloc(512), gzipSync(token)]),
      ]
      for (const [index, body] of bodies.entries()) {
        answering(body)
        const seen = await outcome()
        // What came before the secret may be with the agent by then.
        expect([index, dripping && seen === 'cut' ? 'provider_answer_refused' : seen]).toEqual([
          index,
          'provider_answer_refused',
        ])
      }
      expect(gunzipSync(named('x')).toString()).toBe('nothing')
      const harmless = Buffer.concat([gzipSync('first'), gzipSync('second'), Buffer.alloc(512)])
      answering(() => harmless)
      expect((await api.ask(path, both)).body.equals(harmless)).toBe(true)
    },
  )

  it.each(['gzip', 'br'])('that is garbage, broken off or followed by something is none: %s', async coding => {
    const whole = compress(coding, randomBytes(64).toString('hex'))
    for (const body of [Buffer.from('not compressed at all'), Buffer.concat([whole, Buffer.from('more')])]) {
      answering(() => body, coding)
      expect(await outcome()).toBe('provider_answer_refused')
    }
    const cut = whole.subarray(0, whole.length - 3)
    answering(() => cut, coding)
    expect(await outcome()).toBe('provider_answer_refused')
    // One that comes slowly and has a length is with the agent before we know; its own reader tells it then.
    api.answer = (_request, response) => {
      response.writeHead(200, { 'content-encoding': coding }).write(cut, () => setTimeout(() => response.end(), 20))
    }
    expect(['cut', 'provider_answer_refused']).toContain(await outcome())
  })

  it.each(['gzip', 'br'])('that is a bomb is refused, at the cost of a few megabytes (row 21): %s', async coding => {
    const packer =
      coding === 'br' ? createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }) : createGzip()
    const zeros = Buffer.alloc(1024 * 1024)
    const parts: Buffer[] = []
    packer.on('data', part => parts.push(part))
    for (let i = 0; i < 1024; i++) if (!packer.write(zeros)) await once(packer, 'drain')
    await new Promise<void>(resolve => packer.end(() => resolve()))
    const bomb = Buffer.concat(parts)
    answering(() => bomb, coding)
    await outcome()
    const before = process.memoryUsage().rss
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss)
    }, 5)
    const started = performance.now()
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcome()))
    clearInterval(watch)
    expect(new Set(outcomes)).toEqual(new Set(['provider_answer_refused']))
    expect(performance.now() - started).toBeLessThan(10_000)
    expect((most - before) / 1024 / 1024).toBeLessThan(300)
    const hidden = compress(coding, Buffer.concat([randomBytes(200_000), Buffer.alloc(64 * 1024 * 1024)]))
    answering(() => hidden, coding)
    expect(['cut', 'provider_answer_refused']).toContain(await outcome())
  })

  it('as an event stream comes event by event', async () => {
    let next: () => void = () => {}
    api.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
      response.flushHeaders()
      const packer = createGzip()
      packer.on('data', chunk => response.write(chunk))
      let count = 0
      next = () => {
        packer.write(`data: ${++count}\n\n`)
        packer.flush(constants.Z_SYNC_FLUSH)
      }
      response.on('close', () => packer.destroy())
    }
    const answer = await api.rig.begin(path, { token: api.token, headers: both })
    expect(answer.headers['content-encoding']).toBe('gzip')
    let seen = Buffer.alloc(0)
    answer
      .on('error', () => {})
      .on('data', chunk => {
        seen = Buffer.concat([seen, chunk])
      })
    for (let count = 1; count <= 5; count++) {
      next()
      await expect.poll(() => inflatedSoFar('gzip', seen), { interval: 5 }).toContain(`data: ${count}\n\n`)
    }
    answer.destroy()
  })

  it.each(['gzip', 'br'])('that means 401 in the words of its entry is heard as one: %s', async coding => {
    api.answer = (request, response, token) => {
      const isNew = api.requests.some(other => other !== request && other.headers.authorization !== `Bearer ${token}`)
      const body = compress(coding, JSON.stringify(isNew ? { ok: true } : { ok: false, error: 'token_revoked' }))
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding }).end(body)
    }
    const answer = await api.rig.begin(path, { token: api.token, headers: both })
    const chunks: Buffer[] = []
    for await (const chunk of answer) chunks.push(chunk as Buffer)
    expect(inflatedSoFar(coding, Buffer.concat(chunks))).toBe('{"ok":true}')
    expect(api.requests).toHaveLength(2)
  })

  it('without a body may name its encoding', async () => {
    api.answer = (request, response) => {
      const status = request.headers['if-none-match'] === undefined ? 200 : 304
      response.writeHead(status, { 'content-encoding': 'gzip', ...(status === 200 && { 'content-length': '0' }) }).end()
    }
    expect((await api.ask(path, both)).status).toBe(200)
    expect((await api.ask(path, { ...both, 'if-none-match': '"1"' })).status).toBe(304)
    const head = await api.ask(path, both, 'HEAD')
    expect([head.status, head.headers['content-encoding']]).toEqual([200, 'gzip'])
  })

  it('waits for an agent that reads slowly, and for nobody when the agent leaves', async () => {
    const part = gzipSync(randomBytes(1024 * 1024), { level: 0 })
    let written = 0
    let isClosed = false
    api.answer = async (_request, response) => {
      response.setMaxListeners(0).writeHead(200, { 'content-encoding': 'gzip' })
      response.on('close', () => {
        isClosed = true
      })
      while (!isClosed && written < 200) {
        written++
        if (response.write(part)) continue
        await new Promise(resolve => response.once('drain', resolve).once('close', resolve))
      }
    }
    const answer = await api.rig.begin(path, { token: api.token, headers: both })
    answer.on('error', () => {})
    await once(answer, 'readable')
    let before = -1
    await expect
      .poll(
        () => {
          const same = before === written
          before = written
          return same
        },
        { interval: 100, timeout: 10_000 },
      )
      .toBe(true)
    expect(written).toBeLessThan(60)
    answer.destroy()
    await expect.poll(() => isClosed).toBe(true)
  })
})

/** What a client makes of a beginning. */
function inflatedSoFar(coding: string, bytes: Buffer): string {
  if (bytes.length === 0) return ''
  return coding === 'br'
    ? brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH }).toString('latin1')
    : gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString('latin1')
}
