import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRootKeyFile, readRootKey } from './root-key-file.ts'
import { KeyFault } from './vault-failure.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-root-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

const good = Buffer.alloc(32, 5).toString('base64url')

describe('the root key file', () => {
  test('is made for its owner alone, in a folder of its owner alone, and read back', async () => {
    const path = join(folder, 'a', 'b', 'root.key')
    const reference = await createRootKeyFile(path)
    expect(reference).toBe(`file:${path}`)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(folder, 'a', 'b'))).mode & 0o777).toBe(0o700)
    expect(await readFile(path, 'latin1')).toMatch(/^[\w-]{43}\n$/)
    const [first, again] = [await readRootKey(reference), await readRootKey(reference)]
    expect(first.id).toBe(again.id)
    const aad = Buffer.from('aad')
    const wrapped = await first.wrap(Buffer.from('tenant key'), aad)
    expect((await again.unwrap(wrapped, aad))?.toString()).toBe('tenant key')
    expect(await again.unwrap(wrapped, Buffer.from('other'))).toBeUndefined()
  })

  test('two files never hold the same key', async () => {
    const one = await readRootKey(await createRootKeyFile(join(folder, 'one')))
    const two = await readRootKey(await createRootKeyFile(join(folder, 'two')))
    expect(one.id).not.toBe(two.id)
  })

  test('is never overwritten', async () => {
    const path = join(folder, 'root.key')
    await writeFile(path, 'something')
    await expect(createRootKeyFile(path)).rejects.toThrow(/never overwritten/)
    expect(await readFile(path, 'utf8')).toBe('something')
  })

  test.each([0o640, 0o604, 0o620, 0o602, 0o644, 0o610])(
    'with mode %o is refused, with the command that mends it',
    async mode => {
      const path = join(folder, 'root.key')
      await writeFile(path, good)
      await chmod(path, mode)
      await expect(readRootKey(`file:${path}`)).rejects.toThrow(`chmod 600 ${path}`)
      await chmod(path, 0o400)
      await expect(readRootKey(`file:${path}`)).resolves.toMatchObject({ id: expect.any(String) })
    },
  )

  test.each([
    ['nothing', ''],
    ['31 bytes', Buffer.alloc(31, 5).toString('base64url')],
    ['33 bytes', Buffer.alloc(33, 5).toString('base64url')],
    ['hex', Buffer.alloc(32, 5).toString('hex')],
    ['32 raw bytes', Buffer.alloc(32, 5).toString('latin1')],
    ['padded base64', Buffer.alloc(32, 251).toString('base64')],
    ['two lines', `${good}\n${good}`],
    ['bits beyond the last byte', `${good.slice(0, -1)}V`],
  ])('that holds %s is refused, and its content is not repeated', async (_, content) => {
    const path = join(folder, 'root.key')
    await writeFile(path, content, { mode: 0o600 })
    const fault = await readRootKey(`file:${path}`).catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(KeyFault)
    expect((fault as Error).message).toContain('32 bytes as base64url')
    if (content) expect((fault as Error).message).not.toContain(content)
  })

  test('that is too large, a folder, missing or named by a relative path is refused with the next step', async () => {
    const path = join(folder, 'root.key')
    await expect(readRootKey(`file:${path}`)).rejects.toThrow(/ENOENT.*Restore it from your backup/)
    await writeFile(path, 'A'.repeat(2000), { mode: 0o600 })
    await expect(readRootKey(`file:${path}`)).rejects.toThrow(/too large/)
    await mkdir(join(folder, 'sub'))
    await expect(readRootKey(`file:${join(folder, 'sub')}`)).rejects.toThrow(/not a regular file/)
    await expect(readRootKey('file:root.key')).rejects.toThrow(/absolute path/)
    await expect(createRootKeyFile('root.key')).rejects.toThrow(/absolute path/)
  })
})

describe('a reference to a root key', () => {
  const environment = { ROOT: good, SHORT: 'AAAA' }

  test('to the environment is for development only', async () => {
    await expect(readRootKey('env:ROOT', { environment })).rejects.toThrow(/development only/)
    await expect(readRootKey('env:ROOT', { environment, allowEnvironment: true })).resolves.toMatchObject({
      id: expect.any(String),
    })
    await expect(readRootKey('env:NONE', { environment, allowEnvironment: true })).rejects.toThrow(/not set/)
    await expect(readRootKey('env:SHORT', { environment, allowEnvironment: true })).rejects.toThrow(/43 characters/)
  })

  test.each([good, `base64:${good}`, '/etc/root.key', ''])(
    'of no known kind is refused and not repeated (%#)',
    async reference => {
      const fault = await readRootKey(reference, { allowEnvironment: true }).catch((error: unknown) => error)
      expect(fault).toBeInstanceOf(KeyFault)
      expect((fault as Error).message).not.toContain(good)
    },
  )
})
