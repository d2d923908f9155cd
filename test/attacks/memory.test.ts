import { readFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onBoth } from '../rig.ts'
import { type ServerProcess, startServerProcess, withPeople } from '../server-process.ts'

const megabyte = 1_000_000

/** What the process holds of the machine's memory as an operator sees it: everything included, and no more than said. */
describe.each(onBoth)('the memory of the server on $database', ({ database }) => {
  let server: ServerProcess
  let made: Awaited<ReturnType<typeof withPeople>>
  beforeAll(async () => {
    server = await startServerProcess({ database })
    made = await withPeople(server, ['alice'])
  })
  afterAll(() => server?.close())

  it('is below 150 MB when it is idle, after its first fifty calls', async () => {
    const { connection, token } = made.people[0]!
    for (let call = 0; call < 50; call++) {
      const answer = await server.call('GET', `/proxy/${connection}/api/me`, undefined, { token })
      expect(answer.status).toBe(200)
    }
    await pause(1_000)
    expect(resident()).toBeLessThan(150 * megabyte)
  })

  it.each([
    { reader: 'a slow reader', restMs: 20 },
    { reader: 'a reader as fast as they come', restMs: 0 },
  ])('grows by less than 64 MB while 200 MB pass through it to $reader', async ({ restMs }) => {
    const before = resident()
    const total = 200 * megabyte
    const peak = watchPeak()
    expect(await read(`/proxy/${made.people[0]!.connection}/api/bytes/${total}`, restMs)).toBe(total)
    expect(peak() - before).toBeLessThan(64 * megabyte)
  })

  it('is not what a reader that stops leaves in it: the provider waits as well', async () => {
    const before = resident()
    const peak = watchPeak()
    const answer = await open(`/proxy/${made.people[0]!.connection}/api/bytes/${1_000 * megabyte}`)
    // Nothing is read: what the provider can send meanwhile fills the buffers of the sockets, not ours.
    await pause(1_500)
    expect(peak() - before).toBeLessThan(64 * megabyte)
    expect(made.provider.requests.at(-1)!.bytesSent).toBeLessThan(100 * megabyte)
    answer.destroy()
  })

  /** Reads to the end, resting after each two megabytes. */
  async function read(path: string, restMs: number): Promise<number> {
    const answer = await open(path)
    let received = 0
    let sinceRest = 0
    for await (const chunk of answer) {
      received += chunk.length
      sinceRest += chunk.length
      if (restMs === 0 || sinceRest < 2 * megabyte) continue
      sinceRest = 0
      await pause(restMs)
    }
    return received
  }

  function open(path: string): Promise<IncomingMessage> {
    const headers = { authorization: `Bearer ${made.people[0]!.token}` }
    return new Promise((resolve, reject) => {
      get(`${server.url}${path}`, { headers }, resolve).once('error', reject)
    })
  }

  const resident = () => {
    const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024
  }

  /** The most it held from now until it is asked. */
  function watchPeak(): () => number {
    let peak = resident()
    const timer = setInterval(() => {
      peak = Math.max(peak, resident())
    }, 20)
    return () => {
      clearInterval(timer)
      return Math.max(peak, resident())
    }
  }
})

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
