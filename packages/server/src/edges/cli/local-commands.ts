import type { CliIo } from './cli-io.ts'

/**
 * The commands that work on this machine rather than over the API. They are given to `runCli`, so that the command line
 * parses and explains them without knowing how they work. Each returns the exit code: 0 done, 1 refused or failed.
 * `data` is `--data`, else `VALETKEY_DATA`; further settings are read from `io.env`.
 */
export interface LocalCommands {
  readonly init: (options: InitOptions, io: CliIo) => Promise<number>
  readonly serve: (options: ServeOptions, io: CliIo) => Promise<number>
  readonly migrate: (options: MigrateOptions, io: CliIo) => Promise<number>
  readonly doctor: (options: DoctorOptions, io: CliIo) => Promise<number>
  readonly demo: (options: DemoOptions, io: CliIo) => Promise<number>
  readonly tenantsCreate: (options: TenantsCreateOptions, io: CliIo) => Promise<number>
  readonly auditVerify: (options: AuditVerifyOptions, io: CliIo) => Promise<number>
  /** Opens a data folder that no server holds. Undefined when it cannot be opened this way. */
  readonly openFolder?: (options: { readonly data: string }, io: CliIo) => Promise<OpenFolder | undefined>
}

/** The API of a folder without a server: `fetch` answers as the operator's socket would. */
export interface OpenFolder {
  readonly fetch: typeof fetch
  close(): Promise<void>
}

export interface InitOptions {
  readonly data: string
  readonly rootKey?: string
  readonly json: boolean
}

export interface ServeOptions {
  readonly data?: string
  readonly port?: number
  readonly host?: string
  readonly config?: string
  readonly json: boolean
  readonly dev: boolean
}

export interface MigrateOptions {
  readonly config?: string
  readonly json: boolean
}

export interface DoctorOptions {
  readonly data?: string
  readonly config?: string
  readonly json: boolean
}

export interface DemoOptions {
  readonly open: boolean
  readonly json: boolean
}

export interface TenantsCreateOptions {
  readonly name: string
  readonly data?: string
  readonly config?: string
  readonly json: boolean
}

export interface AuditVerifyOptions {
  readonly data?: string
  readonly config?: string
  readonly json: boolean
}
