import { createHash } from 'node:crypto'
import { isLoopback } from '../../../config.ts'

/**
 * The cookie that binds a connect flow to one browser. One per session, so that two flows in one browser do not mix.
 * SameSite=Lax, for Strict would not survive the provider's redirect. On loopback http it loses `__Host-` and Secure, and
 * nowhere else (CONTRACT 6).
 */
export interface NonceCookie {
  readonly name: string
  read(cookieHeader: string | undefined): string | undefined
  set(value: string): string
  clear(): string
}

export function nonceCookie(baseUrl: string, sessionId: string): NonceCookie {
  const url = new URL(baseUrl)
  const plain = url.protocol === 'http:' && isLoopback(url.hostname)
  // The id itself would tell other pages of this origin which sessions exist; its digest is as good a name.
  const name = `${plain ? '' : '__Host-'}vk_connect_${createHash('sha256').update(sessionId).digest('hex').slice(0, 16)}`
  const attributes = `Path=/; HttpOnly; SameSite=Lax${plain ? '' : '; Secure'}`
  return {
    name,
    read(header) {
      let found: string | undefined
      for (const part of (header ?? '').split(';')) {
        const at = part.indexOf('=')
        if (at === -1 || part.slice(0, at).trim() !== name) continue
        // Two cookies of this name: somebody planted one. Neither counts.
        if (found !== undefined) return undefined
        found = part.slice(at + 1).trim()
      }
      return found !== undefined && /^[A-Za-z0-9_-]{43}$/.test(found) ? found : undefined
    },
    set: value => `${name}=${value}; Max-Age=900; ${attributes}`,
    clear: () => `${name}=; Max-Age=0; ${attributes}`,
  }
}
