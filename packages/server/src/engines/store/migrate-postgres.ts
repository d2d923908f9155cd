import pg from 'pg'
import { Failure } from '../../core/failure.ts'
import { expectedVersion, openTables, spelled, stepsFrom, tenantTables, versionTable } from './migrations.ts'
import { connectionConfig } from './postgres-pool.ts'

export interface MigrateOptions {
  /** A role that owns the tables, or may create them. */
  readonly ownerUrl: string
  /** The role that the server connects with, when it is another one. */
  readonly servingUrl?: string
  readonly now?: () => number
}

export interface Migrated {
  readonly from: number
  readonly to: number
  /** The role that got its rights, when it is not the owner. */
  readonly servingRole?: string
}

/** Any number will do, as long as every Valetkey uses the same one. */
const lockNumber = 7_385_327_401

/**
 * Brings the schema up to date and gives the serving role what it needs: rows, and neither tables nor `truncate`. Two at
 * once wait for each other; a step is done whole or not at all, and running it again changes nothing.
 */
export async function migratePostgres({ ownerUrl, servingUrl, now = Date.now }: MigrateOptions): Promise<Migrated> {
  const serving = servingUrl === undefined ? undefined : await whoIs(servingUrl, 'DATABASE_URL')
  return withClient(ownerUrl, 'VALETKEY_DATABASE_OWNER_URL', async client => {
    const owner = await identityOf(client)
    if (owner.version < 150_000) throw refusal('PostgreSQL 15 or newer is needed')
    if (serving !== undefined && serving.database !== owner.database) {
      throw refusal(`DATABASE_URL names database ${serving.database} and the owner's URL ${owner.database}`)
    }
    await client.query('select pg_advisory_lock($1)', [lockNumber])
    try {
      const from = await migrate(client, now)
      if (serving === undefined || serving.role === owner.role) return { from, to: expectedVersion }
      await grant(client, serving.role)
      return { from, to: expectedVersion, servingRole: serving.role }
    } finally {
      await client.query('select pg_advisory_unlock($1)', [lockNumber])
    }
  })
}

/** The version of the schema, or undefined where there are no tables of ours (or none that this role may see). */
export async function schemaVersionOf(client: pg.ClientBase): Promise<number | undefined> {
  const { rows } = await client.query(`select to_regclass('schema_version') is not null as is_there`)
  if (!rows[0].is_there) return undefined
  const found = await client.query('select max(version) as version from schema_version')
  return Number(found.rows[0].version ?? 0)
}

async function migrate(client: pg.Client, now: () => number): Promise<number> {
  await client.query(spelled('postgres', versionTable))
  const from = (await schemaVersionOf(client)) ?? 0
  for (const { version, statements } of stepsFrom(from)) {
    await client.query('begin')
    try {
      for (const statement of statements) await client.query(spelled('postgres', statement))
      await client.query('insert into schema_version (version, applied_at) values ($1, $2)', [version, now()])
      await client.query('commit')
    } catch (error) {
      await client.query('rollback')
      throw error
    }
  }
  await client.query('begin')
  try {
    for (const name of Object.keys(tenantTables)) await secure(client, name)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  }
  return from
}

/** Forced row security with one policy, which shows nothing while no tenant is set. */
async function secure(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query(
    `select c.relrowsecurity and c.relforcerowsecurity
       and exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'by_tenant') as is_secured
     from pg_class c where c.oid = to_regclass($1)`,
    [name],
  )
  // Asked first, since these statements lock the table against a running server.
  if (rows[0].is_secured) return
  const is = `tenant_id = nullif(current_setting('valetkey.tenant', true), '')`
  await client.query(`alter table ${name} enable row level security; alter table ${name} force row level security`)
  await client.query(`create policy by_tenant on ${name} using (${is}) with check (${is})`)
}

async function grant(client: pg.Client, servingRole: string): Promise<void> {
  const role = client.escapeIdentifier(servingRole)
  const { rows } = await client.query('select current_schema() as schema')
  await client.query('begin')
  try {
    await client.query(`grant usage on schema ${client.escapeIdentifier(rows[0].schema)} to ${role}`)
    const usage = await client.query(`select has_schema_privilege($1, $2, 'usage') as may`, [
      servingRole,
      rows[0].schema,
    ])
    // PostgreSQL only warns about a right that the owner may not pass on.
    if (!usage.rows[0].may) {
      throw refusal(`The owner's role may not let ${servingRole} use schema ${rows[0].schema}. Grant it usage by hand.`)
    }
    for (const [name, rights] of Object.entries({ ...tenantTables, ...openTables })) {
      await client.query(`revoke all on ${name} from public, ${role}; grant ${rights} on ${name} to ${role}`)
    }
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

interface Identity {
  readonly role: string
  readonly database: string
  readonly version: number
}

function whoIs(url: string, setting: string): Promise<Identity> {
  return withClient(url, setting, identityOf)
}

async function identityOf(client: pg.ClientBase): Promise<Identity> {
  const { rows } = await client.query(
    `select current_user as role, current_database() as database, current_setting('server_version_num')::int as version`,
  )
  return rows[0]
}

async function withClient<T>(url: string, setting: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  // A step of a migration takes the time it takes.
  const client = new pg.Client(connectionConfig(url, 0))
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    throw new Failure('unavailable', `No connection to the database of ${setting}: ${(error as Error).message}`, {
      cause: error,
    })
  }
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function refusal(detail: string): Failure {
  return new Failure('unavailable', detail)
}
