import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Answer, Exchange } from '../http/exchange.ts'

const block = Buffer.alloc(64 * 1024, 'the quick brown fox jumps over the lazy dog. ')

/**
 * `n` bytes of a repeating text, written no faster than the client reads. `record.bytesSent` tells how far it came.
 * `?chunked=1` leaves the length out.
 */
export function bytes(exchange: Exchange, count: number): Answer {
  return {
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      ...(exchange.query.get('chunked') !== '1' && { 'content-length': String(count) }),
    },
    async stream(response, gone) {
      for (let left = count; left > 0 && !gone.aborted; ) {
        const part = block.subarray(0, Math.min(left, block.length))
        left -= part.length
        exchange.record.bytesSent += part.length
        if (!response.write(part)) await drained(response, gone)
      }
      response.end()
    },
  }
}

/** Server-sent events, one every `?ms` (default 100), until the client goes, or `?count` were sent. */
export function ticks(exchange: Exchange): Answer {
  const everyMilliseconds = Math.max(1, Number(exchange.query.get('ms') ?? 100) || 100)
  const count = Number(exchange.query.get('count') ?? Number.POSITIVE_INFINITY)
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
    async stream(response, gone) {
      for (let tick = 1; tick <= count && !gone.aborted; tick += 1) {
        const event = `id: ${tick}\ndata: {"tick":${tick}}\n\n`
        exchange.record.bytesSent += event.length
        if (!response.write(event)) await drained(response, gone)
        if (tick < count) await sleep(everyMilliseconds, undefined, { signal: gone }).catch(() => undefined)
      }
      response.end()
    },
  }
}

/** A JSON body in the coding of `?encoding=gzip|br`; `?inflate=n` makes it n zeros instead (a bomb). */
export function compressed(exchange: Exchange, value: unknown): Answer {
  const inflate = Math.min(Number(exchange.query.get('inflate') ?? 0) || 0, 1024 * 1024 * 1024)
  const plain = inflate > 0 ? Buffer.alloc(inflate) : Buffer.from(JSON.stringify(value))
  const isBrotli = exchange.query.get('encoding') === 'br'
  const fastest = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }
  return {
    status: 200,
    headers: {
      'content-type': inflate > 0 ? 'application/octet-stream' : 'application/json',
      'content-encoding': isBrotli ? 'br' : 'gzip',
      vary: 'accept-encoding',
    },
    body: isBrotli ? brotliCompressSync(plain, fastest) : gzipSync(plain),
  }
}

async function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  await once(response, 'drain', { signal: gone }).catch(() => undefined)
}
