import type { Answer } from '../http/exchange.ts'
import { empty, json, jsonObject } from '../http/exchange.ts'
import type { Route } from '../http/routes.ts'
import { withBearer } from '../oauth/bearer.ts'
import { ownerOf, type ProviderState } from '../oauth/provider-state.ts'

/** A thing of a user's in the generic API. */
export interface Item {
  readonly id: string
  readonly title: string
  readonly [member: string]: unknown
}

/** `/api/items`: list with cursors, read, create, replace, delete. Each token reaches its own user's items only. */
export function itemRoutes(state: ProviderState): readonly Route[] {
  const byOwner = new Map<string, Map<string, Item>>()
  const itemsOf = (owner: string) => {
    const known = byOwner.get(owner)
    if (known !== undefined) return known
    const fresh = new Map((state.seed.items?.[owner] ?? defaultItems(owner)).map(item => [item.id, item]))
    byOwner.set(owner, fresh)
    return fresh
  }
  const read = [state.apiScopes.read]
  const write = [state.apiScopes.write]
  const notFound = (): Answer => state.surface.refuseApi(state, { kind: 'not_found' })
  const badRequest = (detail: string) => json(400, { error: 'bad_request', error_description: detail })
  let created = 0

  const list = withBearer(state, read, ({ query }, _params, token) => {
    const limit = Number(query.get('limit') ?? 50)
    if (!Number.isInteger(limit) || limit < 1 || limit > 200) return badRequest('limit must be 1 to 200')
    const all = [...itemsOf(ownerOf(token)).values()]
    const cursor = query.get('cursor')
    const start = cursor === null ? 0 : all.findIndex(item => item.id === cursor)
    if (start < 0) return badRequest('cursor is not one of ours')
    const next = all[start + limit]?.id
    const link = `<${state.url}/api/items?limit=${limit}&cursor=${encodeURIComponent(next ?? '')}>; rel="next"`
    return json(
      200,
      { data: all.slice(start, start + limit), next_cursor: next ?? null },
      next === undefined ? {} : { link },
    )
  })
  const get = withBearer(state, read, (_exchange, { id }, token) => {
    const item = itemsOf(ownerOf(token)).get(id!)
    return item === undefined ? notFound() : json(200, item)
  })
  const create = withBearer(state, write, (exchange, _params, token) => {
    const given = jsonObject(exchange)
    if (typeof given?.title !== 'string') return badRequest('the body must be a JSON object with a title')
    created += 1
    const item: Item = { ...given, title: given.title, id: `new-${created}` }
    itemsOf(ownerOf(token)).set(item.id, item)
    return json(201, item, { location: `${state.url}/api/items/${item.id}` })
  })
  const put = withBearer(state, write, (exchange, { id }, token) => {
    const given = jsonObject(exchange)
    if (typeof given?.title !== 'string') return badRequest('the body must be a JSON object with a title')
    const items = itemsOf(ownerOf(token))
    const item: Item = { ...given, title: given.title, id: id! }
    const isNew = !items.has(item.id)
    items.set(item.id, item)
    return json(isNew ? 201 : 200, item)
  })
  const remove = withBearer(state, write, (_exchange, { id }, token) =>
    itemsOf(ownerOf(token)).delete(id!) ? empty(204) : notFound(),
  )
  return [
    { method: 'GET', pattern: '/api/items', endpoint: 'api', handle: list },
    { method: 'POST', pattern: '/api/items', endpoint: 'api', handle: create },
    { method: 'GET', pattern: '/api/items/{id}', endpoint: 'api', handle: get },
    { method: 'PUT', pattern: '/api/items/{id}', endpoint: 'api', handle: put },
    { method: 'DELETE', pattern: '/api/items/{id}', endpoint: 'api', handle: remove },
  ]
}

function defaultItems(owner: string): readonly Item[] {
  return ['Plan the week', 'Call the printer', 'Send the minutes', 'Book the room', 'Pay the invoice'].map(
    (title, index) => ({ id: `${owner}-${index + 1}`, title: `${title} (${owner})`, owner }),
  )
}
