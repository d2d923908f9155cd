import type { Valetkey } from '@valetkey/sdk'
import type { Agent, Connection, Grant } from '@valetkey/sdk/wire'
import type { Heard } from './heard.ts'
import type { Office } from './office.ts'
import type { Person } from './people.ts'
import type { Vendor, VendorClient } from './services.ts'
import type { ValetkeyProcesses } from './valetkey-process.ts'
import type { VendorWorld } from './vendor-world.ts'

/** One person with everything that was set up for them. */
export interface Cast {
  readonly person: Person
  /** The agent's client under this person's task. */
  readonly vault: Valetkey
  /** By provider. */
  readonly connections: ReadonlyMap<string, Connection>
  readonly grants: ReadonlyMap<string, Grant>
}

/** All that stands when the checks begin. */
export interface Stage {
  readonly office: Office
  readonly agent: Agent
  readonly cast: readonly Cast[]
  readonly vendors: VendorWorld
  readonly clients: Readonly<Record<Vendor, VendorClient>>
  readonly heard: Heard
  readonly processes: ValetkeyProcesses
  readonly dataFolder: string
}
