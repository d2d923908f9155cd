import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { databases, type TestDatabase } from '../../../../../test/databases.ts'
import { type Id, makeId, type TenantId, type UserId } from '../../core/ids.ts'
import { migratePostgres } from './migrate-postgres.ts'
import { expectedVersion, openTables, tenantTables } from './migrations.ts'
import { openStore } from './open-store.ts'

let clock = 1_700_000_000_000
const id = <P extends string>(prefix: P): Id<P> => makeId(prefix, clock++, randomBytes(10))
const postgres = databases().find(kind => kind.name === 'postgres')!

let database: TestDatabase
const [one, two]: [TenantId, TenantId] = [id('ten'), id('ten')]
const ada: UserId = id('usr')
const event = { id: id('evt'), time: '2026-01-01T00:00:00.000Z', type: 'access.allowed', outcome: 'allowed' } as const

beforeAll(async () => {
  database = await postgres.open()
  const { store } = database
  await store.createTenant({ id: one, name: 'One', createdAt: 1 })
  await store.createTenant({ id: two, slug: 'two', name: 'Two', createdAt: 1 })
  await store.change(one, async rows => {
    await rows.users.insert({ id: ada, tenant: one, externalId: 'ada', createdAt: 1, updatedAt: 1 })
    await rows.audit.append([event])
  })
})
afterAll(() => database?.close())

async function onClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const asServer = <T>(work: (client: pg.Client) => Promise<T>) => onClient(database.urls!.servingUrl, work)

test('another tenant’s ids are unknown, to read, to write and to list (row 83, P6)', async () => {
  const { store } = database
  await store.asTenant(two, async rows => {
    expect(await rows.users.get(ada)).toBeUndefined()
    expect(await rows.users.byExternalId('ada')).toBeUndefined()
    expect(await rows.users.list({ limit: 9 })).toEqual({ rows: [] })
    expect(await rows.audit.get(event.id)).toBeUndefined()
    expect((await rows.audit.query({ limit: 9 })).rows).toEqual([])
    expect(await rows.tenantRow()).toEqual({ id: two, slug: 'two', name: 'Two', createdAt: 1 })
  })
  const taken = { id: ada, tenant: two, externalId: 'mallory', createdAt: 1, updatedAt: 1 }
  await expect(store.change(two, rows => rows.users.update(taken))).rejects.toMatchObject({ code: 'not_found' })
  expect(await store.asTenant(one, rows => rows.users.get(ada))).toMatchObject({ externalId: 'ada' })
  expect(await store.locator.tenantBySlug('two')).toBe(two)
  expect(await store.locator.firstTenant()).toBe(one)
})

test('without a tenant set, no table of tenants shows or takes a row (row 83, P6)', async () => {
  await asServer(async client => {
    for (const table of Object.keys(tenantTables)) {
      expect((await client.query(`select * from ${table}`)).rows, table).toEqual([])
    }
    await expect(
      client.query(`insert into tenants (tenant_id, name, created_at) values ('ten_x', 'x', 1)`),
    ).rejects.toMatchObject({ code: '42501' })
    expect((await client.query(`update tenants set name = 'mine'`)).rowCount).toBe(0)
  })
})

test('a query that forgot its tenant condition still stays within the tenant that is set (row 83, P6)', async () => {
  await asServer(async client => {
    await client.query(`begin; select set_config('valetkey.tenant', '${two}', true)`)
    expect((await client.query('select tenant_id from tenants')).rows).toEqual([{ tenant_id: two }])
    await expect(
      client.query(`insert into used_once (tenant_id, purpose, key_hash, expires_at) values ('${one}', 'a', 'b', 1)`),
    ).rejects.toMatchObject({ code: '42501' })
    await client.query('rollback')
    expect((await client.query('select * from tenants')).rows).toEqual([])
  })
})

test('a failed change leaves no tenant on its connection', async () => {
  const store = await database.reopen({ poolSize: 2 })
  for (let round = 0; round < 5; round++) {
    await expect(
      store.change(one, async rows => {
        await rows.users.list({ limit: 1 })
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(await store.asTenant(two, rows => rows.users.list({ limit: 9 }))).toEqual({ rows: [] })
    expect(await store.locator.tenants()).toHaveLength(2)
  }
  await store.close()
})

test('a text that is no tenant id never reaches the database', async () => {
  for (const bad of [`x', true); drop table users; --`, '', 'ten_', `${one}'`]) {
    await expect(database.store.asTenant(bad as TenantId, rows => rows.tenantRow())).rejects.toThrow(TypeError)
  }
})

test('the serving role has rows only: no tables, no truncate, no change to the record (P6)', async () => {
  const refused = [
    'create table mine (a int)',
    'drop table users',
    'alter table users disable row level security',
    'alter table users no force row level security',
    'drop policy by_tenant on users',
    'truncate users',
    `update audit_events set outcome = 'denied'`,
    'delete from audit_events',
    `update audit_salts set salts = '{}'`,
    'delete from audit_salts',
    'delete from audit_streams',
    'delete from grants',
    `update locator set tenant_id = 'ten_x'`,
    'delete from locator',
    `update schema_version set version = 0`,
    `set role ${new URL(database.urls!.ownerUrl).username}`,
    'set session_replication_role = replica',
  ]
  await asServer(async client => {
    for (const statement of refused) {
      await expect(client.query(statement), statement).rejects.toMatchObject({ code: '42501' })
    }
  })
})

test('even the owner of the tables sees no rows without a tenant (P6)', async () => {
  await onClient(database.urls!.ownerUrl, async client => {
    expect((await client.query('select * from users')).rows).toEqual([])
  })
})

test('the locator holds no more than kind, key and tenant', async () => {
  const rows = await database.raw(
    `select column_name from information_schema.columns where table_name = 'locator' order by column_name`,
  )
  expect(rows.map(row => row.column_name)).toEqual(['key', 'kind', 'tenant_id'])
  expect(Object.keys(openTables)).toEqual(['locator', 'schema_version'])
})

test('every table begins its primary key with the tenant, has forced row security, and no foreign key', async () => {
  const keys = await database.raw(`select c.relname, a.attname, c.relforcerowsecurity as forced from pg_index i
    join pg_class c on c.oid = i.indrelid join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where i.indisprimary and c.relnamespace = 'public'::regnamespace`)
  const ours = keys.filter(row => !(String(row.relname) in openTables))
  expect(ours.map(row => row.relname).sort()).toEqual(Object.keys(tenantTables).sort())
  for (const row of ours) expect(row).toMatchObject({ attname: 'tenant_id', forced: true })
  expect(await database.raw(`select conname from pg_constraint where contype = 'f'`)).toEqual([])
})

test('a role that can pass by row security does not serve', async () => {
  const { adminUrl, ownerUrl, servingUrl } = database.urls!
  const serve = (url: string) => openStore({ kind: 'postgres', url, nodeId: 'x', forServing: true })
  await expect(serve(adminUrl)).rejects.toThrow('neither superuser nor BYPASSRLS')
  // Roles of its own: those of the run belong to every test.
  const [role, group] = [randomBytes(4), randomBytes(4)].map(bytes => `valetkey_role_${bytes.toString('hex')}`)
  const own = new URL(servingUrl)
  own.username = role!
  own.password = 'own'
  try {
    await database.raw(`create role ${role} login password 'own'`)
    await database.raw(`create role ${group} bypassrls`)
    await migratePostgres({ ownerUrl, servingUrl: own.href })
    await (await serve(own.href)).close()
    await database.raw(`alter role ${role} bypassrls`)
    await expect(serve(own.href)).rejects.toThrow('neither superuser nor BYPASSRLS')
    await database.raw(`alter role ${role} nobypassrls`)
    await database.raw(`grant ${group} to ${role}`)
    await expect(serve(own.href)).rejects.toThrow('neither superuser nor BYPASSRLS')
    // Who only looks (doctor, init) is told by `health`.
    const looking = await openStore({ kind: 'postgres', url: own.href, nodeId: 'x' })
    expect(await looking.health()).toMatchObject({ mayBypassRowSecurity: true })
    await looking.close()
  } finally {
    await database.raw(`drop owned by ${role}`)
    await database.raw(`drop role ${role}`)
    await database.raw(`drop role ${group}`)
  }
})

test('a server does not start where row security does not hold, table by table', async () => {
  const serve = () => openStore({ kind: 'postgres', url: database.urls!.servingUrl, nodeId: 'x', forServing: true })
  const breaks: [string, string][] = [
    ['alter table credentials no force row level security', 'alter table credentials force row level security'],
    ['alter table grants disable row level security', 'alter table grants enable row level security'],
    ['create policy open on users using (true)', 'drop policy open on users'],
    [
      'alter policy by_tenant on tasks using (true) with check (true)',
      `alter policy by_tenant on tasks using (tenant_id = nullif(current_setting('valetkey.tenant', true), ''))
        with check (tenant_id = nullif(current_setting('valetkey.tenant', true), ''))`,
    ],
    [
      `alter policy by_tenant on tasks using (tenant_id = current_setting('valetkey.tenant', true) or true)
        with check (tenant_id = current_setting('valetkey.tenant', true) or true)`,
      `alter policy by_tenant on tasks using (tenant_id = nullif(current_setting('valetkey.tenant', true), ''))
        with check (tenant_id = nullif(current_setting('valetkey.tenant', true), ''))`,
    ],
  ]
  for (const [broken, mended] of breaks) {
    await database.raw(broken)
    await expect(serve(), broken).rejects.toThrow('Row security does not keep tenants apart')
    expect(await database.store.health(), broken).toMatchObject({ rowSecurityProven: false })
    await database.raw(mended)
    await (await serve()).close()
  }
})

test('a database that is not migrated, or newer, or not there is refused in one clear line', async () => {
  const url = new URL(database.urls!.servingUrl)
  url.pathname = '/postgres'
  await expect(openStore({ kind: 'postgres', url: url.href, nodeId: 'x' })).rejects.toThrow('valetkey migrate')
  url.port = '1'
  await expect(openStore({ kind: 'postgres', url: url.href, nodeId: 'x' })).rejects.toThrow('No connection')
  await database.raw('insert into schema_version values (999, 1)')
  await expect(openStore({ ...database.options })).rejects.toThrow('newer Valetkey')
  await expect(migratePostgres({ ownerUrl: database.urls!.ownerUrl })).rejects.toThrow('schema version 999')
  await database.raw('delete from schema_version where version = 999')
})

test('migrations that run at once, or again, end in the same schema', async () => {
  const fresh = await postgres.open()
  try {
    const { ownerUrl, servingUrl, adminUrl } = fresh.urls!
    await fresh.store.close()
    await onClient(adminUrl, async client => {
      await client.query('drop schema public cascade; create schema public')
      await client.query(`grant all on schema public to ${new URL(ownerUrl).username}`)
    })
    await expect(migratePostgres({ ownerUrl, servingUrl })).rejects.toThrow('Grant it usage by hand')
    await onClient(adminUrl, async client => {
      await client.query('drop schema public cascade; create schema public authorization pg_database_owner')
    })
    const done = await Promise.all([1, 2, 3].map(() => migratePostgres({ ownerUrl, servingUrl })))
    expect(done.map(one => one.from).sort()).toEqual([0, expectedVersion, expectedVersion])
    expect(await migratePostgres({ ownerUrl, servingUrl })).toEqual({
      from: expectedVersion,
      to: expectedVersion,
      servingRole: new URL(servingUrl).username,
    })
    await (await fresh.reopen()).close()
    // One role for both: it owns the tables, and forced row security holds for it, too.
    expect(await migratePostgres({ ownerUrl, servingUrl: ownerUrl })).toEqual({
      from: expectedVersion,
      to: expectedVersion,
    })
    const store = await openStore({ kind: 'postgres', url: ownerUrl, nodeId: 'x', forServing: true })
    await store.close()
  } finally {
    await fresh.close()
  }
})

test('nodes append to streams of their own and to the one of changes, and all verify', async () => {
  const other = await database.reopen({ nodeId: 'two' })
  const events = (count: number) =>
    Array.from({ length: count }, () => ({ ...event, id: id('evt'), time: new Date(clock++).toISOString() }))
  await Promise.all([
    ...events(50).map(one => database.store.record(two, { event: one })),
    ...events(50).map(one => other.record(two, { event: one })),
    ...events(20).map(one => database.store.change(two, rows => rows.audit.append([one]))),
    ...events(20).map(one => other.change(two, rows => rows.audit.append([one]))),
  ])
  expect(await other.asTenant(two, rows => rows.audit.verify())).toMatchObject({ ok: true, events: 140 })
  const streams = await database.raw('select stream, seq from audit_streams where tenant_id = ? order by stream', [two])
  expect(streams.map(row => [row.stream, Number(row.seq)])).toEqual([
    ['changes', 40],
    ['node:one', 50],
    ['node:two', 50],
  ])
  await other.close()
})

test('changes that read through the pool meanwhile do not use it up', async () => {
  const store = await database.reopen({ poolSize: 2 })
  const found = await Promise.all(
    Array.from({ length: 20 }, () =>
      store.change(one, () => store.asTenant(one, rows => rows.users.byExternalId('ada'))),
    ),
  )
  expect(found.every(user => user?.id === ada)).toBe(true)
  await store.close()
})

test('a connection that is cut is an unavailable store for who waited on it, and for nobody after', async () => {
  const store = await database.reopen({ poolSize: 2, nodeId: 'cut' })
  const cut = () =>
    database.raw(
      'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
    )
  await expect(
    store.change(one, async rows => {
      await cut()
      await rows.users.byExternalId('ada')
    }),
  ).rejects.toMatchObject({ code: 'unavailable' })
  expect(await store.record(one, { event: { ...event, id: id('evt') } })).toBe('recorded')
  await cut()
  await expect.poll(() => store.asTenant(one, rows => rows.users.get(ada)).catch(() => undefined)).toBeDefined()
  expect(await store.asTenant(one, rows => rows.audit.verify())).toMatchObject({ ok: true })
  await store.close()
})

test('what could be a secret has a column for its sealed or hashed form only (rows 25 and 26)', async () => {
  const rows = await database.raw(`select column_name as name from information_schema.columns
    where table_schema = 'public' and column_name ~ '(token|secret|verifier|nonce|state|code|password|private|link|wrapped)'`)
  const names = new Set(rows.map(row => String(row.name)))
  expect([...names].filter(name => !/^sealed_|_hash$/.test(name))).toEqual(['wrapped'])
  expect(names.size).toBeGreaterThan(8)
})
