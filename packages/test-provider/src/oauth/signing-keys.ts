import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWTPayload, SignJWT } from 'jose'
import type { QuirkName } from '../quirks.ts'

type Pair = Awaited<ReturnType<typeof generateKeyPair>>

/** The provider's signing keys. Generated at first use, because most tests never ask for an id token. */
export interface SigningKeys {
  readonly algorithm: 'RS256' | 'ES256'
  /** Current and former public keys. */
  jwks(): Promise<JSONWebKeySet>
  sign(payload: JWTPayload, quirks: ReadonlySet<QuirkName>): Promise<string>
  /** Signs with a new key from now on; the former stays in the JWKS. */
  rotate(): Promise<void>
}

/** Keys of one algorithm. */
export function createSigningKeys(algorithm: 'RS256' | 'ES256'): SigningKeys {
  const pairs: Promise<{ readonly kid: string; readonly pair: Pair }>[] = []
  const add = () => {
    const kid = `key-${pairs.length + 1}`
    pairs.push(generateKeyPair(algorithm, { extractable: true }).then(pair => ({ kid, pair })))
  }
  const all = () => {
    if (pairs.length === 0) add()
    return Promise.all(pairs)
  }
  return {
    algorithm,
    async jwks() {
      const keys = await Promise.all(
        (await all()).map(async ({ kid, pair }) => ({
          ...(await exportJWK(pair.publicKey)),
          kid,
          alg: algorithm,
          use: 'sig',
        })),
      )
      return { keys }
    },
    async sign(payload, quirks) {
      if (quirks.has('id-token-unsigned')) {
        const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
        return `${part({ alg: 'none', typ: 'JWT' })}.${part(payload)}.`
      }
      const current = (await all()).at(-1)!
      const key = quirks.has('id-token-wrong-key')
        ? (await generateKeyPair(algorithm)).privateKey
        : current.pair.privateKey
      return new SignJWT(payload).setProtectedHeader({ alg: algorithm, kid: current.kid, typ: 'JWT' }).sign(key)
    },
    async rotate() {
      await all()
      add()
      await all()
    },
  }
}
