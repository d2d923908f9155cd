import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { makeId, type TenantId } from '../packages/server/src/core/ids.ts'
import { openStore, type StoreOptions } from '../packages/server/src/engines/store/open-store.ts'

/**
 * A process that writes to the audit log, by `record` and by `change`, until it is killed. Each id goes to stdout after
 * the store has acknowledged it; a failure goes to stderr and ends the process.
 */
const { options, tenant } = JSON.parse(process.argv[2]!) as { options: StoreOptions; tenant: TenantId }
const store = await openStore(options)
say('open\n')

/** Into the pipe before anything else happens; while it is full, again. */
function say(text: string): void {
  for (;;) {
    try {
      writeSync(1, text)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

function anEvent() {
  const now = Date.now()
  return {
    id: makeId('evt', now, randomBytes(10)),
    time: new Date(now).toISOString(),
    type: 'access.allowed',
    outcome: 'allowed',
    ip: '127.0.0.1',
  } as const
}

async function record(): Promise<never> {
  for (;;) {
    const event = anEvent()
    await store.record(tenant, { event })
    say(`${event.id}\n`)
  }
}

async function change(): Promise<never> {
  for (;;) {
    const events = [anEvent(), anEvent()]
    await store.change(tenant, rows => rows.audit.append(events))
    say(events.map(event => `${event.id}\n`).join(''))
  }
}

await Promise.all([record(), record(), record(), record(), change()])
