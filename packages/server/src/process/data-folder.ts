import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, relative, resolve } from 'node:path'

/** What the data folder remembers of `init`: where the root key is (never the key), and the name of this node. */
export interface DataFolder {
  readonly rootKey: string
  readonly nodeId: string
}

/** A fault that ends a command with one clear line and exit code 1. */
export class StartFault extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StartFault'
  }
}

const fileName = 'valetkey.json'

/** The socket file on which a running server answers the operator of this machine. */
export function socketPath(folder: string): string {
  return join(folder, 'valetkey.sock')
}

export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
}

export function isInitialised(folder: string): boolean {
  return existsSync(join(folder, fileName))
}

/** Written at once or not at all. */
export function rememberFolder(folder: string, remembered: DataFolder): void {
  const path = join(folder, fileName)
  writeFileSync(
    `${path}.new`,
    `${JSON.stringify({ root_key: remembered.rootKey, node: remembered.nodeId }, null, 2)}\n`,
    { mode: 0o600, flush: true },
  )
  renameSync(`${path}.new`, path)
}

export function recallFolder(folder: string): DataFolder | undefined {
  if (!isInitialised(folder)) return undefined
  try {
    const { root_key, node } = JSON.parse(readFileSync(join(folder, fileName), 'utf8')) as {
      root_key?: unknown
      node?: unknown
    }
    if (typeof root_key === 'string' && typeof node === 'string') return { rootKey: root_key, nodeId: node }
  } catch (cause) {
    throw new StartFault(
      `${join(folder, fileName)} cannot be read. Restore it, or set VALETKEY_ROOT_KEY and use an empty --data folder.`,
      cause,
    )
  }
  throw new StartFault(
    `${join(folder, fileName)} is damaged. Restore it, or set VALETKEY_ROOT_KEY and use an empty --data folder.`,
  )
}

/** `{user's configuration folder}/valetkey/{tenant id}.key` (CONTRACT 2). */
export function defaultRootKeyPath(tenant: string, environment: Readonly<Record<string, string | undefined>>): string {
  const configured = environment.XDG_CONFIG_HOME
  const folder =
    configured !== undefined && isAbsolute(configured) ? configured : join(environment.HOME ?? homedir(), '.config')
  return join(folder, 'valetkey', `${tenant}.key`)
}

/** A stolen folder or backup must not bring its own key: one inside is refused unless in development. */
export function checkKeyIsOutside(reference: string, folder: string, isDev: boolean): void {
  if (isDev || !reference.startsWith('file:')) return
  const inside = relative(resolve(folder), resolve(pathOf(reference)))
  if (inside !== '' && (inside.startsWith('..') || isAbsolute(inside))) return
  throw new StartFault(
    `The root key ${pathOf(reference)} lies inside the data folder ${resolve(folder)}, where a copy of the folder would take it along. Move the key elsewhere and set VALETKEY_ROOT_KEY=file:/its/path, or start with --dev.`,
  )
}

/** The path in a `file:` reference, also written as `file:///path`. */
export function pathOf(reference: string): string {
  return reference.slice('file:'.length).replace(/^\/\/(?=\/)/, '')
}
