import { describe, expect, it } from 'vitest'
import { listsAddress, listsName, parseAllowList, rulesOf } from './allow-list.ts'

const read = (text: string) => {
  const { rules, faults } = parseAllowList(text)
  expect(faults).toEqual([])
  return rules
}

describe('the list of what may be reached beside public https', () => {
  it('takes hosts, ports, networks and bracketed addresses, comma separated', () => {
    const rules = read(
      'db.corp, API.Corp.:8443,10.1.0.0/16,192.168.1.7:80, [::1]:4000,fd12::/16,[fd13::/16]:9,127.0.0.0/8:5000',
    )
    expect(listsName(rules, 'db.corp', 1)).toBe(true)
    expect(listsName(rules, 'api.corp', 8443)).toBe(true)
    expect(listsName(rules, 'api.corp', 443)).toBe(false)
    expect(listsName(rules, 'x.db.corp', 1)).toBe(false)
    expect(listsAddress(rules, '10.1.255.1', 99)).toBe(true)
    expect(listsAddress(rules, '10.2.0.1', 99)).toBe(false)
    expect(listsAddress(rules, '::ffff:192.168.1.7', 80)).toBe(true)
    expect(listsAddress(rules, '192.168.1.7', 81)).toBe(false)
    expect(listsAddress(rules, '::1', 4000)).toBe(true)
    expect(listsAddress(rules, 'fd12::9', 1)).toBe(true)
    expect(listsAddress(rules, 'fd13::9', 9)).toBe(true)
    expect(listsAddress(rules, 'fd13::9', 10)).toBe(false)
    expect(listsAddress(rules, '127.9.9.9', 5000)).toBe(true)
  })

  it('gives an entry with a slug to that tenant and one without to the first tenant (P6)', () => {
    const rules = read('acme@127.0.0.1:1,127.0.0.1:2')
    const acme = rulesOf(rules, { slug: 'acme', isFirst: false })
    const first = rulesOf(rules, { isFirst: true })
    const other = rulesOf(rules, { slug: 'other', isFirst: false })
    expect([1, 2].map(port => listsAddress(acme, '127.0.0.1', port))).toEqual([true, false])
    expect([1, 2].map(port => listsAddress(first, '127.0.0.1', port))).toEqual([false, true])
    expect(other).toEqual([])
  })

  it.each([
    '169.254.169.254',
    '169.254.0.0/16',
    '169.254.169.0/24:80',
    'fe80::1',
    'fe80::/10',
    'fe80::1%eth0',
    '100.100.100.200',
    'fd00:ec2::254',
    '[::ffff:169.254.169.254]:80',
    '64:ff9b::169.254.169.254',
    '0.0.0.0',
    '::',
    '224.0.0.0/4',
    'ff00::/8',
    '168.63.129.16',
  ])('never takes %s (row 21)', entry => {
    expect(parseAllowList(entry)).toMatchObject({ rules: [], faults: [expect.stringContaining(entry)] })
  })

  it.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    'host/8',
    'host:0',
    'host:65536',
    'host:x',
    'ho st',
    '127.1',
    '0x7f.1',
    '*.corp',
    'Acme Co@host',
    '@host',
    'http://host',
  ])('says what is wrong with %s', entry => {
    expect(parseAllowList(entry)).toMatchObject({ rules: [], faults: [expect.stringContaining(`"${entry}"`)] })
  })

  it('reports every fault and keeps what is right', () => {
    const { rules, faults } = parseAllowList('good.corp,10.0.0.0/40,169.254.1.1,,')
    expect(rules).toHaveLength(1)
    expect(faults).toHaveLength(2)
  })
})
