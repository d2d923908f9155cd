import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { selfSigned } from '../../engines/egress/self-signed.test-data.ts'
import { readTlsFiles } from './tls-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'valetkey-tls-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

describe('the files of TLS', () => {
  const certPath = file('cert.pem', selfSigned.cert)
  const keyPath = file('key.pem', selfSigned.key)
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

  it('are taken when they belong together', () => {
    const { pair, faults } = readTlsFiles({ certPath, keyPath })
    expect(faults).toEqual([])
    expect(pair).toEqual({ ...selfSigned, expiresAt: Date.parse('2126-10-31T23:18:48Z') })
  })

  it('are refused when the key is that of another certificate', () => {
    const path = file('other.pem', other.export({ type: 'pkcs8', format: 'pem' }).toString())
    expect(readTlsFiles({ certPath, keyPath: path }).faults).toEqual([
      expect.stringContaining('is not that of the certificate'),
    ])
  })

  it.each([0o604, 0o644, 0o606])('are refused when everybody may read or write the key (mode %o)', mode => {
    const path = file('open.pem', selfSigned.key, mode)
    const { pair, faults } = readTlsFiles({ certPath, keyPath: path })
    expect(pair).toBeUndefined()
    expect(faults).toEqual([expect.stringContaining(`chmod 600 ${path}`)])
  })

  it('may be read by a group, as packages of certificates set them up', () => {
    expect(readTlsFiles({ certPath, keyPath: file('group.pem', selfSigned.key, 0o640) }).faults).toEqual([])
  })

  it('tell every fault at once, and nothing of what is in them', () => {
    const faults = [
      ...readTlsFiles({ certPath: keyPath, keyPath: certPath }).faults,
      ...readTlsFiles({ certPath: join(folder, 'none'), keyPath: folder }).faults,
    ]
    expect(faults).toEqual([
      expect.stringContaining(`${keyPath} holds no certificate`),
      expect.stringContaining(`${certPath} holds no private key`),
      expect.stringContaining('cannot be read (ENOENT)'),
      expect.stringContaining('cannot be read (EISDIR)'),
    ])
    expect(faults.join()).not.toContain('MIGH')
  })

  it('say that a key with a passphrase cannot be used', () => {
    const text = other.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
    expect(readTlsFiles({ certPath, keyPath: file('locked.pem', text) }).faults).toEqual([
      expect.stringContaining('needs a passphrase'),
    ])
  })
})
