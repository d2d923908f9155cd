import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'

/** Where certificate and key are, as PEM. */
export interface TlsPaths {
  readonly certPath: string
  readonly keyPath: string
}

/** A certificate with its key, checked to belong together. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
  /** When the server's own certificate ends, in milliseconds. */
  readonly expiresAt: number
}

/** What every TLS listener of ours speaks: TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3. */
export const tlsRules = {
  minVersion: 'TLSv1.2',
  honorCipherOrder: true,
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
} as const satisfies SecureContextOptions

/** Reads both files and tells every fault at once, by the setting that names the file. Never quotes what is in them. */
export function readTlsFiles({ certPath, keyPath }: TlsPaths): {
  readonly pair?: TlsPair
  readonly faults: readonly string[]
} {
  const faults: string[] = []
  const cert = read('VALETKEY_TLS_CERT', certPath, faults)
  const key = read('VALETKEY_TLS_KEY', keyPath, faults)
  if (key !== undefined && (statSync(keyPath).mode & 0o007) !== 0)
    faults.push(
      `VALETKEY_TLS_KEY: ${keyPath} may be read or written by everybody on this machine. Run: chmod 600 ${keyPath}`,
    )
  const certificate = cert === undefined ? undefined : certificateIn(cert, certPath, faults)
  const privateKey = key === undefined ? undefined : privateKeyIn(key, keyPath, faults)
  if (certificate !== undefined && privateKey !== undefined && !certificate.checkPrivateKey(privateKey))
    faults.push(
      `VALETKEY_TLS_KEY: the key in ${keyPath} is not that of the certificate in ${certPath}. The first certificate of the file must be the server's own.`,
    )
  if (faults.length > 0 || cert === undefined || key === undefined || certificate === undefined) return { faults }
  try {
    createSecureContext({ cert, key, ...tlsRules })
  } catch (thrown) {
    const { code } = thrown as { readonly code?: string }
    return {
      faults: [
        `VALETKEY_TLS_CERT: ${certPath} cannot be served (${code ?? 'refused'}). Give a PEM chain, the server's own certificate first.`,
      ],
    }
  }
  return { pair: { cert, key, expiresAt: Date.parse(certificate.validTo) }, faults }
}

function read(setting: string, path: string, faults: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    faults.push(
      `${setting}: ${path} cannot be read (${(thrown as NodeJS.ErrnoException).code}). Give the path of a PEM file.`,
    )
    return undefined
  }
}

function certificateIn(text: string, path: string, faults: string[]): X509Certificate | undefined {
  try {
    return new X509Certificate(text)
  } catch {
    faults.push(
      `VALETKEY_TLS_CERT: ${path} holds no certificate as PEM. Give the chain, the server's own certificate first.`,
    )
    return undefined
  }
}

function privateKeyIn(text: string, path: string, faults: string[]): KeyObject | undefined {
  try {
    return createPrivateKey(text)
  } catch {
    const isEncrypted = text.includes('ENCRYPTED')
    faults.push(
      isEncrypted
        ? `VALETKEY_TLS_KEY: the key in ${path} needs a passphrase, which there is nobody to give. Store it without one, mode 0600.`
        : `VALETKEY_TLS_KEY: ${path} holds no private key as PEM.`,
    )
    return undefined
  }
}
