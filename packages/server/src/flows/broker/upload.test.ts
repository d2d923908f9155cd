import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { replayableBytes, Upload } from './upload.ts'

async function read(body: ReturnType<Upload['open']>): Promise<string> {
  if (body === undefined || Buffer.isBuffer(body)) return body?.toString() ?? ''
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

describe('an upload', () => {
  it('without a body is none', () => {
    expect(new Upload(undefined).open()).toBeUndefined()
  })

  it('streams: what came is readable before the rest is there', async () => {
    const source = new PassThrough()
    const upload = new Upload(source)
    source.write('first')
    const body = upload.open() as Readable
    const [first] = await new Promise<[Buffer]>(resolve => body.once('data', chunk => resolve([chunk as Buffer])))
    expect(first.toString()).toBe('first')
    body.destroy()
  })

  it('can be opened again from its beginning while it is small, also when the first was given up midway', async () => {
    const source = new PassThrough()
    const upload = new Upload(source)
    source.write('one ')
    const first = upload.open() as Readable
    await new Promise(resolve => first.once('data', resolve))
    first.destroy()
    source.write('two ')
    source.end('three')
    expect(upload.isReplayable).toBe(true)
    expect(await read(upload.open())).toBe('one two three')
    expect(await read(upload.open())).toBe('one two three')
    expect(upload.bytes).toBe(13)
  })

  it('opened again midway gives the whole body, also when it grows past what is kept', async () => {
    const source = new PassThrough({ highWaterMark: 8 * 1024 * 1024 })
    const upload = new Upload(source)
    const block = (letter: string) => Buffer.alloc(300 * 1024, letter)
    source.write(Buffer.alloc(900 * 1024, 'a'))
    const first = upload.open() as Readable
    // It goes on reading, as a request does that has not heard yet that it was given up.
    await new Promise(resolve => first.on('data', resolve))
    await new Promise(resolve => setImmediate(resolve))
    const second = read(upload.open())
    for (const letter of ['b', 'c', 'd', 'e', 'f']) source.write(block(letter))
    source.end()
    const whole = await second
    expect(whole.length).toBe(900 * 1024 + 5 * 300 * 1024)
    expect(whole.replace(/(.)\1*/g, '$1')).toBe('abcdef')
  })

  it('keeps no more than a mebibyte, and then cannot be opened again', async () => {
    const source = Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(64 * 1024, 'x')))
    const upload = new Upload(source)
    expect((await read(upload.open())).length).toBe(40 * 64 * 1024)
    expect(upload.isReplayable).toBe(false)
  })

  it('is read whole up to a bound, and tells when it is larger', async () => {
    expect((await new Upload(Readable.from([Buffer.from('ab'), Buffer.from('c')])).whole(3))?.toString()).toBe('abc')
    const large = new Upload(Readable.from([Buffer.alloc(replayableBytes), Buffer.alloc(1)]))
    expect(await large.whole(replayableBytes)).toBeUndefined()
  })

  it('lets a waiting client go on once, and only when it is read', async () => {
    let taken = 0
    const upload = new Upload(Readable.from([Buffer.from('a')]), () => {
      taken++
    })
    expect(taken).toBe(0)
    await upload.beginning(10)
    await read(upload.open())
    expect(taken).toBe(1)
  })

  it('that falls silent is given up (row 98)', async () => {
    const upload = new Upload(new PassThrough(), () => {}, 5)
    await expect(upload.beginning(1)).rejects.toMatchObject({ code: 'validation_failed' })
  })

  it('that breaks off fails whoever reads it', async () => {
    const source = new PassThrough()
    const upload = new Upload(source)
    const body = read(upload.open())
    source.destroy(new Error('the agent left'))
    await expect(body).rejects.toThrow('the agent left')
  })

  describe('in a full room', () => {
    const roomOf = (size: number) => {
      const room = {
        used: 0,
        keep(bytes: number) {
          if (room.used + bytes > size) return false
          room.used += bytes
          return true
        },
        drop(bytes: number) {
          room.used -= bytes
        },
      }
      return room
    }

    it('is refused while it is only being looked into', async () => {
      const room = roomOf(4)
      const upload = new Upload(Readable.from([Buffer.alloc(3), Buffer.alloc(3)]), undefined, undefined, room)
      await expect(upload.whole(10)).rejects.toMatchObject({ code: 'unavailable', more: { retryAfterSeconds: 1 } })
      expect(room.used).toBe(3)
    })

    it('goes on when it is on its way already, and cannot be sent a second time', async () => {
      const room = roomOf(4)
      const chunks = ['abc', 'def', 'ghi'].map(text => Buffer.from(text))
      const upload = new Upload(Readable.from(chunks), undefined, undefined, room)
      expect(await read(upload.open())).toBe('abcdefghi')
      expect([upload.isReplayable, room.used]).toEqual([false, 0])
    })

    it('counts nothing any more once it is too long to be kept', async () => {
      const room = roomOf(10 * replayableBytes)
      const source = Readable.from([Buffer.alloc(replayableBytes), Buffer.alloc(1)])
      const upload = new Upload(source, undefined, undefined, room)
      await upload.beginning(replayableBytes)
      expect(room.used).toBe(replayableBytes)
      await read(upload.open())
      expect(room.used).toBe(0)
    })
  })
})
