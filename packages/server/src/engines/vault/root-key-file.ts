import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, mkdir, open, unlink } from 'node:fs/promises'
import { dirname, isAbsolute } from 'node:path'
import { fromBase64url } from './envelope.ts'
import { type RootKey, rootKeyFromBytes, rootKeyLength } from './root-key.ts'
import { KeyFault } from './vault-failure.ts'

/**
 * Makes a new root key at `path` (0600, in a folder of its owner's alone) and answers with its reference. A file that is
 * there is never written to: it may be the only key to somebody's data.
 */
export async function createRootKeyFile(path: string, random: (size: number) => Buffer = randomBytes): Promise<string> {
  if (!isAbsolute(path)) throw new KeyFault(`The root key needs an absolute path, not ${path}.`)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'A file is there already, and a root key is never overwritten' : cause.message
    throw new KeyFault(`Cannot make the root key ${path}: ${why}. Name another path.`, cause)
  })
  const bytes = random(rootKeyLength)
  try {
    await file.writeFile(`${bytes.toString('base64url')}\n`)
    await file.sync()
  } catch (cause) {
    // Half a key would stand in the way of the next try. It is ours: `wx` made it just now.
    await unlink(path)
    throw new KeyFault(`Cannot write the root key ${path}. Look at the free space and the rights of its folder.`, cause)
  } finally {
    bytes.fill(0)
    await file.close()
  }
  await syncFolder(dirname(path))
  return `file:${path}`
}

/** Where references are read from. */
export interface RootKeySource {
  /** `env:NAME` is for development: the environment of a process leaks in more ways than a file. */
  readonly allowEnvironment?: boolean
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** Reads the root key that a reference (`file:/…`, in development `env:NAME`) names. Throws a `KeyFault` with the next step. */
export async function readRootKey(reference: string, source: RootKeySource = {}): Promise<RootKey> {
  const colon = reference.indexOf(':')
  const scheme = reference.slice(0, Math.max(colon, 0))
  const rest = reference.slice(colon + 1)
  switch (scheme) {
    case 'file':
      return parseRootKey(await readKeyFile(rest), `the file ${rest}`)
    case 'env': {
      if (source.allowEnvironment !== true) {
        throw new KeyFault(
          'A root key from the environment is for development only. Use file:/path, or start with --dev.',
        )
      }
      const text = source.environment?.[rest]
      if (text === undefined)
        throw new KeyFault(`The environment variable ${rest} that VALETKEY_ROOT_KEY names is not set.`)
      return parseRootKey(Buffer.from(text), `the environment variable ${rest}`)
    }
    default:
      // The reference itself is not repeated: somebody may have put the key there.
      throw new KeyFault('VALETKEY_ROOT_KEY must be file:/absolute/path of a key that `valetkey init` made.')
  }
}

async function readKeyFile(path: string): Promise<Buffer> {
  if (!isAbsolute(path)) throw new KeyFault(`The root key needs an absolute path after file:, not ${path}.`)
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    const next =
      cause.code === 'ENOENT'
        ? 'Restore it from your backup or point VALETKEY_ROOT_KEY to it; without it no stored credential opens'
        : 'Its owner must be the user that runs Valetkey'
    throw new KeyFault(`Cannot read the root key ${path} (${cause.code}). ${next}.`, cause)
  })
  try {
    return await readGuarded(file, path)
  } finally {
    await file.close()
  }
}

async function readGuarded(file: FileHandle, path: string): Promise<Buffer> {
  // Asked of the open file, not of the path, so that nobody can swap it in between.
  const stat = await file.stat()
  if (!stat.isFile()) throw new KeyFault(`The root key ${path} is not a regular file.`)
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
    throw new KeyFault(`Others may read or change the root key ${path} (mode ${mode}). Run: chmod 600 ${path}`)
  }
  if (stat.size > 1024)
    throw new KeyFault(`The root key ${path} is too large to be one: 32 bytes as base64url are expected.`)
  return file.readFile()
}

function parseRootKey(text: Buffer, where: string): RootKey {
  const bytes = fromBase64url(text.toString('latin1').trim(), rootKeyLength)
  text.fill(0)
  if (bytes === undefined) {
    throw new KeyFault(`What stands in ${where} is no root key: 32 bytes as base64url (43 characters) are expected.`)
  }
  return rootKeyFromBytes(bytes)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
