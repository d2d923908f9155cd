import { once } from 'node:events'
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  createDeflateRaw,
  createGzip,
  gunzipSync,
} from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { makeNeedles } from '../../core/scrub/needles.ts'
import type { StreamHandler } from '../../engines/egress/egress.ts'
import type { AnswerSink } from './answer-sink.ts'
import { Attempt } from './attempt.ts'
import { CallCut } from './call-cut.ts'
import { relayAnswer } from './relay-answer.ts'

const secret = 'at_0123456789abcdef~+/='
const needles = makeNeedles([secret])

/** Numbers that look random and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** What reaches the agent of a body that comes in these chunks, and how it ends. */
async function passed(coding: 'gzip' | 'br', chunks: readonly Buffer[], cut = new CallCut(), cutAt = -1) {
  let handler: StreamHandler | undefined
  const egress = {
    stream(_tenant: unknown, _request: unknown, given: StreamHandler) {
      handler = given
      return { resume: () => {}, abort: () => {} }
    },
  }
  const request = { method: 'GET', origin: 'https://a.test', path: '/', headers: [] }
  const attempt = new Attempt(egress, 'ten_1' as never, request)
  const out: Buffer[] = []
  const ended = { isHeadSent: false, isCut: false, isWhole: false }
  const sink: AnswerSink = {
    event: () => {},
    head: () => {
      ended.isHeadSent = true
    },
    write: chunk => {
      out.push(chunk)
      return true
    },
    onDrain: () => {},
    end: () => {
      ended.isWhole = true
    },
    cut: () => {
      ended.isCut = true
    },
    finished: Promise.resolve(),
    onGone: () => {},
  }
  const rules = { coding, fields: [], hasBody: true, rewriter: () => () => undefined }
  const head = { status: 200, rawHeaders: ['content-encoding', coding] }
  const room = { keep: () => true, drop: () => {} }
  const done = relayAnswer(attempt, head, needles, sink, rules, cut, room).catch((error: unknown) => ({ error }))
  for (const [index, chunk] of chunks.entries()) {
    while (index === cutAt && index > 0 && !ended.isHeadSent) await new Promise(resolve => setImmediate(resolve))
    if (index === cutAt) cut.cut('grant_ended')
    handler!.onData(chunk)
    // Sometimes several arrive before any was looked into.
    if (index % 3 !== 0) await new Promise(resolve => setImmediate(resolve))
  }
  handler!.onEnd([])
  return { relayed: await done, bytes: Buffer.concat(out), ...ended }
}

async function gzipOf(
  pieces: readonly string[],
  options: { level: number; strategy: number },
  random: (n: number) => number,
) {
  const packer = createGzip(options)
  const out: Buffer[] = []
  packer.on('data', chunk => out.push(chunk))
  for (const piece of pieces) {
    packer.write(piece)
    if (random(2) === 0) await new Promise<void>(resolve => packer.flush(constants.Z_SYNC_FLUSH, resolve))
  }
  packer.end()
  await once(packer, 'end')
  return Buffer.concat(out)
}

/** What a client can make of a beginning at once. */
function inflated(coding: 'gzip' | 'br', bytes: Buffer): string {
  if (bytes.length === 0) return ''
  const plain =
    coding === 'gzip'
      ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
      : brotliDecompressSync(bytes, { finishFlush: constants.BROTLI_OPERATION_FLUSH })
  return plain.toString('latin1')
}

describe('a compressed answer (P1)', () => {
  it('never gives the agent a byte of a secret, however it is packed, flushed and cut into pieces', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = numbers(seed)
      const word = () => Array.from({ length: random(60) }, () => 'at_0129+/ xyz'[random(13)]).join('')
      const at = random(secret.length)
      const before = [word(), word(), word()]
      const isHidden = random(4) !== 0
      const pieces = isHidden
        ? [...before, secret.slice(0, at), secret.slice(at), word()]
        : [...before, secret.slice(0, at), word()]
      const coding = random(3) === 0 ? 'br' : 'gzip'
      const level = random(10)
      const body =
        coding === 'br'
          ? brotliCompressSync(pieces.join(''), { params: { [constants.BROTLI_PARAM_QUALITY]: level } })
          : await gzipOf(pieces, { level, strategy: random(5) }, random)
      const chunks: Buffer[] = []
      for (let from = 0; from < body.length; ) {
        const size = 1 + random(random(2) === 0 ? 4 : 80)
        chunks.push(body.subarray(from, from + size))
        from += size
      }
      const { bytes, isWhole, relayed } = await passed(coding, chunks)
      const text = pieces.join('')
      const begins = text.indexOf(secret)
      if (begins === -1) {
        expect([seed, isWhole, bytes.equals(body)]).toEqual([seed, true, true])
      } else {
        expect([seed, isWhole]).toEqual([seed, false])
        expect(relayed).toMatchObject({ echoes: 1, failure: { code: 'provider_answer_refused' } })
        const seen = inflated(coding, bytes)
        expect([seed, text.startsWith(seen), seen.length <= begins]).toEqual([seed, true, true])
      }
    }
  })

  it('is a refusal as long as nothing of it went out, and a broken connection afterwards', async () => {
    const early = await passed('gzip', [await gzipOf([secret], { level: 6, strategy: 0 }, () => 1)])
    expect([early.isHeadSent, early.isCut, early.relayed]).toMatchObject([
      false,
      false,
      { end: 'refused', bytesOut: 0 },
    ])
    const body = await gzipOf(['begin '.repeat(50), secret], { level: 0, strategy: 0 }, () => 0)
    const chunks = Array.from({ length: Math.ceil(body.length / 50) }, (_, i) => body.subarray(i * 50, i * 50 + 50))
    const late = await passed('gzip', chunks)
    expect([late.isHeadSent, late.isCut, late.relayed]).toMatchObject([true, true, { end: 'cut', echoes: 1 }])
  })

  it('that is cut before its head went out is told why, and afterwards breaks off (P4)', async () => {
    const body = await gzipOf(['begin '.repeat(50)], { level: 0, strategy: 0 }, () => 0)
    const chunks = Array.from({ length: Math.ceil(body.length / 50) }, (_, i) => body.subarray(i * 50, i * 50 + 50))
    const early = await passed('gzip', chunks, new CallCut(), 0)
    expect([early.isHeadSent, early.relayed]).toMatchObject([false, { error: { why: 'grant_ended' } }])
    const late = await passed('gzip', chunks, new CallCut(), 5)
    expect([late.isHeadSent, late.isCut, late.isWhole]).toEqual([true, true, false])
  })

  it('in raw deflate, which gzip is not, is refused', async () => {
    const packer = createDeflateRaw()
    const out: Buffer[] = []
    packer.on('data', chunk => out.push(chunk))
    packer.end('anything')
    await once(packer, 'end')
    expect((await passed('gzip', [Buffer.concat(out)])).relayed).toMatchObject({ end: 'refused' })
  })
})
