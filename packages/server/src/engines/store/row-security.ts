import type pg from 'pg'
import { makeId, type TenantId } from '../../core/ids.ts'
import type { Random } from './append.ts'
import { tenantTables } from './migrations.ts'

/**
 * Whether this role could pass by row security: a superuser, one with BYPASSRLS, or one that may become such a role by
 * `set role` or by going back to who it logged in as.
 */
export async function mayBypassRowSecurity(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query(`select exists (
    select from pg_roles where (rolsuper or rolbypassrls)
      and (pg_has_role(current_user, oid, 'member') or pg_has_role(session_user, oid, 'member'))) as may`)
  return rows[0].may
}

/**
 * Proves row security on a connection: first by the catalogue, then by two synthetic tenants in every table, in a
 * transaction that is taken back; then once more on the same, now used, connection. Gives what is wrong, or undefined.
 */
export async function rowSecurityFault(client: pg.ClientBase, random: Random): Promise<string | undefined> {
  return (
    (await catalogueFault(client)) ??
    (await liveFault(client, random)) ??
    (await leftoverFault(client)) ??
    (await liveFault(client, random)) ??
    (await leftoverFault(client))
  )
}

const names = Object.keys(tenantTables)

async function catalogueFault(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query(
    `select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
       (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies,
       (select count(*)::int from pg_policy p where p.polrelid = c.oid and p.polcmd = '*' and p.polroles = '{0}'
          and pg_get_expr(p.polqual, p.polrelid) = pg_get_expr(p.polwithcheck, p.polrelid)
          and strpos(pg_get_expr(p.polqual, p.polrelid), 'current_setting(''valetkey.tenant''') > 0) as good
     from pg_class c where c.oid = any (select to_regclass(n) from unnest($1::text[]) n)`,
    [names],
  )
  const found = new Map(rows.map(row => [row.name, row]))
  for (const name of names) {
    const row = found.get(name)
    if (row === undefined) return `table ${name} is missing`
    if (!row.forced) return `table ${name} has no forced row security`
    if (row.policies !== 1 || row.good !== 1) return `table ${name} has another policy than ours`
  }
  return undefined
}

/** Which of two tenants' rows a connection sees, table by table. */
async function liveFault(client: pg.ClientBase, random: Random): Promise<string | undefined> {
  const [one, other] = [makeId('ten', 0, random(10)), makeId('ten', 0, random(10))] as [TenantId, TenantId]
  const columns = await requiredColumns(client)
  await client.query('begin')
  try {
    for (const tenant of [one, other]) {
      await setTenant(client, tenant)
      for (const name of names) await client.query(probeRow(client, name, columns.get(name) ?? [], tenant))
    }
    for (const name of names) {
      const seen = await tenantsSeen(client, name, [one, other])
      if (seen.length !== 1 || seen[0] !== other) return `table ${name} shows rows of another tenant`
    }
    await client.query('savepoint wrong')
    const isRefused = await client.query(probeRow(client, 'users', columns.get('users') ?? [], one)).then(
      () => false,
      error => error.code === '42501',
    )
    if (!isRefused) return 'a row of another tenant can be written'
    await client.query('rollback to savepoint wrong')
    await setTenant(client, '')
    for (const name of names) {
      if ((await tenantsSeen(client, name, [one, other])).length > 0) return `table ${name} shows rows without a tenant`
    }
    return undefined
  } finally {
    await client.query('rollback')
  }
}

/** After a transaction: no tenant is set any more, and no table shows a row. */
async function leftoverFault(client: pg.ClientBase): Promise<string | undefined> {
  const { rows } = await client.query(
    `select ${names.map(name => `exists (select from ${client.escapeIdentifier(name)})`).join(' or ')} as any_row,
       coalesce(current_setting('valetkey.tenant', true), '') as tenant`,
  )
  if (rows[0].tenant !== '') return 'the tenant of a transaction outlives it'
  return rows[0].any_row ? 'a table shows rows without a tenant' : undefined
}

async function setTenant(client: pg.ClientBase, tenant: string): Promise<void> {
  await client.query(`select set_config('valetkey.tenant', $1, true)`, [tenant])
}

async function tenantsSeen(client: pg.ClientBase, name: string, among: readonly string[]): Promise<string[]> {
  const { rows } = await client.query(
    `select tenant_id from ${client.escapeIdentifier(name)} where tenant_id = any ($1::text[])`,
    [among],
  )
  return rows.map(row => row.tenant_id)
}

async function requiredColumns(client: pg.ClientBase): Promise<Map<string, { name: string; isText: boolean }[]>> {
  const { rows } = await client.query(
    `select c.relname as table, a.attname as name, a.atttypid = 'text'::regtype as is_text
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and a.attnotnull and not a.attisdropped
     where c.oid = any (select to_regclass(n) from unnest($1::text[]) n) and a.attname <> 'tenant_id'`,
    [names],
  )
  const columns = new Map<string, { name: string; isText: boolean }[]>()
  for (const { table, name, is_text } of rows) {
    columns.set(table, [...(columns.get(table) ?? []), { name, isText: is_text }])
  }
  return columns
}

function probeRow(
  client: pg.ClientBase,
  table: string,
  columns: readonly { name: string; isText: boolean }[],
  tenant: TenantId,
): pg.QueryConfig {
  const list = ['tenant_id', ...columns.map(column => client.escapeIdentifier(column.name))].join(', ')
  const values = ['$1', ...columns.map(column => (column.isText ? `'probe'` : '0'))].join(', ')
  return { text: `insert into ${client.escapeIdentifier(table)} (${list}) values (${values})`, values: [tenant] }
}
