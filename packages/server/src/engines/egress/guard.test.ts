import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { TenantId } from '../../core/ids.ts'
import { parseAllowList } from './allow-list.ts'
import type { DialOrder } from './dial.ts'
import { EgressFailure } from './egress.ts'
import { type EgressOptions, openEgress } from './open-egress.ts'

const tenant = 'ten_00000000000000000000000000' as TenantId
const secondTenant = 'ten_00000000000000000000000001' as TenantId

/** A door whose dialling is recorded and never done: every dialled socket is already broken. */
function recording(
  options: { allow?: string; answers?: Record<string, string[][]>; denied?: EgressOptions['denied'] } = {},
) {
  const dialled: DialOrder[] = []
  const asked: string[] = []
  const egress = openEgress({
    allow: parseAllowList(options.allow ?? '').rules,
    tenantOf: id => (id === tenant ? { isFirst: true } : { slug: 'acme', isFirst: false }),
    ...(options.denied !== undefined && { denied: options.denied }),
    machineAddresses: () => ['127.0.0.1', '192.168.7.7'],
    resolve: async hostname => {
      asked.push(hostname)
      const answers = options.answers?.[hostname]
      const answer = answers === undefined ? ['93.184.216.34'] : answers.length > 1 ? answers.shift()! : answers[0]!
      return answer.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
    },
    dial: order => {
      dialled.push(order)
      const socket = new Socket()
      queueMicrotask(() => socket.destroy(new Error('recorded, never dialled')))
      return socket
    },
  })
  const go = async (url: string, as = tenant): Promise<EgressFailure> => {
    try {
      await egress.exchange(as, { method: 'GET', url, headers: {}, timeoutMs: 5_000, maxBytes: 10 })
    } catch (error) {
      if (error instanceof EgressFailure) return error
      throw error
    }
    throw new Error('nothing can be answered here')
  }
  return { egress, go, dialled, asked }
}

const refused = [
  'http://example.com/',
  'https://127.0.0.1/',
  'https://127.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.0.0.1/',
  'https://0177.0.0.1/',
  'https://017700000001/',
  'https://127.0.0.1./',
  'https://0/',
  'https://0.0.0.0/',
  'https://①②⑦.⓪.⓪.①/',
  'https://%31%32%37.0.0.1/',
  'https://10.0.0.1/',
  'https://172.16.0.1:8443/',
  'https://192.168.1.1/',
  'https://100.64.0.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://2852039166/latest/meta-data/',
  'https://0xa9fea9fe/',
  'https://0251.0376.0251.0376/',
  'https://[::ffff:169.254.169.254]/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[fd00:ec2::254]/',
  'https://100.100.100.200/',
  'https://[::1]/',
  'https://[::]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[0:0:0:0:0:ffff:7f00:1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::a00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:4136:e378:8000:63bf:f5ff:fffe]/',
  'https://[fe80::1]/',
  'https://[fc00::1]/',
  'https://[ff02::1]/',
  'https://224.0.0.1/',
  'https://255.255.255.255/',
  'https://localhost/',
  'https://LOCALHOST./',
  'https://a.localhost/',
  'https://printer.local/',
  'https://metadata.google.internal/',
  'https://user:pass@example.com/',
  'https://example.com@127.0.0.1/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://example.com/',
  'data:text/plain,x',
  'https://',
  'not a url',
]

describe('where bytes may go (P7)', () => {
  it.each(refused)('%s is refused and nothing is dialled (row 21)', async url => {
    const { go, dialled } = recording({ answers: { 'metadata.google.internal': [['93.184.216.34']] } })
    const failure = await go(url)
    expect(failure).toMatchObject({ kind: 'not_allowed', sent: false })
    expect(dialled).toEqual([])
  })

  it.each([
    ['a private address', ['10.1.2.3']],
    ['loopback', ['127.0.0.1']],
    ['mapped loopback', ['::ffff:127.0.0.1']],
    ['NAT64 of a metadata address', ['64:ff9b::a9fe:a9fe']],
    ['a public and a private address', ['93.184.216.34', '10.1.2.3']],
    ['a public and a link-local address', ['93.184.216.34', 'fe80::1%eth0']],
    ['no address', []],
    ['text that is no address', ['127.1']],
  ])('a public name that resolves to %s is refused whole (row 21)', async (_, addresses) => {
    const { go, dialled } = recording({ answers: { 'rebind.example': [addresses] } })
    expect(await go('https://rebind.example/')).toMatchObject({ kind: 'not_allowed', sent: false })
    expect(dialled).toEqual([])
  })

  it('a refusal names no resolved address', async () => {
    const { go } = recording({ answers: { 'rebind.example': [['10.1.2.3']] } })
    expect((await go('https://rebind.example/')).message).not.toContain('10.1.2.3')
  })

  it('exactly the checked address is dialled, with one resolution and the name for TLS (row 21)', async () => {
    const { go, dialled, asked } = recording({ answers: { 'rebind.example': [['93.184.216.34'], ['127.0.0.1']] } })
    expect(await go('https://rebind.example:8443/')).toMatchObject({ kind: 'unreachable', sent: false })
    expect(asked).toEqual(['rebind.example'])
    expect(dialled).toEqual([{ address: '93.184.216.34', port: 8443, isTls: true, servername: 'rebind.example' }])
    expect(await go('https://rebind.example:8443/')).toMatchObject({ kind: 'not_allowed' })
    expect(dialled).toHaveLength(1)
  })

  it('every checked address is tried in turn', async () => {
    const { go, dialled } = recording({ answers: { 'two.example': [['2606:4700::1111', '93.184.216.34']] } })
    expect(await go('https://two.example/')).toMatchObject({ kind: 'unreachable' })
    expect(dialled.map(order => order.address)).toEqual(['2606:4700::1111', '93.184.216.34'])
  })

  it('a literal address is dialled without a name and never resolved', async () => {
    const { go, dialled, asked } = recording()
    await go('https://93.184.216.34/')
    expect(asked).toEqual([])
    expect(dialled).toEqual([{ address: '93.184.216.34', port: 443, isTls: true, servername: '' }])
  })
})

describe('what the operator listed', () => {
  it('opens that host and port, also by http, for that tenant alone (P6)', async () => {
    const { go, dialled } = recording({
      allow: '127.0.0.1:8080,acme@10.0.0.0/8',
      answers: { 'in.corp': [['10.1.1.1']] },
    })
    expect(await go('http://127.0.0.1:8080/')).toMatchObject({ kind: 'unreachable' })
    expect(await go('http://127.0.0.1:8081/')).toMatchObject({ kind: 'not_allowed' })
    expect(await go('http://127.0.0.1:8080/', secondTenant)).toMatchObject({ kind: 'not_allowed' })
    expect(await go('http://in.corp/', secondTenant)).toMatchObject({ kind: 'unreachable' })
    expect(await go('http://in.corp/')).toMatchObject({ kind: 'not_allowed' })
    expect(dialled.map(order => `${order.address}:${order.port}`)).toEqual(['127.0.0.1:8080', '10.1.1.1:80'])
  })

  it('by name opens what the name resolves to, but never a link-local or metadata address', async () => {
    const { go, dialled } = recording({
      allow: 'in.corp,evil.corp,0.0.0.0/1,128.0.0.0/1',
      answers: { 'in.corp': [['192.168.1.1']], 'evil.corp': [['169.254.169.254']] },
    })
    expect(await go('http://in.corp/')).toMatchObject({ kind: 'unreachable' })
    expect(await go('http://evil.corp/')).toMatchObject({ kind: 'not_allowed' })
    expect(await go('http://169.254.169.254/')).toMatchObject({ kind: 'not_allowed' })
    expect(await go('http://100.100.100.200/')).toMatchObject({ kind: 'not_allowed' })
    expect(dialled).toHaveLength(1)
  })

  it('of the loopback addresses of localhost opens the listed one alone, and of any other name none', async () => {
    const { go, dialled } = recording({
      allow: '127.0.0.1:8080',
      answers: {
        localhost: [['::1', '127.0.0.1'], ['::1', '93.184.216.34', '127.0.0.1'], ['::1']],
        'rebind.example': [['::1', '127.0.0.1']],
      },
    })
    expect(await go('http://localhost:8080/')).toMatchObject({ kind: 'unreachable' })
    expect(await go('http://localhost:8080/')).toMatchObject({ kind: 'not_allowed' })
    expect(await go('http://localhost:8080/')).toMatchObject({ kind: 'not_allowed' })
    expect(await go('http://rebind.example:8080/')).toMatchObject({ kind: 'not_allowed' })
    expect(dialled.map(order => order.address)).toEqual(['127.0.0.1'])
  })

  it('mayReach judges form, port and list, and resolves and dials nothing', async () => {
    const { egress, dialled, asked } = recording({ allow: 'localhost:8080' })
    const may = async (url: string) => (await egress.mayReach(tenant, new URL(url))).ok
    expect(await may('https://api.example.com/')).toBe(true)
    expect(await may('http://api.example.com/')).toBe(false)
    expect(await may('http://localhost:8080/')).toBe(true)
    expect(await may('http://localhost:8081/')).toBe(false)
    expect(await may('https://10.0.0.1/')).toBe(false)
    expect([...dialled, ...asked]).toEqual([])
  })
})

describe('our own listeners and the database', () => {
  const allow = 'localhost,127.0.0.0/8,::1,in.corp,192.168.0.0/16,db.corp'
  const answers = {
    localhost: [['::1', '127.0.0.1']],
    'in.corp': [['192.168.7.7']],
    'db.corp': [['192.168.9.9']],
    'alias.corp': [['192.168.9.9']],
  }

  it.each([
    'http://127.0.0.1:7400/',
    'http://127.9.9.9:7400/',
    'http://[::1]:7400/',
    'http://localhost:7400/',
    'http://[::ffff:127.0.0.1]:7400/',
    'http://0x7f000001:7400/',
  ])('bound to loopback are not reached by %s, though listed', async url => {
    for (const host of ['127.0.0.1', '::1', '0.0.0.0', '::', '::ffff:127.0.0.1', 'localhost']) {
      const { go, dialled } = recording({ allow, answers: structuredClone(answers), denied: [{ host, port: 7400 }] })
      expect(await go(url)).toMatchObject({ kind: 'not_allowed' })
      expect(dialled).toEqual([])
    }
  })

  it('bound to every interface are not reached by any address of the machine', async () => {
    const { egress, go, dialled } = recording({ allow, answers })
    egress.deny('0.0.0.0', 7400)
    expect(await go('http://in.corp:7400/')).toMatchObject({ kind: 'not_allowed' })
    expect(dialled).toEqual([])
    expect(await go('http://in.corp:7401/')).toMatchObject({ kind: 'unreachable' })
  })

  it('known by a name are not reached by that name, its address or another name for it', async () => {
    const { egress, go, dialled } = recording({ allow: `${allow},alias.corp`, answers })
    egress.deny('db.corp', 5432)
    for (const url of ['http://db.corp:5432/', 'http://192.168.9.9:5432/', 'http://alias.corp:5432/']) {
      expect(await go(url)).toMatchObject({ kind: 'not_allowed' })
    }
    expect(dialled).toEqual([])
  })
})
