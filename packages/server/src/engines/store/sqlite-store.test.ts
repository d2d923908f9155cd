import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeId, type TenantId } from '../../core/ids.ts'
import { openStore } from './open-store.ts'

let folder: string
const tenant = makeId('ten', 1, randomBytes(10)) as TenantId
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-sqlite-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = () => openStore({ kind: 'sqlite', folder, nodeId: 'one' })
const writer = fileURLToPath(new URL('../../../../../test/record-until-killed.ts', import.meta.url))

/** Another process that opens the folder: what it said, and how it ended unless it stays. */
function otherProcess() {
  const options = { kind: 'sqlite', folder, nodeId: 'two' }
  const child = spawn(process.execPath, [writer, JSON.stringify({ options, tenant })])
  let complaint = ''
  child.stderr.on('data', data => {
    complaint += data
  })
  const opened = new Promise<void>(resolve => child.stdout.once('data', () => resolve()))
  const ended = new Promise<{ complaint: string; code: number | null }>(resolve =>
    child.once('close', code => resolve({ complaint, code })),
  )
  return { child, opened, ended }
}

test('a second process is kept off the data folder and told why', async () => {
  const store = await open()
  await store.createTenant({ id: tenant, name: 'First', createdAt: 1 })
  const { ended } = otherProcess()
  const { code, complaint } = await ended
  expect(code).not.toBe(0)
  expect(complaint).toContain('Another process has this data folder open')
  await expect(open()).rejects.toMatchObject({ code: 'unavailable' })
  // The attempt within this process has not cost it the lock.
  expect((await otherProcess().ended).complaint).toContain('Another process has this data folder open')
  await store.close()
  const again = await open()
  expect(await again.locator.firstTenant()).toBe(tenant)
  await again.close()
})

test('a killed process holds the folder no longer than it lives (P10)', async () => {
  const store = await open()
  await store.createTenant({ id: tenant, name: 'First', createdAt: 1 })
  await store.close()
  const other = otherProcess()
  await other.opened
  await expect(open()).rejects.toThrow('Another process has this data folder open')
  other.child.kill('SIGKILL')
  await other.ended
  const again = await open()
  await again.close()
})

test('only the owner of the files can read them', async () => {
  const store = await open()
  await store.createTenant({ id: tenant, name: 'First', createdAt: 1 })
  const files = readdirSync(folder)
  expect(files).toContain('valetkey.db-wal')
  for (const file of files)
    expect(`${file} ${(statSync(join(folder, file)).mode & 0o777).toString(8)}`).toBe(`${file} 600`)
  await store.close()
})

test('a file that is no database is left as it is', async () => {
  writeFileSync(join(folder, 'valetkey.db'), 'not a database, but somebody’s notes'.repeat(100))
  await expect(open()).rejects.toThrow('file is not a database')
  expect(readFileSync(join(folder, 'valetkey.db'), 'utf8')).toMatch(/^not a database/)
})

test('the embedded database holds one tenant', async () => {
  const store = await open()
  await store.createTenant({ id: tenant, name: 'First', createdAt: 1 })
  const second = { id: makeId('ten', 2, randomBytes(10)) as TenantId, slug: 'two', name: 'Second', createdAt: 1 }
  await expect(store.createTenant(second)).rejects.toMatchObject({ code: 'conflict' })
  await store.close()
})

test('a database of a newer version is left alone', async () => {
  await (await open()).close()
  const database = new DatabaseSync(join(folder, 'valetkey.db'))
  database.exec('insert into schema_version values (999, 1)')
  database.close()
  await expect(open()).rejects.toThrow('schema version 999')
  // The refusal let go of the folder, too.
  await expect(open()).rejects.toThrow('schema version 999')
})

test('a folder without a database is refused where one must be', async () => {
  const asked = openStore({ kind: 'sqlite', folder, nodeId: 'one', mustExist: true })
  await expect(asked).rejects.toThrow('valetkey init')
  expect(readdirSync(folder)).toEqual([])
  await expect(openStore({ kind: 'sqlite', folder: join(folder, 'no'), nodeId: 'one' })).rejects.toThrow(
    'no data folder',
  )
})

test('a closed store answers no more', async () => {
  const store = await open()
  await store.createTenant({ id: tenant, name: 'First', createdAt: 1 })
  await store.close()
  await store.close()
  await expect(store.asTenant(tenant, rows => rows.tenantRow())).rejects.toThrow()
  await expect(store.change(tenant, async () => {})).rejects.toThrow()
})
