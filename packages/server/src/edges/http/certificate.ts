import type { Parts } from '../../parts.ts'
import { readTlsFiles, type TlsPair } from './tls-files.ts'

/** The certificate that the listener serves. */
export interface Certificate {
  /** As it was at the start. */
  readonly pair: TlsPair
  /** Reads both files again. Undefined, and told in the log, when they have faults: the old one stays then. */
  renew(): TlsPair | undefined
}

/** Certificates that renew themselves do so a month before their end: at two weeks something is wrong. */
const renewalDueMs = 14 * 24 * 3_600_000

/** Reads the certificate of the settings; undefined without TLS. Throws when it has faults, which start-up told before. */
export function openCertificate({ config, log, now }: Pick<Parts, 'config' | 'log' | 'now'>): Certificate | undefined {
  const { tls } = config
  if (tls === undefined) return undefined
  const warnOfEnd = ({ expiresAt }: TlsPair): void => {
    if (expiresAt - now() > renewalDueMs) return
    const expires = new Date(expiresAt).toISOString()
    log.warn('the certificate ends soon or has ended; renew it and send SIGHUP', { expires })
  }
  const { pair, faults } = readTlsFiles(tls)
  if (pair === undefined) throw new TypeError(faults.join(' '))
  warnOfEnd(pair)
  return {
    pair,
    renew() {
      const next = readTlsFiles(tls)
      if (next.pair === undefined) {
        log.error('the old certificate stays: the new one has faults', { faults: next.faults })
        return undefined
      }
      log.info('the certificate was read again', { expires: new Date(next.pair.expiresAt).toISOString() })
      warnOfEnd(next.pair)
      return next.pair
    },
  }
}
