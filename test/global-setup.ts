import { startPostgres } from './postgres-server.ts'

/** Where test files find the PostgreSQL of this run (JSON of `PostgresServer`). */
export const serverVariable = 'VALETKEY_TEST_POSTGRES'

/** Starts one PostgreSQL for the whole run and says which. A run with several projects calls this for each of them. */
export default async function globalSetup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[serverVariable] !== undefined) return undefined
  const { stop, ...server } = await startPostgres()
  process.env[serverVariable] = JSON.stringify(server)
  return async () => {
    delete process.env[serverVariable]
    await stop()
    console.log(`PostgreSQL tests ran on: ${server.how} (${server.detail})`)
  }
}
