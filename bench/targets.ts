import { type Broker, startBroker } from './broker.ts'
import { type Child, startTarget } from './child.ts'
import { startNginx } from './nginx.ts'

export const targetNames = [
  'direct',
  'nginx',
  'bare',
  'broker',
  'broker_no_records',
  'reply_from',
  'express_axios',
] as const
export type TargetName = (typeof targetNames)[number]

/** What a target is called in tables. */
export const titles: Readonly<Record<TargetName, string>> = {
  direct: 'upstream, direct',
  nginx: 'nginx proxy_pass',
  bare: 'bare undici pass-through',
  broker: 'Valetkey',
  broker_no_records: 'Valetkey, records off',
  reply_from: '@fastify/reply-from',
  express_axios: 'Express + axios',
}

/** Something that answers the workloads, in front of the upstream or the upstream itself. */
export interface Target {
  readonly name: TargetName
  /** The process whose CPU counts. */
  readonly child: Child
  readonly prefix: string
  headers(): Promise<Readonly<Record<string, string>>>
}

export interface Upstream {
  readonly child: Child
  readonly url: string
  readonly tlsUrl: string
}

export async function startUpstream(): Promise<Upstream> {
  const child = await startTarget('upstream')
  return { child, url: child.said.url!, tlsUrl: child.said.tlsUrl! }
}

const files = { bare: 'bare', reply_from: 'reply-from', express_axios: 'axios' } as const

/** Starts targets when they are first asked for, and keeps them to the end: each is warmed up once. */
export function targetsOver(upstream: Upstream, nginx: string | undefined, caFile: string) {
  const children = new Map<string, Promise<Child>>()
  const brokers = new Map<TargetName, Promise<Broker>>()
  const childFor = (name: 'nginx' | keyof typeof files, tls: boolean): Promise<Child> => {
    const key = `${name} ${tls}`
    const url = tls ? upstream.tlsUrl : upstream.url
    const known = children.get(key)
    if (known !== undefined) return known
    const child =
      name === 'nginx'
        ? startNginx(nginx!, url)
        : startTarget(files[name], [url], { environment: { NODE_EXTRA_CA_CERTS: caFile } })
    children.set(key, child)
    return child
  }
  const brokerFor = (name: 'broker' | 'broker_no_records'): Promise<Broker> => {
    const known = brokers.get(name) ?? startBroker(upstream, { records: name === 'broker' })
    brokers.set(name, known)
    return known
  }
  return {
    async open(name: TargetName, tls = false): Promise<Target> {
      const plain = async () => ({})
      if (name === 'direct') return { name, child: upstream.child, prefix: upstream.url, headers: plain }
      if (name === 'broker' || name === 'broker_no_records') {
        const broker = await brokerFor(name)
        const headers = async () => ({ authorization: await broker.authorization() })
        return { name, child: broker.child, prefix: broker.prefix(tls), headers }
      }
      const child = await childFor(name, tls)
      return { name, child, prefix: child.said.url!, headers: plain }
    },
    async stop(): Promise<void> {
      for (const child of children.values()) await (await child).stop()
      for (const broker of brokers.values()) await (await broker).stop()
      await upstream.child.stop()
    },
  }
}

export type Targets = ReturnType<typeof targetsOver>
