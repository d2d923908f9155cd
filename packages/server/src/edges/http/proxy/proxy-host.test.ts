import { describe, expect, it } from 'vitest'
import { readConfig } from '../../../config.ts'
import { urlOfProxyHost } from './proxy-host.ts'

const domain = 'proxy.example.com'
const id = '01m87yyxt0a5c4wnkqgrkfkgrz'

describe('a host name below the proxy domain', () => {
  it.each([
    [`con-${id}.${domain}`, '/drive/v3/files?a=/b', `/proxy/con_${id}/drive/v3/files?a=/b`],
    [`CON-${id.toUpperCase()}.Proxy.Example.com:8443`, '/x', `/proxy/con_${id}/x`],
    [`google-drive.${domain}`, '/x', '/proxy/google-drive/x'],
    [`con-${id}.${domain}`, '/~files.slack.com/a', `/proxy/con_${id}/~files.slack.com/a`],
    [`con-${id}.${domain}`, '/proxy/con_other/x', `/proxy/con_${id}/proxy/con_other/x`],
    [`con-${id}.${domain}`, '/t/other/v1/grants', `/proxy/con_${id}/t/other/v1/grants`],
  ])('is a connection: %s%s', (host, target, expected) => {
    expect(urlOfProxyHost(host, domain, target)).toBe(expected)
  })

  it.each([
    [`a.b.${domain}`, '/x'],
    [`a/b.${domain}`, '/x'],
    [`con_${id}.${domain}`, '/x'],
    [`.${domain}`, '/x'],
    [`slack.${domain}`, 'http://slack.com/x'],
    [`slack.${domain}`, '*'],
  ])('is nobody when it is odd, and never a page of ours: %s %s (row 22)', (host, target) => {
    expect(urlOfProxyHost(host, domain, target)).toBe('/proxy//')
  })

  it.each([[domain], ['slack.com'], [`slack.${domain}.`], [`slack.${domain}.evil.example`], [`slack${domain}`]])(
    'is none at %s',
    host => {
      expect(urlOfProxyHost(host, domain, '/x')).toBeUndefined()
      expect(urlOfProxyHost(host, undefined, '/x')).toBeUndefined()
    },
  )
})

describe('the setting VALETKEY_PROXY_DOMAIN', () => {
  const read = (environment: Record<string, string>) => readConfig({}, environment).proxyDomain

  it('is a host name, in lower case', () => {
    expect(read({ VALETKEY_PROXY_DOMAIN: 'Proxy.Example.com' })).toBe(domain)
    expect(read({})).toBeUndefined()
    for (const text of ['https://proxy.example.com', '*.example.com', 'a..b', '127.0.0.1', 'proxy.example.com:443'])
      expect(() => read({ VALETKEY_PROXY_DOMAIN: text })).toThrow('VALETKEY_PROXY_DOMAIN')
  })

  it('leaves the own host of the server alone', () => {
    const own = { VALETKEY_URL: 'https://vault.example.com' }
    expect(() => read({ ...own, VALETKEY_PROXY_DOMAIN: 'example.com' })).toThrow('VALETKEY_URL must not lie below it')
    expect(read({ ...own, VALETKEY_PROXY_DOMAIN: domain })).toBe(domain)
    expect(read({ ...own, VALETKEY_PROXY_DOMAIN: 'vault.example.com' })).toBe('vault.example.com')
  })
})
