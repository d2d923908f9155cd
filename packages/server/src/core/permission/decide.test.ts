import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryOf } from '../catalogue/entries.fixture.ts'
import { compileOperations } from '../catalogue/match-operation.ts'
import { resolveProvider } from '../catalogue/resolve-provider.ts'
import type { Connection } from '../connection.ts'
import type { Grant, GrantedResources } from '../grant.ts'
import type { AgentId, AppId, ConnectionId, GrantId, IntegrationId, TaskId, TenantId, UserId } from '../ids.ts'
import type { Task } from '../task.ts'
import { type Decision, decide, type Question } from './decide.ts'

const slack = entryOf('slack')
const table = compileOperations(slack)
const provider = resolveProvider(slack, { parameters: {}, overrides: {} })
const now = 1_800_000_000_000
const [tenant, alice, bob] = ['ten_1', 'usr_alice', 'usr_bob'] as unknown as [TenantId, UserId, UserId]
const [agent, other] = ['agt_1', 'agt_2'] as unknown as [AgentId, AgentId]
const [run, otherRun] = ['tsk_1', 'tsk_2'] as unknown as [TaskId, TaskId]

const connection: Connection = {
  id: 'con_1' as ConnectionId,
  tenant,
  user: alice,
  integration: 'int_1' as IntegrationId,
  provider: 'slack',
  status: 'active',
  scopes: slack.scopes.map(scope => scope.name),
  requestedScopes: [],
  kind: 'oauth2',
  createdAt: 0,
  updatedAt: 0,
}

const grant = (id: string, more: Partial<Grant>): Grant => ({
  id: `grt_${id}` as GrantId,
  tenant,
  user: alice,
  agent,
  connection: connection.id,
  permissions: [],
  paths: [],
  unattended: false,
  grantedBy: 'app_1' as AppId,
  expiresAt: now + 1000,
  createdAt: now - 1000,
  calls: 0,
  mac: '',
  ...more,
})

const task = (id: TaskId, more: Partial<Task> = {}): Task => ({
  id,
  tenant,
  agent,
  user: alice,
  purpose: '',
  createdBy: 'app_1' as AppId,
  createdAt: 0,
  expiresAt: now + 1000,
  mac: '',
  ...more,
})

const ask = (more: Partial<Question>): Decision =>
  decide({
    provider,
    table,
    method: 'POST',
    path: '/api/conversations.history',
    caller: { tenant, agent, user: alice },
    connection,
    grants: [],
    now,
    ...more,
  })

const codes = (decision: Decision) => (decision.allowed ? 'allowed' : decision.reasons.map(reason => reason.code))
const reading = grant('read', { permissions: ['slack:messages:*'] })

describe('a call', () => {
  it('is allowed by one live grant, which is named (P3)', () => {
    expect(ask({ grants: [reading] })).toEqual({
      allowed: true,
      operationId: 'slack.conversations.history',
      operation: table.operations.get('slack.conversations.history'),
      resourceType: 'messages',
      action: 'list',
      pathTemplate: '/api/conversations.history',
      grant: reading,
      mayGoBesideCommit: true,
      host: 'slack.com',
      target: 'https://slack.com',
      params: {},
    })
  })

  it('is denied without a grant, with what would mend it', () => {
    const decision = ask({})
    expect(decision).toMatchObject({
      allowed: false,
      code: 'grant_required',
      operationId: 'slack.conversations.history',
    })
    for (const reason of decision.allowed ? [] : decision.reasons) expect(reason.fix).toMatch(/\.$/)
  })

  it('on a connection of somebody else, of another tenant, unknown or revoked is not found, and no more is said', () => {
    const grants = [reading]
    for (const more of [
      { connection: undefined },
      { connection: { ...connection, user: bob } },
      { connection: { ...connection, tenant: 'ten_2' as TenantId } },
      { connection: { ...connection, status: 'revoked' as const } },
      { caller: { tenant, agent, user: bob } },
    ]) {
      const decision = ask({ grants, ...more })
      expect(decision).toEqual({
        allowed: false,
        code: 'not_found',
        reasons: [expect.objectContaining({ code: 'not_found' })],
      })
    }
  })

  it('is not paid for by a grant of another agent, connection, user or tenant (P3, P6)', () => {
    for (const more of [
      { agent: other },
      { connection: 'con_2' as ConnectionId },
      { user: bob },
      { tenant: 'ten_2' as TenantId },
    ]) {
      expect(codes(ask({ grants: [{ ...reading, ...more }] }))).toEqual(['grant_required'])
    }
  })

  it.each([
    ['pending', 'connection_required'],
    ['needs_reauth', 'needs_reauth'],
    ['error', 'conflict'],
    ['disabled', 'conflict'],
  ] as const)('on a connection that is %s is %s', (status, code) => {
    expect(ask({ grants: [reading], connection: { ...connection, status } })).toMatchObject({ code })
  })

  it('says every reason, in the order of the contract', () => {
    const decision = ask({
      connection: { ...connection, status: 'needs_reauth', scopes: [] },
      grants: [reading],
      path: '/api/chat.postMessage',
    })
    expect(codes(decision)).toEqual(['needs_reauth', 'operation_not_permitted', 'missing_scopes'])
    expect(decision).toMatchObject({ code: 'needs_reauth', requiredScopes: ['chat:write'] })
  })

  it('lacks scopes when the connection does, whatever the grant says', () => {
    const decision = ask({ grants: [reading], connection: { ...connection, scopes: ['users:read'] } })
    expect(decision).toMatchObject({ code: 'missing_scopes', requiredScopes: ['channels:history'] })
  })

  it('may go beside the commit only as a catalogued list, fetch or search (P2)', () => {
    const grants = [
      grant('all', { permissions: ['slack:*:write', 'slack:*:*'], paths: [{ methods: ['GET'], pattern: '/api/**' }] }),
    ]
    expect(ask({ grants, path: '/api/chat.postMessage' })).toMatchObject({ allowed: true, mayGoBesideCommit: false })
    expect(ask({ grants, method: 'GET', path: '/api/unknown.list' })).toMatchObject({
      allowed: true,
      operationId: 'slack.unlisted',
      action: 'fetch',
      resourceType: 'any',
      mayGoBesideCommit: false,
    })
    expect(ask({ grants, method: 'HEAD' })).toMatchObject({ allowed: true, operationId: 'slack.conversations.history' })
  })
})

describe('the end of a grant', () => {
  it.each([
    [{ expiresAt: now }, 'expired'],
    [{ maxCalls: 3, calls: 3 }, 'budget'],
    [{ idleTimeoutSeconds: 1, lastUsedAt: now - 1000 }, 'idle'],
    [{ endedAt: now - 1, endedReason: 'revoked' as const }, 'revoked'],
  ])('%j is said as %s (P4)', (more, endedReason) => {
    expect(ask({ grants: [{ ...reading, ...more }] })).toMatchObject({ code: 'grant_expired', endedReason })
  })

  it('is not the reason while another grant on the connection lives', () => {
    const grants = [{ ...reading, expiresAt: now }, grant('other', { permissions: ['slack:users:*'] })]
    expect(codes(ask({ grants }))).toEqual(['operation_not_permitted'])
  })

  it('of a grant that never covered the call is no reason either', () => {
    expect(codes(ask({ grants: [{ ...reading, expiresAt: now }], path: '/api/chat.postMessage' }))).toEqual([
      'grant_required',
    ])
  })
})

describe('a token without a user', () => {
  const caller = { tenant, agent }
  it('uses the connection of a user only under unattended grants', () => {
    expect(codes(ask({ caller, grants: [reading] }))).toEqual(['grant_required'])
    expect(codes(ask({ caller, grants: [{ ...reading, unattended: true }] }))).toBe('allowed')
    expect(codes(ask({ caller, grants: [{ ...reading, expiresAt: now }] }))).toEqual(['grant_required'])
  })

  it('uses machine connections, which a token with a user does not reach', () => {
    const { user: _, ...machine } = connection
    const { user: __, ...machineGrant } = reading
    expect(codes(ask({ caller, connection: machine, grants: [machineGrant] }))).toBe('allowed')
    expect(codes(ask({ connection: machine, grants: [machineGrant] }))).toEqual(['not_found'])
    expect(codes(ask({ caller, connection: machine, grants: [reading] }))).toEqual(['grant_required'])
  })
})

describe('a grant of a task', () => {
  const caller = { tenant, agent, user: alice, task: run }
  const bound = { ...reading, task: run }
  it('counts only under that task, and while it lives', () => {
    expect(codes(ask({ caller, grants: [bound], task: task(run) }))).toBe('allowed')
    expect(codes(ask({ grants: [bound] }))).toEqual(['grant_required'])
    expect(codes(ask({ caller: { ...caller, task: otherRun }, grants: [bound], task: task(otherRun) }))).toEqual([
      'grant_required',
    ])
    expect(ask({ caller, grants: [bound], task: task(run, { endedAt: now - 1 }) })).toMatchObject({
      code: 'grant_expired',
      endedReason: 'task_ended',
    })
    expect(codes(ask({ caller, grants: [bound] }))).toEqual(['grant_expired'])
    expect(codes(ask({ caller, grants: [bound], task: task(otherRun) }))).toEqual(['grant_expired'])
  })

  it('leaves grants of no task open to the token of a task', () => {
    expect(codes(ask({ caller, grants: [reading], task: task(run) }))).toBe('allowed')
  })
})

describe('a paths rule', () => {
  const opening = (pattern: string, methods = ['GET', 'POST'], host?: string) =>
    grant('paths', { paths: [{ methods, pattern, ...(host !== undefined && { host }) }] })

  it('opens what is not catalogued, on its host and by its methods', () => {
    const path = '/api/views.publish'
    expect(ask({ path, grants: [opening('/api/views.publish')] })).toMatchObject({ allowed: true, action: 'write' })
    expect(codes(ask({ path, grants: [opening('/api/views.publish', ['GET'])] }))).toEqual(['operation_not_permitted'])
    expect(codes(ask({ path, method: 'HEAD', grants: [opening('/api/**', ['GET'])] }))).toBe('allowed')
    expect(codes(ask({ path, grants: [opening('/api/**', ['POST'], 'files.slack.com')] }))).toEqual([
      'operation_not_permitted',
    ])
    expect(ask({ path, grants: [opening('/api/**')] })).not.toHaveProperty('pathTemplate')
  })

  it('never opens a catalogued operation, in any spelling', () => {
    for (const path of [
      '/api/chat.postMessage',
      '/api/chat.postMessage/',
      '/api/Chat.postMessage',
      '/api/chat%2EpostMessage',
      '/api/chat.postMessage;x',
    ]) {
      expect(codes(ask({ path, grants: [opening('/**'), opening('/api/**')] }))).toEqual(['operation_not_permitted'])
    }
  })

  it('is bound by the ceiling of the agent', () => {
    const grants = [opening('/api/**')]
    expect(codes(ask({ path: '/api/x.y', grants, ceiling: ['slack:*:*'] }))).toEqual(['operation_not_permitted'])
    expect(codes(ask({ path: '/api/x.y', grants, ceiling: ['slack:any:write'] }))).toBe('allowed')
  })
})

describe('places that no permission opens', () => {
  const grants = [
    grant('all', {
      permissions: [...table.operations.keys()],
      paths: [
        { methods: ['GET', 'POST', 'PUT', 'DELETE'], pattern: '/**' },
        { methods: ['POST'], host: 'files.slack.com', pattern: '/**' },
      ],
    }),
  ]

  it.each([
    '/api/oauth.v2.access',
    '/api/OAuth.v2.Access',
    '/api/oauth%2Ev2.access',
    '/api/oauth.v2.access/',
    '/api/oauth.v2.access/x',
    '/api/auth.revoke',
    '/api/openid.connect.token',
    '/oauth/v2/authorize',
  ])('%s is an OAuth endpoint and never proxied, by any method and on any host', path => {
    for (const method of ['GET', 'POST', 'PUT']) {
      expect(codes(ask({ path, method, grants }))).toEqual(['operation_not_permitted'])
      expect(codes(ask({ path, method, grants, host: 'files.slack.com' }))).toContain('operation_not_permitted')
    }
  })

  it('are endpoints of overrides too, and what hangs below an endpoint', () => {
    const moved = resolveProvider(slack, {
      parameters: {},
      overrides: { tokenEndpoint: 'https://slack.com/api/my.token' },
    })
    expect(codes(ask({ provider: moved, path: '/api/my.token', grants }))).toEqual(['operation_not_permitted'])
    expect(codes(ask({ path: '/api/my.token', grants }))).toBe('allowed')
    const hubspot = entryOf('hubspot')
    const decision = ask({
      provider: resolveProvider(hubspot, { parameters: {}, overrides: {} }),
      table: compileOperations(hubspot),
      path: '/oauth/v1/refresh-tokens/abc',
      grants,
    })
    expect(codes(decision)).toEqual(['operation_not_permitted'])
  })

  it('are other products on the same host', () => {
    const drive = entryOf('google-drive')
    const question = {
      provider: resolveProvider(drive, { parameters: {}, overrides: {} }),
      table: compileOperations(drive),
      method: 'GET',
      grants,
    }
    for (const path of [
      '/gmail/v1/users/me/messages',
      '/drive/v3x/files',
      '/drive',
      '/drive/v3/%2e%2e/%2e%2e/gmail/v1/users/me/messages',
    ]) {
      expect(codes(ask({ ...question, path }))).toEqual(['operation_not_permitted'])
    }
    expect(codes(ask({ ...question, path: '/drive/v3/unknown' }))).toBe('allowed')
  })

  it('are batches, with the advice to send the calls singly', () => {
    const gmail = entryOf('gmail')
    const decision = ask({
      provider: resolveProvider(gmail, { parameters: {}, overrides: {} }),
      table: compileOperations(gmail),
      path: '/batch/gmail/v1',
      grants,
    })
    expect(decision).toMatchObject({ code: 'operation_not_permitted', reasons: [{ fix: 'Send the calls singly.' }] })
  })

  it('are hosts that are not of the entry, or that origins does not name (P7)', () => {
    expect(codes(ask({ grants, host: 'evil.example' }))).toEqual(['host_not_allowed'])
    expect(codes(ask({ grants, host: 'slack.com.evil.example' }))).toEqual(['host_not_allowed'])
    const mapped = resolveProvider(slack, {
      parameters: {},
      overrides: { origins: { 'https://slack.com': 'http://127.0.0.1:1' } },
    })
    expect(codes(ask({ provider: mapped, grants, host: 'files.slack.com', path: '/files-pri/T-F/a' }))).toEqual([
      'host_not_allowed',
    ])
    expect(ask({ provider: mapped, grants })).toMatchObject({ allowed: true, target: 'http://127.0.0.1:1' })
  })
})

describe('the ceiling of an agent', () => {
  it('bounds every grant, whoever gave it', () => {
    const grants = [grant('wide', { permissions: ['slack:*:*', 'slack:*:write'] })]
    expect(codes(ask({ grants, ceiling: ['slack:messages:list'] }))).toBe('allowed')
    expect(codes(ask({ grants, ceiling: ['slack:users:*'] }))).toEqual(['operation_not_permitted'])
    expect(codes(ask({ grants, ceiling: [] }))).toEqual(['operation_not_permitted'])
  })
})

const pool = [
  'slack:messages:*',
  'slack:messages:list',
  'slack:messages:write',
  'slack:*:*',
  'slack:users:fetch',
  'slack:any:*',
  'slack:*:admin',
  'slack.files.sharedPublicURL',
  'slack.conversations.history',
  'nonsense',
  'gmail:messages:*',
]
const somePermissions = fc.uniqueArray(fc.constantFrom(...pool))
const someGrant = fc
  .record({
    id: fc.stringMatching(/^[a-z]{4}$/),
    permissions: somePermissions,
    paths: fc.uniqueArray(
      fc.constantFrom({ methods: ['GET'], pattern: '/api/**' }, { methods: ['POST'], pattern: '/api/{method}' }),
      { selector: rule => rule.pattern },
    ),
    unattended: fc.boolean(),
    life: fc.integer({ min: -5, max: 5 }),
    agent: fc.constantFrom(agent, agent, agent, other),
    task: fc.constantFrom(undefined, undefined, run),
    resources: fc.constantFrom<GrantedResources | undefined>(
      undefined,
      undefined,
      { channels: ['C1'] },
      { channels: ['C1', 'C2'], users: ['U1'] },
      { files: ['F1'] },
    ),
  })
  .map(({ id, life, task: ofTask, resources, ...rest }) =>
    grant(id, {
      ...rest,
      expiresAt: now + life,
      ...(ofTask !== undefined && { task: ofTask }),
      ...(resources !== undefined && { resources }),
    }),
  )
const someGrants = fc.uniqueArray(someGrant, { maxLength: 6, selector: one => one.id })
const somePath = fc.constantFrom(
  ...[...table.operations.values()].filter(one => !one.routes[0]?.host).map(one => one.routes[0]!.pattern),
  '/api/unknown',
  '/api/x/y',
  '/other',
)
const someCall = fc.record({
  path: somePath,
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE'),
  arguments: fc.constantFrom(
    { query: '', rawHeaders: [] },
    { query: '?channel=C1', rawHeaders: [] },
    { query: '?channel=C2&user=U1', rawHeaders: [] },
    { query: '?channel=C1&channel=C2', rawHeaders: [] },
    { query: '?file=F1&users=U1', rawHeaders: [] },
    { query: '', rawHeaders: ['content-type', 'application/json'], body: Buffer.from('{"channel":"C1"}') },
  ),
})
const someCeiling = fc.option(somePermissions, { nil: undefined })
const withCeiling = (ceiling: readonly string[] | undefined) => (ceiling === undefined ? {} : { ceiling })

describe('the intersection of permissions (P3)', () => {
  it('is never wider than any input', () => {
    fc.assert(
      fc.property(someCall, someGrants, someCeiling, (call, grants, ceiling) => {
        const decision = ask({ ...call, grants, ...withCeiling(ceiling) })
        if (!decision.allowed) return
        const alone = { ...call, grants: [decision.grant] }
        const { resources, ...unlimited } = decision.grant
        expect(ask({ ...call, grants: [unlimited] }).allowed).toBe(true)
        if (resources !== undefined) {
          const named = decision.resources!.filter(({ type }) => Object.hasOwn(resources, type))
          expect(named.length).toBeGreaterThan(0)
          for (const { type, id } of named) expect(resources[type]).toContain(id)
        }
        expect(grants).toContain(decision.grant)
        expect(decision.grant).toMatchObject({ agent, connection: connection.id, tenant, user: alice })
        expect(decision.grant.expiresAt).toBeGreaterThan(now)
        expect(ask(alone).allowed).toBe(true)
        if (ceiling !== undefined && decision.operation !== undefined) {
          expect(ask({ ...call, grants: [grant('ceiling', { permissions: ceiling })] }).allowed).toBe(true)
        }
      }),
    )
  })

  it('does not depend on the order of grants or permissions, nor on what stands twice', () => {
    fc.assert(
      fc.property(someCall, someGrants, someCeiling, (call, grants, ceiling) => {
        const first = ask({ ...call, grants, ...withCeiling(ceiling) })
        const turned = grants.toReversed().map(one => ({ ...one, permissions: one.permissions.toReversed() }))
        const second = ask({ ...call, grants: [...turned, ...turned], ...withCeiling(ceiling?.toReversed()) })
        expect(second.allowed).toBe(first.allowed)
        if (first.allowed && second.allowed) expect(second.grant.id).toBe(first.grant.id)
        if (!first.allowed && !second.allowed) expect(second.code).toBe(first.code)
      }),
    )
  })

  it('never loses a call by one grant more', () => {
    fc.assert(
      fc.property(someCall, someGrants, someGrant, (call, grants, more) => {
        if (ask({ ...call, grants }).allowed) expect(ask({ ...call, grants: [...grants, more] }).allowed).toBe(true)
      }),
    )
  })

  it('never adds grants up: what all allow, one of them allows alone', () => {
    fc.assert(
      fc.property(someCall, someGrants, someCeiling, (call, grants, ceiling) => {
        const together = ask({ ...call, grants, ...withCeiling(ceiling) }).allowed
        const singly = grants.some(one => ask({ ...call, grants: [one], ...withCeiling(ceiling) }).allowed)
        expect(together).toBe(singly)
      }),
    )
  })

  it('never reaches a path that is not in the table by a permission', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('/api/unknown', '/api/conversations.history/x', '/api/x.y'),
        somePermissions,
        (path, permissions) => {
          expect(ask({ path, method: 'GET', grants: [grant('p', { permissions })] }).allowed).toBe(false)
        },
      ),
    )
  })

  it('is paid for by the narrowest grant', () => {
    const byBreadth = [grant('a', { permissions: ['slack:*:*'] }), grant('b', { permissions: ['slack:messages:list'] })]
    expect(ask({ grants: byBreadth })).toMatchObject({ grant: { id: 'grt_b' } })
    const byEnd = [
      grant('a', { permissions: ['slack:messages:list'], expiresAt: now + 9 }),
      grant('b', { permissions: ['slack:messages:list'], expiresAt: now + 5 }),
    ]
    expect(ask({ grants: byEnd })).toMatchObject({ grant: { id: 'grt_b' } })
    const byId = [
      grant('b', { permissions: ['slack:messages:list'] }),
      grant('a', { permissions: ['slack:messages:list'] }),
    ]
    expect(ask({ grants: byId })).toMatchObject({ grant: { id: 'grt_a' } })
  })

  it('is paid for by a grant that is limited to single resources before one that is not, and by fewer of them', () => {
    const limited = (id: string, ...channels: string[]) =>
      grant(id, { permissions: ['slack:*:*'], resources: { channels } })
    const grants = [
      grant('a', { permissions: ['slack:messages:list'] }),
      limited('b', 'C1', 'C2', 'C3'),
      limited('c', 'C1', 'C2'),
    ]
    const on = (channel: string) => ask({ grants, arguments: { query: `?channel=${channel}`, rawHeaders: [] } })
    expect(on('C1')).toMatchObject({ grant: { id: 'grt_c' } })
    expect(on('C3')).toMatchObject({ grant: { id: 'grt_b' } })
    expect(on('C4')).toMatchObject({ grant: { id: 'grt_a' } })
  })

  it('waits for the body when a limited grant could pay, and only then', () => {
    const limited = grant('b', { permissions: ['slack:messages:*'], resources: { channels: ['C1'] } })
    const unread = { query: '', rawHeaders: [], body: 'unread' as const }
    expect(ask({ grants: [reading, limited], arguments: unread })).toMatchObject({ wantsBody: 'parameters' })
    expect(ask({ grants: [reading], arguments: unread }).allowed).toBe(true)
    const path = '/api/users.list'
    expect(ask({ path, grants: [reading, limited], arguments: unread })).not.toHaveProperty('wantsBody')
    const needy = { ...connection, status: 'needs_reauth' } as const
    expect(ask({ connection: needy, grants: [limited], arguments: unread })).not.toHaveProperty('wantsBody')
  })

  it('opens GET and HEAD uncatalogued by "any" only where the entry says that they are safe', () => {
    const grants = [grant('any', { permissions: ['slack:any:fetch'] })]
    const question = { path: '/api/unknown', method: 'GET', grants }
    expect(ask(question).allowed).toBe(false)
    const safe = resolveProvider(
      { ...slack, api: { ...slack.api, safeMethods: true } },
      { parameters: {}, overrides: {} },
    )
    expect(ask({ ...question, provider: safe }).allowed).toBe(true)
    expect(ask({ ...question, provider: safe, method: 'POST' }).allowed).toBe(false)
  })
})
