import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigFault, type ConfigOptions, readConfig } from './config.ts'

function faultsOf(environment: Record<string, string>, options: ConfigOptions = {}): readonly string[] {
  try {
    readConfig(options, environment)
    return []
  } catch (thrown) {
    if (thrown instanceof ConfigFault) return thrown.faults
    throw thrown
  }
}

describe('settings', () => {
  it('report every fault at once, those of lists among them', () => {
    const faults = faultsOf(
      {
        VALETKEY_PORT: 'eighty',
        VALETKEY_EGRESS_ALLOW: '10.0.0.0/8,169.254.169.254,a b',
        VALETKEY_TRUSTED_PROXIES: 'nginx,10.0.0.0/8,10.0.0.0/99',
        VALETKEY_HOST: '0.0.0.0',
      },
      { serves: true },
    )
    expect(faults.map(fault => fault.split(':')[0])).toEqual([
      'VALETKEY_PORT',
      'VALETKEY_URL',
      'VALETKEY_EGRESS_ALLOW',
      'VALETKEY_EGRESS_ALLOW',
      'VALETKEY_TRUSTED_PROXIES',
      'VALETKEY_TRUSTED_PROXIES',
    ])
    expect(faults.at(-2)).toContain('"nginx" is neither an address nor a CIDR')
    expect(faults.at(-1)).toContain('"10.0.0.0/99" has no prefix length from 0 to 32')
  })

  it('that are not served yet are refused and never ignored', () => {
    expect(faultsOf({ VALETKEY_WORKERS: '4' })).toEqual([expect.stringContaining('VALETKEY_WORKERS: more than one')])
    expect(faultsOf({ VALETKEY_METRICS_PORT: '9100' })).toEqual([expect.stringContaining('not available yet')])
    expect(faultsOf({ VALETKEY_WORKERS: '1', VALETKEY_METRICS_PORT: '' })).toEqual([])
  })

  it('for TLS come as a pair, and the public URL is https then', () => {
    expect(faultsOf({ VALETKEY_TLS_CERT: '/c' })).toEqual([expect.stringContaining('VALETKEY_TLS_KEY: it is needed')])
    expect(faultsOf({ VALETKEY_TLS_KEY: '/k' })).toEqual([expect.stringContaining('VALETKEY_TLS_CERT: it is needed')])
    const pair = { VALETKEY_TLS_CERT: '/c', VALETKEY_TLS_KEY: '/k' }
    expect(faultsOf({ ...pair, VALETKEY_URL: 'http://127.0.0.1:7400' })).toEqual([
      expect.stringContaining('must be https, for with VALETKEY_TLS_CERT'),
    ])
    expect(readConfig({}, pair).tls).toEqual({ certPath: '/c', keyPath: '/k' })
    // Whoever does not listen needs no key: verifying a log works without it.
    expect(faultsOf(pair, { serves: true })).toEqual([])
    expect(faultsOf(pair, { serves: true, listens: true })).toEqual([
      'VALETKEY_TLS_CERT: /c cannot be read (ENOENT). Give the path of a PEM file.',
      'VALETKEY_TLS_KEY: /k cannot be read (ENOENT). Give the path of a PEM file.',
    ])
  })

  it.each([
    ['VALETKEY_PROT', 'VALETKEY_PORT'],
    ['VALETKEY_EGRES_ALLOW', 'VALETKEY_EGRESS_ALLOW'],
    ['VALETKEY_EGRESS', 'VALETKEY_EGRESS_ALLOW'],
    ['VALETKEY_ROOTKEY', 'VALETKEY_ROOT_KEY'],
    ['VALETKEY_DATABASE_URL', 'DATABASE_URL'],
    ['VALETKEY_Url', 'VALETKEY_URL'],
  ])('%s is not known, and %s is named instead', (wrong, meant) => {
    expect(faultsOf({ [wrong]: 'x' })).toEqual([`${wrong} is not a setting. Did you mean ${meant}?`])
  })

  it('far from every name list the names', () => {
    expect(faultsOf({ VALETKEY_FAVOURITE_COLOUR: 'blue' })).toEqual([
      expect.stringContaining('The settings are VALETKEY_DATA, VALETKEY_URL'),
    ])
  })

  it('share the environment with other commands, tests and a cluster', () => {
    const others = {
      VALETKEY_CLIENT_ID: 'x',
      VALETKEY_CLIENT_SECRET: 'x',
      VALETKEY_TOKEN: 'x',
      VALETKEY_DEMO_SLACK_CLIENT_ID: 'x',
      VALETKEY_TEST_POSTGRES: 'x',
      VALETKEY_SERVICE_HOST: '10.0.0.1',
      VALETKEY_PORT_7400_TCP_ADDR: '10.0.0.1',
      PATH: '/bin',
    }
    expect(faultsOf(others)).toEqual([])
    expect(faultsOf({ VALETKEY_ROOT_KEY: 'env:VALETKEY_MY_KEY', VALETKEY_MY_KEY: 'x' }, { dev: true })).toEqual([])
    expect(faultsOf({ VALETKEY_PORT: 'tcp://10.0.0.1:7400' })).toEqual([expect.stringContaining('enableServiceLinks')])
  })

  it('in a file obey the same rules', () => {
    const folder = mkdtempSync(join(tmpdir(), 'valetkey-config-'))
    const config = join(folder, 'settings.json')
    const faultsOfFile = (text: string) => {
      writeFileSync(config, text)
      return faultsOf({}, { config })
    }
    try {
      expect(faultsOfFile('{"VALETKEY_LOGS": "warn", "VALETKEY_WORKERS": 2, "VALETKEY_PORT": 0}')).toEqual([
        `${config}: VALETKEY_LOGS is not a setting. Did you mean VALETKEY_LOG?`,
        expect.stringContaining('VALETKEY_WORKERS: more than one'),
      ])
      expect(faultsOfFile('null')).toEqual([expect.stringContaining('expected one JSON object')])
      expect(faultsOfFile('{"VALETKEY_EGRESS_ALLOW": ["10.0.0.1"]}')).toEqual([
        expect.stringContaining('must be a string'),
      ])
      expect(faultsOfFile('{"VALETKEY_PORT": 0}')).toEqual([])
      expect(faultsOfFile('{')).toEqual([expect.stringContaining('cannot be read as JSON')])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('need a public URL only where somebody else could listen in', () => {
    expect(faultsOf({ VALETKEY_HOST: '0.0.0.0' }, { serves: true })).toEqual([expect.stringContaining('public https')])
    for (const host of ['127.0.0.1', '::1', 'localhost'])
      expect([host, faultsOf({ VALETKEY_HOST: host }, { serves: true })]).toEqual([host, []])
    expect(faultsOf({ VALETKEY_HOST: '0.0.0.0' })).toEqual([])
  })
})
