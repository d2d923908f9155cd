import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { agentScopes, appScopes, operatorScopes } from '../../packages/server/src/core/client.ts'
import { makeId } from '../../packages/server/src/core/ids.ts'
import { allRoutes } from '../../packages/server/src/edges/http/api/all-routes.ts'
import type { Route } from '../../packages/server/src/edges/http/api/route.ts'
import { onBoth, type Reply, type Rig, startRig } from '../rig.ts'

type Kind = 'app' | 'operator' | 'agent'
type Client = Awaited<ReturnType<Rig['agent']>>

const ownScopes: Readonly<Record<Kind, readonly string[]>> = {
  app: appScopes,
  operator: operatorScopes,
  agent: agentScopes,
}
const scopesOf = (route: Route, kind: Kind) => (kind === 'agent' ? (route.agentScopes ?? route.scopes) : route.scopes)
const cases = allRoutes.flatMap(route =>
  (['app', 'operator', 'agent'] as const).map(kind => ({ name: `${route.method} ${route.path}`, route, kind })),
)

/** Every route × every kind of client × its scopes: deny by default, allow with exactly what the row names (row 10). */
describe.each(onBoth)('scopes on $database', ({ database }) => {
  let rig: Rig
  let clients: Record<Kind, Pick<Client, 'client_id' | 'client_secret'>>
  const narrowed = new Map<string, string>()

  beforeAll(async () => {
    rig = await startRig({ database })
    const app = await rig.asOperator('POST', '/v1/apps', { name: 'Everything', scopes: appScopes })
    clients = { app: app.body, operator: rig.operator, agent: await rig.agent() }
  })
  afterAll(() => rig.close())

  /** A token of that kind of client with these scopes alone, as the token endpoint narrows it. */
  async function tokenWith(kind: Kind, scopes: readonly string[]): Promise<string> {
    const key = `${kind} ${[...scopes].sort().join(' ')}`
    const known = narrowed.get(key)
    if (known !== undefined) return known
    const { client_id, client_secret } = clients[kind]
    const answer = await rig.call(
      'POST',
      '/oauth/token',
      new URLSearchParams({ grant_type: 'client_credentials', scope: scopes.join(' ') }).toString(),
      {
        headers: {
          authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      },
    )
    if (answer.status !== 200) throw new Error(`${kind} ${scopes}: ${answer.text}`)
    expect(new Set(answer.body.scope.split(' '))).toEqual(new Set(scopes))
    narrowed.set(key, answer.body.access_token)
    return answer.body.access_token
  }

  function reach(route: Route, token?: string): Promise<Reply> {
    const path = route.path.replace('{id}', makeId('con', Date.now(), Buffer.alloc(10, 7)))
    const body = route.body === undefined ? undefined : {}
    return rig.call(route.method, path, body, token === undefined ? {} : { token })
  }

  function expectRefused(name: string, answer: Reply, missing: readonly string[]): void {
    expect([name, answer.status, answer.body.code]).toEqual([name, 403, 'insufficient_scope'])
    const challenge = answer.headers.get('www-authenticate')!
    expect(challenge).toContain('error="insufficient_scope"')
    expect(challenge).toContain(`scope="${missing.join(' ')}"`)
    expect(challenge).toContain(`resource_metadata="${rig.url}/.well-known/oauth-protected-resource"`)
    expect(answer.body.required_scopes).toEqual(missing)
  }

  it('every route names at least one scope and one kind of client', () => {
    for (const route of allRoutes) {
      expect([route.path, route.scopes.length > 0, route.clients.length > 0]).toEqual([route.path, true, true])
      for (const kind of route.clients)
        for (const scope of scopesOf(route, kind)) expect(ownScopes[kind], route.path).toContain(scope)
    }
  })

  it('without any token every route is 401 with no error in its challenge (rows 9, 10)', async () => {
    for (const route of allRoutes) {
      const answer = await reach(route)
      expect([route.path, answer.status, answer.body.code]).toEqual([route.path, 401, 'unauthorized'])
      const challenge = answer.headers.get('www-authenticate')!
      expect(challenge).toBe(`Bearer resource_metadata="${rig.url}/.well-known/oauth-protected-resource"`)
    }
  })

  it('a token with every scope but those of the route gets 403 that names all of them (row 10)', async () => {
    let refused = 0
    for (const { name, route, kind } of cases.filter(({ route, kind }) => route.clients.includes(kind))) {
      const needed = scopesOf(route, kind)
      const others = ownScopes[kind].filter(scope => !needed.includes(scope))
      expectRefused(`${kind} ${name}`, await reach(route, await tokenWith(kind, others)), needed)
      refused++
    }
    expect(refused).toBeGreaterThan(allRoutes.length)
  })

  it('a token of a wrong kind of client gets 403 with all the scopes it could have (row 10)', async () => {
    for (const { name, route, kind } of cases.filter(({ route, kind }) => !route.clients.includes(kind))) {
      const answer = await reach(route, await tokenWith(kind, ownScopes[kind]))
      expect([kind, name, answer.status, answer.body.code]).toEqual([kind, name, 403, 'insufficient_scope'])
      expect(answer.headers.get('www-authenticate')).toContain('resource_metadata=')
    }
  })

  it('a token with the scopes of the route alone passes (row 10)', async () => {
    for (const { name, route, kind } of cases.filter(({ route, kind }) => route.clients.includes(kind))) {
      const answer = await reach(route, await tokenWith(kind, scopesOf(route, kind)))
      // Unknown ids and empty bodies: what matters is that it came as far as the handler.
      expect([kind, name, [200, 400, 404].includes(answer.status)]).toEqual([kind, name, true])
    }
  })

  it('an app can be given no scope of operators, and asks for none that it lacks (row 27)', async () => {
    for (const scope of operatorScopes.filter(scope => !(appScopes as readonly string[]).includes(scope))) {
      const made = await rig.asOperator('POST', '/v1/apps', { name: 'Greedy', scopes: [scope] })
      expect([scope, made.status, made.body.errors?.[0].pointer]).toEqual([scope, 400, '/scopes/0'])
    }
    const small = await rig.asOperator('POST', '/v1/apps', { name: 'Small', scopes: ['users:read'] })
    const answer = await rig.call(
      'POST',
      '/oauth/token',
      'grant_type=client_credentials&scope=users:read users:write',
      {
        headers: {
          authorization: `Basic ${Buffer.from(`${small.body.client_id}:${small.body.client_secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      },
    )
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_scope'])
  })

  it('a token of a user’s task has no more scopes than the agent has (row 27)', async () => {
    await rig.user('alice')
    const { token } = await rig.task(clients.agent.client_id, 'alice')
    for (const route of allRoutes.filter(route => !route.clients.includes('agent'))) {
      const answer = await reach(route, token)
      expect([route.path, answer.status, answer.body.code]).toEqual([route.path, 403, 'insufficient_scope'])
    }
  })
})
