import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Config } from './config.ts'
import type { TenantId } from './core/ids.ts'
import { createRevocations } from './core/revocations.ts'
import { createAuthenticate } from './edges/http/authenticate.ts'
import { createHttpServer, type HttpServer } from './edges/http/http-server.ts'
import { createProxyHandler } from './edges/http/proxy/proxy-handler.ts'
import { registerSurface } from './edges/http/register-surface.ts'
import { loadCatalogue } from './engines/catalogue/load-catalogue.ts'
import { parseAllowList } from './engines/egress/allow-list.ts'
import type { Egress } from './engines/egress/egress.ts'
import { type EgressOptions, openEgress } from './engines/egress/open-egress.ts'
import { createOAuthClient } from './engines/oauth/oauth-client.ts'
import { openStore } from './engines/store/open-store.ts'
import type { Store } from './engines/store/store.ts'
import type { RootKey } from './engines/vault/root-key.ts'
import { openVault, type Vault } from './engines/vault/vault.ts'
import { openSigners } from './flows/agents/open-signers.ts'
import { expireSessions } from './flows/connect/complete-session.ts'
import { expireGrants } from './flows/grants/expire-grants.ts'
import type { Log } from './log.ts'
import type { Parts } from './parts.ts'
import { createRandom } from './pooled-random.ts'

/** Everything that a running server is made of. */
export interface System {
  readonly parts: Parts
  readonly http: HttpServer
  /** Says where the server listens, before the first request: issuer, audience and links are made from it. */
  setUrl(url: string): void
  /** Finishes in-flight calls, at most `graceMs`, and closes everything. */
  close(graceMs?: number): Promise<void>
}

/** What the world gives; tests pass time in and look over the shoulder of the door out. */
export interface World {
  readonly now?: () => number
  readonly monotonic?: () => number
  readonly log: Log
  readonly egress?: Partial<
    Pick<EgressOptions, 'resolve' | 'dial' | 'headersTimeoutMs' | 'bodyTimeoutMs' | 'connectTimeoutMs' | 'extraCa'>
  >
}

export interface SystemOptions {
  readonly config: Config
  readonly rootKey: RootKey
  readonly nodeId: string
}

/** The folder of the provider entries. */
export const catalogueFolder = fileURLToPath(new URL('../../../catalogue', import.meta.url))

const sweepMs = 15_000

/** Builds the server from the bottom up: engines, then what flows share, then the edge. Listens to nobody yet. */
export async function openSystem(options: SystemOptions, world: World): Promise<System> {
  const { config, rootKey, nodeId } = options
  const now = world.now ?? Date.now
  const monotonic = world.monotonic ?? (() => performance.now())
  const random = createRandom()
  let url = config.url
  const live: Config = {
    ...config,
    get url() {
      return url
    },
  }

  const catalogue = loadCatalogue(catalogueFolder)
  const { store, vault } = await openStoreAndVault(config, rootKey, nodeId, now, random)
  try {
    const egress = openDoor(config, store, world)
    const revocations = createRevocations()
    const base = {
      config: live,
      now,
      monotonic,
      random,
      store,
      vault,
      egress,
      catalogue,
      revocations,
      log: world.log,
      nodeId,
      oauth: createOAuthClient({ random, clock: now }),
    }
    const parts: Parts = { ...base, signers: openSigners(base) }
    const authenticate = createAuthenticate(parts)
    const proxy = createProxyHandler(parts, authenticate)
    const http = await createHttpServer(parts, {
      proxy: proxy.handle,
      register: app => registerSurface(app, parts, authenticate, proxy.counts),
    })
    const sweep = setInterval(() => void sweepTenants(parts), sweepMs)
    sweep.unref()
    return {
      parts,
      http,
      setUrl(listening) {
        if (config.url === '') url = listening
      },
      async close(graceMs = 10_000) {
        clearInterval(sweep)
        await http.close(graceMs)
        await proxy.close()
        await egress.close()
        await store.close()
      },
    }
  } catch (thrown) {
    await store.close()
    throw thrown
  }
}

/**
 * Store and vault need each other, each by a function: the vault's wrapped keys lie in the store, and the store's chain
 * heads carry the vault's MAC.
 */
export async function openStoreAndVault(
  config: Pick<Config, 'dataFolder' | 'databaseUrl'>,
  rootKey: RootKey,
  nodeId: string,
  now: () => number,
  random: (bytes: number) => Buffer,
  mustExist = true,
): Promise<{ readonly store: Store; readonly vault: Vault }> {
  let vault: Vault | undefined
  const keys = () => {
    if (vault === undefined) throw new TypeError('the vault is not open yet')
    return vault
  }
  const headMac = {
    sign: (tenant: TenantId, data: Uint8Array) => keys().mac(tenant, 'audit head', data),
    isGood: (tenant: TenantId, data: Uint8Array, mac: string) => keys().verifyMac(tenant, 'audit head', data, mac),
  }
  const store = await openStore(
    config.databaseUrl === undefined
      ? { kind: 'sqlite', folder: config.dataFolder, nodeId, headMac, mustExist }
      : { kind: 'postgres', url: config.databaseUrl, nodeId, headMac, forServing: true },
    { random, now },
  )
  vault = await openVault({
    rootKey,
    now,
    random,
    loadTenantKeys: tenant => store.asTenant(tenant, rows => rows.keys.tenantKeys()),
    saveTenantKey: (tenant, key) => store.change(tenant, rows => rows.keys.insertTenantKey(key)),
  })
  return { store, vault }
}

function openDoor(config: Config, store: Store, world: World): Egress {
  const allow = parseAllowList(config.egressAllow)
  const database = config.databaseUrl === undefined ? undefined : new URL(config.databaseUrl)
  return openEgress({
    allow: allow.rules,
    async tenantOf(tenant) {
      const known = (await store.locator.tenants()).find(row => row.id === tenant)
      return {
        isFirst: known !== undefined && known.slug === undefined,
        ...(known?.slug !== undefined && { slug: known.slug }),
      }
    },
    ...(database !== undefined && { denied: [{ host: database.hostname, port: Number(database.port || 5432) }] }),
    ...world.egress,
  })
}

/** What is due by time: sessions that nobody completed, grants that ended by themselves, answers kept for replays, what was used once. */
async function sweepTenants(parts: Parts): Promise<void> {
  try {
    for (const tenant of await parts.store.locator.tenants()) {
      await expireSessions(parts, tenant.id)
      await expireGrants(parts, tenant.id)
      await parts.store.change(tenant.id, rows => rows.sweepExpired(parts.now(), 1_000))
    }
  } catch (error) {
    parts.log.warn('what is overdue could not be ended; the next sweep tries again', { error })
  }
}

/** A name for this process among others: it ends up in audit streams and leases. */
export function makeNodeId(): string {
  return `${
    hostname()
      .replaceAll(/[^A-Za-z0-9-]/g, '')
      .slice(0, 24) || 'node'
  }-${randomBytes(5).toString('hex')}`
}
