import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/**
 * The rules of the house, read from the imports (ARCHITECTURE.md). A rule that is wrong is changed here, in the change
 * that needs it.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'packages/server/src')

interface SourceFile {
  /** Relative to packages/server/src. */
  readonly path: string
  readonly text: string
  readonly imports: readonly string[]
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry =>
    entry.isDirectory()
      ? filesOf(join(folder, entry.name))
      : entry.name.endsWith('.ts')
        ? [join(folder, entry.name)]
        : [],
  )
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|[^.\w])import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g

function importsOf(text: string): string[] {
  return [...text.matchAll(importPattern)].map(match => (match[1] ?? match[2] ?? match[3])!)
}

function isTest(path: string): boolean {
  return /\.(test|fixture)\.ts$|\.test-[a-z-]+\.ts$|(^|\/)test-[a-z-]+\.ts$/.test(path)
}

const all: readonly SourceFile[] = filesOf(source).map(path => {
  const text = readFileSync(path, 'utf8')
  return { path: relative(source, path), text, imports: importsOf(text) }
})
const files = all.filter(file => !isTest(file.path))

/** Where an import leads, relative to packages/server/src; undefined for packages. */
function targetOf(file: SourceFile, specifier: string): string | undefined {
  return specifier.startsWith('.') ? relative(source, resolve(source, dirname(file.path), specifier)) : undefined
}

const floors = ['core', 'engines', 'flows', 'edges', 'process'] as const
type Floor = (typeof floors)[number]

function floorOf(path: string): Floor | 'root' {
  const first = path.split('/')[0]!
  return (floors as readonly string[]).includes(first) ? (first as Floor) : 'root'
}

/** What lies at the root: the wiring, and the words that every floor above core may use as types. */
const words: Readonly<Record<string, readonly (Floor | 'root')[]>> = {
  'parts.ts': ['flows', 'edges', 'process', 'root'],
  'config.ts': ['flows', 'edges', 'process', 'root'],
  'log.ts': ['flows', 'edges', 'process', 'root'],
  'pooled-random.ts': ['root', 'process'],
  'system.ts': ['process', 'root'],
  'main.ts': [],
}

/** Every import that goes up, and where it goes. */
function climbs(these: readonly SourceFile[]): string[] {
  return these.flatMap(file =>
    file.imports.flatMap(specifier => {
      const target = targetOf(file, specifier)
      if (target === undefined || target === '../package.json') return []
      const from = floorOf(file.path)
      const to = floorOf(target)
      const isAllowed =
        to === 'root'
          ? (words[target]?.includes(from) ?? false)
          : from === 'root' || floors.indexOf(to) <= floors.indexOf(from as Floor)
      return isAllowed ? [] : [`${file.path} → ${target}`]
    }),
  )
}

function breaks(pattern: RegExp, allowed: (path: string) => boolean, among: readonly SourceFile[] = files): string[] {
  return among.flatMap(file =>
    allowed(file.path) ? [] : file.imports.filter(name => pattern.test(name)).map(name => `${file.path} → ${name}`),
  )
}

describe('the floors', () => {
  it('are there to be read: the walk finds every floor', () => {
    for (const floor of floors) expect(files.some(file => floorOf(file.path) === floor)).toBe(true)
    expect(files.length).toBeGreaterThan(100)
  })

  it('are imported downwards only', () => {
    expect(climbs(files)).toEqual([])
  })

  it('would show an import that goes up', () => {
    const bad: SourceFile = { path: 'core/bad.ts', text: '', imports: ['../flows/grants/make-grant.ts', '../parts.ts'] }
    expect(climbs([bad])).toHaveLength(2)
  })

  it('keep engines apart: none imports another', () => {
    const found = files.flatMap(file =>
      file.imports.flatMap(specifier => {
        const target = targetOf(file, specifier)
        if (floorOf(file.path) !== 'engines' || target === undefined || floorOf(target) !== 'engines') return []
        return file.path.split('/')[1] === target.split('/')[1] ? [] : [`${file.path} → ${target}`]
      }),
    )
    expect(found).toEqual([])
  })

  it('let nobody call the broker from another flow', () => {
    const found = files.flatMap(file =>
      file.imports.flatMap(specifier => {
        const target = targetOf(file, specifier)
        const isForeign = file.path.startsWith('flows/') && !file.path.startsWith('flows/broker/')
        return isForeign && target?.startsWith('flows/broker/') ? [`${file.path} → ${target}`] : []
      }),
    )
    expect(found).toEqual([])
  })
})

describe('each ability has one room', () => {
  it('SQL and databases: engines/store', () => {
    expect(breaks(/^(kysely|pg|pg-.*|node:sqlite)$/, path => path.startsWith('engines/store/'))).toEqual([])
    const sql =
      /[`'"]\s*(select\s+[\w*"]|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|create\s+table\s|pragma\s)/i
    expect(
      files.filter(file => !file.path.startsWith('engines/store/') && sql.test(file.text)).map(file => file.path),
    ).toEqual([])
  })

  it('sockets to the outside: engines/egress', () => {
    expect(
      breaks(
        /^(undici|node:net|node:tls|node:dns.*|node:http2|node:dgram)$/,
        path => path.startsWith('engines/egress/') || onlyJudges.has(path),
      ),
    ).toEqual([])
    // Servers listen; only the edge may, and it dials nobody.
    expect(
      breaks(
        /^node:https?$/,
        path => path.startsWith('edges/http/') || path.startsWith('engines/egress/') || typesOnly(path),
      ),
    ).toEqual([])
    const calls = files.filter(
      file =>
        !file.path.startsWith('edges/cli/') && !file.path.startsWith('process/') && /(?<![.\w])fetch\(/.test(file.text),
    )
    expect(calls.map(file => file.path)).toEqual([])
  })

  it('ciphers and private keys: engines/vault and engines/signer', () => {
    const cipher =
      /\b(createCipheriv|createDecipheriv|hkdf(Sync)?|createPrivateKey|generateKeyPair(Sync)?|createSign|privateDecrypt)\b/
    const found = files
      .filter(file => cipher.test(file.text) && !/^engines\/(vault|signer)\//.test(file.path))
      .map(file => file.path)
    // A client assertion to a provider (RFC 7523) is signed where the request is built; the key of our listener's
    // certificate is only compared with the certificate.
    const others = ['engines/oauth/client-authentication.ts', 'edges/http/tls-files.ts']
    expect(found.filter(path => !others.includes(path))).toEqual([])
  })

  it('the outside clock and randomness do not reach core', () => {
    const world =
      /\b(Date\.now|performance\.now|new Date\(\)|Math\.random|randomBytes|randomUUID|setTimeout|setInterval|process\.)/
    expect(
      files
        .filter(file => floorOf(file.path) === 'core' && world.test(withoutComments(file.text)))
        .map(file => file.path),
    ).toEqual([])
  })

  it('nobody re-exports: import the file that owns the thing', () => {
    expect(files.filter(file => /(^|\/)index\.ts$/.test(file.path)).map(file => file.path)).toEqual([])
    expect(
      files
        .filter(file => /(^|\/)(utils?|helpers?|common|shared|manager|service|base)(\.ts|\/)/.test(file.path))
        .map(file => file.path),
    ).toEqual([])
    expect(all.filter(file => /^export default/m.test(file.text)).map(file => file.path)).toEqual([])
  })
})

describe('data, not branches', () => {
  const ids = readdirSync(join(root, 'catalogue'))
    .filter(name => name.endsWith('.json') && name !== 'schema.json')
    .map(name => name.slice(0, -5))

  it('no provider id is a literal in code', () => {
    expect(ids.length).toBeGreaterThanOrEqual(7)
    const literal = new RegExp(`(['"\`])(${ids.join('|')})\\1`)
    const inCode = files.filter(file => literal.test(withoutComments(file.text))).map(file => file.path)
    // The demo and the examples of --help name services to people; neither decides by them.
    expect(inCode.filter(path => !path.startsWith('process/demo') && !path.startsWith('edges/cli/'))).toEqual([])
  })
})

describe('secrets are opened in few places', () => {
  it('reveal() is called only where bytes leave, are sealed or are hashed', () => {
    const places = files.filter(file => /\.reveal\(\)/.test(file.text)).map(file => file.path)
    for (const path of places)
      expect(path).toMatch(
        /^(core\/(secret|scrub|token)|engines\/(vault|signer|oauth)|flows\/|edges\/http\/(api|oauth|proxy)|process\/)/,
      )
  })
})

/** Files that use node:net or node:tls to judge an address or a certificate, not to open a socket. */
const onlyJudges = new Set([
  'edges/http/tls-files.ts',
  'edges/http/client-address.ts',
  'edges/http/oauth/failed-attempts.ts',
  'config.ts',
])

function typesOnly(path: string): boolean {
  const file = files.find(other => other.path === path)!
  return [...file.text.matchAll(/import\s+(type\s)?[^'"]*from\s*['"]node:https?['"]/g)].every(
    match => match[1] !== undefined,
  )
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '')
}
