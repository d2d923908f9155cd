import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'

/** Everything that an operator can set, already checked. Times in seconds, sizes in bytes. */
export interface Config {
  readonly dataFolder: string
  /** The server's own URL, no trailing slash: issuer and audience of the first tenant. Never taken from a Host header. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly rootKey?: string
  readonly databaseUrl?: string
  readonly databaseOwnerUrl?: string
  readonly egressAllow: string
  readonly trustedProxies: readonly string[]
  /** `{connection}.{proxyDomain}` is the proxy alone. Lower case. */
  readonly proxyDomain?: string
  readonly log: 'info' | 'warn' | 'error'
  /** Weaker choices for development: root key in the data folder or the environment. Visible in the log at start. */
  readonly dev: boolean
}

/** One row a setting: the reference page is made from this table. */
export const settings = [
  {
    name: 'VALETKEY_DATA',
    type: 'folder',
    default: './data',
    sentence: 'The data folder: embedded database, socket, remembered root key reference.',
  },
  {
    name: 'VALETKEY_URL',
    type: 'url',
    default: 'http://{host}:{port}',
    sentence: 'The public URL; https unless it is loopback. Issuer and audience of the first tenant.',
  },
  { name: 'VALETKEY_HOST', type: 'address', default: '127.0.0.1', sentence: 'The address to listen on.' },
  { name: 'VALETKEY_PORT', type: 'port', default: '7400', sentence: 'The port to listen on; 0 picks one.' },
  {
    name: 'VALETKEY_ROOT_KEY',
    type: 'reference',
    default: 'what init wrote',
    sentence: 'Where the root key is: `file:/path`; `env:NAME` with --dev only.',
  },
  {
    name: 'VALETKEY_EGRESS_ALLOW',
    type: 'list',
    default: '',
    sentence:
      'Private targets that may be reached: host, host:port, CIDR, CIDR:port; `slug@` in front for another tenant.',
  },
  {
    name: 'VALETKEY_TRUSTED_PROXIES',
    type: 'list',
    default: '',
    sentence: 'CIDRs of reverse proxies; only from these is X-Forwarded-For read.',
  },
  {
    name: 'VALETKEY_PROXY_DOMAIN',
    type: 'host name',
    default: 'none',
    sentence:
      'Below it every host name is a connection of the first tenant: for SDKs that drop the path of their base URL.',
  },
  { name: 'VALETKEY_LOG', type: 'level', default: 'info', sentence: 'info, warn or error.' },
  {
    name: 'DATABASE_URL',
    type: 'url',
    default: 'the embedded database',
    sentence: 'PostgreSQL for serving, with a role that cannot bypass row security.',
  },
  {
    name: 'VALETKEY_DATABASE_OWNER_URL',
    type: 'url',
    default: 'DATABASE_URL',
    sentence: 'PostgreSQL for `valetkey migrate`.',
  },
] as const

export interface ConfigOptions {
  readonly data?: string | undefined
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly config?: string | undefined
  readonly dev?: boolean | undefined
}

/** Reads options, then the environment, then the `--config` file (JSON, the same names); reports all faults at once. */
export function readConfig(options: ConfigOptions, environment: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = []
  let file: Record<string, unknown> = {}
  if (options.config !== undefined) {
    try {
      file = JSON.parse(readFileSync(options.config, 'utf8')) as Record<string, unknown>
    } catch (cause) {
      faults.push(`--config ${options.config}: cannot be read as JSON (${(cause as Error).message}).`)
    }
    const known = new Set<string>(settings.map(setting => setting.name))
    for (const name of Object.keys(file))
      if (!known.has(name))
        faults.push(`${options.config}: ${name} is not a setting. The settings are ${[...known].join(', ')}.`)
  }
  const value = (name: (typeof settings)[number]['name']): string | undefined => {
    const found = environment[name] ?? file[name]
    return found === undefined || found === '' ? undefined : String(found)
  }
  const host = options.host ?? value('VALETKEY_HOST') ?? '127.0.0.1'
  if (isIP(host) === 0 && host !== 'localhost')
    faults.push(`VALETKEY_HOST: "${host}" is not an address. Give an IP address to listen on, e.g. 127.0.0.1.`)
  const portText = options.port ?? value('VALETKEY_PORT') ?? '7400'
  const port = Number(portText)
  if (!/^\d{1,5}$/.test(portText) || port > 65535)
    faults.push(`VALETKEY_PORT: "${portText}" is not a port. Give a number from 0 to 65535.`)
  let url = value('VALETKEY_URL') ?? ''
  if (url !== '') {
    try {
      const parsed = new URL(url)
      if (parsed.protocol !== 'https:' && !(parsed.protocol === 'http:' && isLoopback(parsed.hostname)))
        faults.push(`VALETKEY_URL: ${url} must be https (http is only for loopback).`)
      if (parsed.search !== '' || parsed.hash !== '' || parsed.username !== '')
        faults.push('VALETKEY_URL: no query, fragment or user name may stand in it.')
      url = parsed.href.replace(/\/+$/, '')
    } catch {
      faults.push(`VALETKEY_URL: "${url}" is not a URL.`)
    }
  }
  const proxyDomain = value('VALETKEY_PROXY_DOMAIN')?.toLowerCase()
  if (
    proxyDomain !== undefined &&
    !/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/.test(proxyDomain)
  )
    faults.push(`VALETKEY_PROXY_DOMAIN: "${proxyDomain}" is not a host name. Give one, e.g. proxy.example.com.`)
  else if (proxyDomain !== undefined && URL.parse(url)?.hostname.endsWith(`.${proxyDomain}`) === true)
    faults.push('VALETKEY_PROXY_DOMAIN: the host of VALETKEY_URL must not lie below it, or it would be a connection.')
  const log = value('VALETKEY_LOG') ?? 'info'
  if (log !== 'info' && log !== 'warn' && log !== 'error')
    faults.push(`VALETKEY_LOG: "${log}" is not one of info, warn, error.`)
  for (const name of ['DATABASE_URL', 'VALETKEY_DATABASE_OWNER_URL'] as const) {
    const text = value(name)
    if (text !== undefined && !/^postgres(ql)?:\/\//.test(text))
      faults.push(`${name}: expected postgres://user@host/database.`)
  }
  const rootKey = value('VALETKEY_ROOT_KEY')
  if (rootKey !== undefined && !/^(file|env|awskms|transit):/.test(rootKey))
    faults.push('VALETKEY_ROOT_KEY: expected file:/path/to/key.')
  if (rootKey !== undefined && /^(awskms|transit):/.test(rootKey))
    faults.push('VALETKEY_ROOT_KEY: key services are not supported yet; use file:/path/to/key.')
  if (rootKey?.startsWith('env:') && options.dev !== true)
    faults.push('VALETKEY_ROOT_KEY: env: is for development; start with --dev, or use file:/path/to/key.')
  if (faults.length > 0) throw new ConfigFault(faults)
  const databaseUrl = value('DATABASE_URL')
  const databaseOwnerUrl = value('VALETKEY_DATABASE_OWNER_URL')
  return {
    dataFolder: resolve(options.data ?? value('VALETKEY_DATA') ?? './data'),
    url,
    host,
    port,
    ...(rootKey !== undefined && { rootKey }),
    ...(databaseUrl !== undefined && { databaseUrl }),
    ...(databaseOwnerUrl !== undefined && { databaseOwnerUrl }),
    egressAllow: value('VALETKEY_EGRESS_ALLOW') ?? '',
    trustedProxies: (value('VALETKEY_TRUSTED_PROXIES') ?? '')
      .split(',')
      .map(text => text.trim())
      .filter(text => text !== ''),
    ...(proxyDomain !== undefined && { proxyDomain }),
    log: log as Config['log'],
    dev: options.dev === true,
  }
}

/** Faults of the settings, all of them. */
export class ConfigFault extends Error {
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(
      `The settings have ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map(fault => `  ${fault}`).join('\n')}`,
    )
    this.name = 'ConfigFault'
    this.faults = faults
  }
}

/** Whether a URL's host name is a spelling of loopback. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}
