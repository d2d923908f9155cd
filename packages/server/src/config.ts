import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { suggest } from './edges/cli/suggest.ts'
import { parseTrustedProxies } from './edges/http/client-address.ts'
import { readTlsFiles, type TlsPaths } from './edges/http/tls-files.ts'
import { parseAllowList } from './engines/egress/allow-list.ts'

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
  /** The server speaks TLS itself. Absolute paths of PEM files. */
  readonly tls?: TlsPaths
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
    default: 'http://{host}:{port}, https with TLS',
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
  {
    name: 'VALETKEY_TLS_CERT',
    type: 'file',
    default: 'none',
    sentence:
      'With VALETKEY_TLS_KEY the server speaks TLS itself (1.2 and 1.3): the PEM chain, its own certificate first. SIGHUP reads both files again.',
  },
  {
    name: 'VALETKEY_TLS_KEY',
    type: 'file',
    default: 'none',
    sentence:
      'The private key of that certificate, PEM without a passphrase, not readable by everybody (0600 or 0640).',
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

/** Settings of the contract that this version cannot keep. To take one and ignore it would promise what is not done. */
const notServed: readonly {
  readonly name: string
  readonly isFine?: (value: string) => boolean
  readonly fault: string
}[] = [
  {
    name: 'VALETKEY_WORKERS',
    isFine: value => value === '1',
    fault: 'more than one worker is not available yet. Unset it, or set 1; on PostgreSQL, start further nodes instead.',
  },
  {
    name: 'VALETKEY_METRICS_PORT',
    fault: 'a port for metrics is not available yet. Unset it.',
  },
]

/** Of the environment, what other commands and the tests read, and what Kubernetes sets for a service named valetkey. */
const ofOthers =
  /^VALETKEY_(CLIENT_ID|CLIENT_SECRET|TOKEN|DEMO_.+|TEST_.+|SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_.+)$/

export interface ConfigOptions {
  readonly data?: string | undefined
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly config?: string | undefined
  readonly dev?: boolean | undefined
  /** For a command that opens the whole server: the public URL must be known then. */
  readonly serves?: boolean | undefined
  /** For the command that listens: what the listener needs is looked at now. */
  readonly listens?: boolean | undefined
}

/** Reads options, then the environment, then the `--config` file (JSON, the same names); reports all faults at once. */
export function readConfig(options: ConfigOptions, environment: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = []
  const file = options.config === undefined ? {} : readSettingsFile(options.config, faults)
  const given = (name: string): string | undefined => {
    const found = environment[name] ?? file[name]
    return found === undefined || found === '' ? undefined : String(found)
  }
  const value = (name: (typeof settings)[number]['name']): string | undefined => given(name)
  for (const name of Object.keys(file)) if (!isKnown(name)) faults.push(`${options.config}: ${unknownSetting(name)}`)
  const named = /^env:(.+)$/.exec(value('VALETKEY_ROOT_KEY') ?? '')?.[1]
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('VALETKEY_') || environment[name] === undefined) continue
    if (!isKnown(name) && !ofOthers.test(name) && name !== named) faults.push(unknownSetting(name))
  }
  for (const { name, isFine, fault } of notServed) {
    const set = given(name)
    if (set !== undefined && isFine?.(set) !== true) faults.push(`${name}: ${fault}`)
  }
  const host = options.host ?? value('VALETKEY_HOST') ?? '127.0.0.1'
  if (isIP(host) === 0 && host !== 'localhost')
    faults.push(`VALETKEY_HOST: "${host}" is not an address. Give an IP address to listen on, e.g. 127.0.0.1.`)
  const portText = options.port ?? value('VALETKEY_PORT') ?? '7400'
  const port = Number(portText)
  if (/^tcp:\/\//.test(portText))
    faults.push(
      `VALETKEY_PORT: "${portText}" was set by Kubernetes for a service of the name valetkey. Set enableServiceLinks: false, or VALETKEY_PORT to a number.`,
    )
  else if (!/^\d{1,5}$/.test(portText) || port > 65535)
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
  if (url === '' && options.serves === true && isIP(host) !== 0 && !isLoopback(host.includes(':') ? `[${host}]` : host))
    faults.push(`VALETKEY_URL: it is needed when listening on ${host}. Give the public https URL of this server.`)
  const tls = tlsPaths(value('VALETKEY_TLS_CERT'), value('VALETKEY_TLS_KEY'), faults)
  if (tls !== undefined && options.listens === true) faults.push(...readTlsFiles(tls).faults)
  if (tls !== undefined && url.startsWith('http:'))
    faults.push(`VALETKEY_URL: ${url} must be https, for with VALETKEY_TLS_CERT this server speaks nothing else.`)
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
  const egressAllow = value('VALETKEY_EGRESS_ALLOW') ?? ''
  faults.push(...parseAllowList(egressAllow).faults)
  const trustedProxies = (value('VALETKEY_TRUSTED_PROXIES') ?? '')
    .split(',')
    .map(text => text.trim())
    .filter(text => text !== '')
  faults.push(...parseTrustedProxies(trustedProxies).faults.map(fault => `VALETKEY_TRUSTED_PROXIES: ${fault}`))
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
    egressAllow,
    trustedProxies,
    ...(proxyDomain !== undefined && { proxyDomain }),
    ...(tls !== undefined && { tls }),
    log: log as Config['log'],
    dev: options.dev === true,
  }
}

/** One without the other serves nothing. */
function tlsPaths(cert: string | undefined, key: string | undefined, faults: string[]): TlsPaths | undefined {
  if (cert !== undefined && key !== undefined) return { certPath: resolve(cert), keyPath: resolve(key) }
  if (cert !== undefined)
    faults.push('VALETKEY_TLS_KEY: it is needed with VALETKEY_TLS_CERT. Give the PEM file of the key.')
  if (key !== undefined)
    faults.push('VALETKEY_TLS_CERT: it is needed with VALETKEY_TLS_KEY. Give the PEM file of the chain.')
  return undefined
}

/** The `--config` file; what is wrong with it is added to `faults`. */
function readSettingsFile(path: string, faults: string[]): Readonly<Record<string, unknown>> {
  try {
    const file: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof file !== 'object' || file === null || Array.isArray(file)) {
      faults.push(`--config ${path}: expected one JSON object of settings by name.`)
      return {}
    }
    const odd = Object.entries(file).filter(([, value]) => !['string', 'number', 'boolean'].includes(typeof value))
    for (const [name] of odd) faults.push(`${path}: ${name} must be a string or a number.`)
    return Object.fromEntries(Object.entries(file).filter(entry => !odd.some(([name]) => name === entry[0])))
  } catch (cause) {
    faults.push(`--config ${path}: cannot be read as JSON (${(cause as Error).message}).`)
    return {}
  }
}

function isKnown(name: string): boolean {
  return settings.some(setting => setting.name === name) || notServed.some(setting => setting.name === name)
}

/** Without the prefix that all share, a small difference stays a small one. */
function unknownSetting(name: string): string {
  const bare = (text: string) => text.replace(/^VALETKEY_/, '')
  const known = settings.map(setting => setting.name)
  const [near] = suggest(bare(name).toUpperCase(), known.map(bare))
  const meant = known.find(setting => bare(setting) === near)
  return meant === undefined
    ? `${name} is not a setting. The settings are ${known.join(', ')}.`
    : `${name} is not a setting. Did you mean ${meant}?`
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
