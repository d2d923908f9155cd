import { readConfig } from '../config.ts'
import type { CliIo } from '../edges/cli/cli-io.ts'
import type { MigrateOptions } from '../edges/cli/local-commands.ts'
import { migratePostgres } from '../engines/store/migrate-postgres.ts'
import { StartFault } from './data-folder.ts'

/** `valetkey migrate`: brings the schema in PostgreSQL up to date and gives the serving role its rights. */
export async function migrate(options: MigrateOptions, io: CliIo): Promise<number> {
  const config = readConfig({ config: options.config }, io.env)
  const ownerUrl = config.databaseOwnerUrl ?? config.databaseUrl
  if (ownerUrl === undefined)
    throw new StartFault(
      'Nothing to migrate: set VALETKEY_DATABASE_OWNER_URL (and DATABASE_URL when the serving role is another). The embedded database migrates itself.',
    )
  const done = await migratePostgres({
    ownerUrl,
    ...(config.databaseUrl !== undefined && config.databaseUrl !== ownerUrl && { servingUrl: config.databaseUrl }),
  })
  if (options.json)
    io.stdout.write(`${JSON.stringify({ from: done.from, to: done.to, serving_role: done.servingRole ?? null })}\n`)
  else
    io.stdout.write(
      `${done.from === done.to ? `The schema has version ${done.to} already.` : `The schema went from version ${done.from} to ${done.to}.`}${done.servingRole === undefined ? '' : ` The role ${done.servingRole} may serve.`}\n`,
    )
  return 0
}
