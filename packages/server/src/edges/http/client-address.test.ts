import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createClientAddress, parseTrustedProxies } from './client-address.ts'

function asked(remoteAddress: string, forwarded?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage
}

describe('the address of who asks', () => {
  it('is taken from X-Forwarded-For only when a trusted proxy says it (row 52)', () => {
    const addressOf = createClientAddress(['10.0.0.0/8', '2001:db8::1'])
    expect(addressOf(asked('203.0.113.9', '198.51.100.1'))).toBe('203.0.113.9')
    expect(addressOf(asked('10.1.2.3', '1.1.1.1, 198.51.100.1, 10.9.9.9'))).toBe('198.51.100.1')
    expect(addressOf(asked('::ffff:10.1.2.3', '198.51.100.1'))).toBe('198.51.100.1')
    expect(addressOf(asked('2001:db8::1', '198.51.100.1'))).toBe('198.51.100.1')
    expect(addressOf(asked('10.1.2.3', 'garbage'))).toBe('10.1.2.3')
  })

  it.each(['nginx', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', 'fe80::1%eth0', '10.0.0.0/-1', '/8'])(
    'trusts nobody by "%s", and says so',
    entry => {
      const { faults, trusted } = parseTrustedProxies([entry])
      expect(faults).toEqual([expect.stringContaining(`"${entry}"`)])
      expect(trusted.rules).toEqual([])
    },
  )

  it('takes what is good beside what is not', () => {
    const { faults, trusted } = parseTrustedProxies(['10.0.0.0/8', '::1', 'x', '0.0.0.0/0'])
    expect(faults).toHaveLength(1)
    expect([trusted.check('10.9.9.9'), trusted.check('::1', 'ipv6')]).toEqual([true, true])
  })
})
