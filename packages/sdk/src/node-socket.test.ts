import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startWireServer, type WireServer } from '../test/wire-server.ts'
import { socketFetch, valetkeyAtSocket } from './node-socket.ts'

let folder: string
let path: string
let server: WireServer

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-sdk-'))
  path = join(folder, 'valetkey.sock')
  server = await startWireServer(path)
  server.isTrusting = true
})
afterEach(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

test('the operator’s socket is spoken to without any token', async () => {
  server.route = () => ({ status: 201, json: { id: 'usr_1', external_id: 'ä' } })
  expect(await valetkeyAtSocket(path).users.create({ external_id: 'ä' })).toMatchObject({ id: 'usr_1' })
  expect(server.seen).toHaveLength(1)
  expect(server.seen[0]).toMatchObject({ method: 'POST', target: '/v1/users', json: { external_id: 'ä' } })
  expect(server.seen[0]?.headers).not.toHaveProperty('authorization')
  expect(server.seen[0]?.headers.host).toBe('localhost')
})

test('bodies stream both ways over the socket', async () => {
  server.raw = (request, response) => {
    request.pipe(response)
    return true
  }
  const body = new Blob(['x'.repeat(300_000)]).stream()
  const response = await socketFetch(path)('http://localhost/echo', {
    method: 'POST',
    body,
    duplex: 'half',
  } as RequestInit)
  expect((await response.text()).length).toBe(300_000)
})

test('answers without a body are answers', async () => {
  server.route = () => ({ status: 204 })
  const response = await socketFetch(path)('http://localhost/x')
  expect(response.status).toBe(204)
  expect(response.body).toBeNull()
})

test('a missing socket is told with the system’s code, and a call can be ended', async () => {
  await expect(socketFetch(join(folder, 'none.sock'))('http://localhost/x')).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(valetkeyAtSocket(join(folder, 'none.sock')).users.get('usr_1')).rejects.toMatchObject({
    code: 'unreachable',
  })
  server.raw = () => true
  const stop = new AbortController()
  const call = socketFetch(path)('http://localhost/x', { signal: stop.signal })
  stop.abort()
  await expect(call).rejects.toMatchObject({ name: 'AbortError' })
})
