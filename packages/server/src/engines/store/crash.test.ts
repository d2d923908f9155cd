import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { databases } from '../../../../../test/databases.ts'
import { makeId, type TenantId } from '../../core/ids.ts'
import type { StoreOptions } from './open-store.ts'

const writer = fileURLToPath(new URL('../../../../../test/record-until-killed.ts', import.meta.url))

/** Starts the writer, kills it after so many acknowledgements, and gives all that it was told. */
function acknowledgedUntilKilled(options: StoreOptions, tenant: TenantId, count: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, JSON.stringify({ options, tenant })], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return new Promise((resolve, reject) => {
    const acknowledged: string[] = []
    let complaint = ''
    child.stderr.on('data', data => {
      complaint += data
    })
    createInterface(child.stdout)
      .on('line', line => {
        if (line !== 'open') acknowledged.push(line)
        if (acknowledged.length === count) child.kill('SIGKILL')
      })
      .on('close', () => {
        if (acknowledged.length < count) reject(new Error(`The writer ended by itself: ${complaint}`))
        // A line that the kill cut in two was no acknowledgement.
        else resolve(acknowledged.filter(line => /^evt_[0-9a-z]{26}$/.test(line)))
      })
    child.on('error', reject)
  })
}

describe.each(databases())('a process killed while it records, on $name', ({ name, open }) => {
  test('loses nothing that was acknowledged, and needs no repair (P10)', async () => {
    const database = await open()
    const tenant = makeId('ten', 1, randomBytes(10)) as TenantId
    try {
      await database.store.createTenant({ id: tenant, name: 'First', createdAt: 1 })
      const acknowledged: string[] = []
      for (const count of [1, 40, 150, 333]) {
        // The embedded database has one process at a time; the killed one must have let go of the folder.
        if (name === 'sqlite') await database.store.close()
        acknowledged.push(...(await acknowledgedUntilKilled(database.options, tenant, count)))
        const store = await database.reopen()
        const rows = await database.raw('select id from audit_events')
        const there = new Set(rows.map(row => row.id))
        expect(acknowledged.filter(id => !there.has(id))).toEqual([])
        expect(await store.asTenant(tenant, own => own.audit.verify())).toMatchObject({ ok: true, events: there.size })
        await store.close()
      }
    } finally {
      await database.close()
    }
  })
})
