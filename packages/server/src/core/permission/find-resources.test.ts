import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ResourceLocation } from '../catalogue/provider.ts'
import { type CallArguments, findResources } from './find-resources.ts'
import { meetsResources } from './meets-resources.ts'

const channel: ResourceLocation = { type: 'channels', in: ['query', 'form', 'json'], name: 'channel' }
const file: ResourceLocation = { type: 'files', in: ['path'], name: 'fileId' }
const json = ['Content-Type', 'application/json']
const form = ['Content-Type', 'application/x-www-form-urlencoded']

const find = (
  resources: readonly ResourceLocation[],
  call: Partial<Omit<CallArguments, 'body'>> & { readonly body?: string } = {},
  params: Readonly<Record<string, string>> = {},
) => {
  const { body, ...rest } = call
  return findResources({ resources }, params, {
    query: '',
    rawHeaders: [],
    ...rest,
    ...(body !== undefined && { body: Buffer.from(body) }),
  })
}
const ids = (found: ReturnType<typeof findResources>) =>
  found.kind === 'found' ? found.resources.map(({ id }) => id) : found.kind

describe('the resources of a call', () => {
  it('are found in path, query, form, JSON and headers', () => {
    expect(ids(find([file], {}, { fileId: 'a%2Fb' }))).toEqual(['a/b'])
    expect(ids(find([channel], { query: '?limit=2&ch%61nnel=%43+1' }))).toEqual(['C 1'])
    expect(ids(find([channel], { rawHeaders: form, body: 'channel=C1&text=hi' }))).toEqual(['C1'])
    expect(ids(find([channel], { rawHeaders: json, body: '{"channel":"C1","text":"hi"}' }))).toEqual(['C1'])
    const list: ResourceLocation = { type: 'contacts', in: ['json'], pointer: '/inputs/*/id' }
    expect(ids(find([list], { rawHeaders: json, body: '{"inputs":[{"id":"1"},{"id":2}]}' }))).toEqual(['1', '2'])
    const header: ResourceLocation = { type: 'files', in: ['header'], header: 'dropbox-api-arg', pointer: '/path' }
    expect(ids(find([header], { rawHeaders: ['Dropbox-API-Arg', '{"path":"/a"}'] }))).toEqual(['/a'])
    const many: ResourceLocation = { ...channel, many: true }
    expect(ids(find([many], { query: '?channel=C1,C2' }))).toEqual(['C1', 'C2'])
    expect(ids(find([many], { rawHeaders: json, body: '{"channel":["C1","C2"]}' }))).toEqual(['C1', 'C2'])
  })

  it('are the same with and without the dashes of a UUID', () => {
    const page: ResourceLocation = { type: 'pages', in: ['path'], name: 'id', uuid: true }
    const dashed = '0F1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
    const found = find([page], {}, { id: dashed.replaceAll('-', '') })
    expect(meetsResources({ pages: [dashed] }, found)).toBe(true)
    expect(meetsResources({ pages: [dashed.replace('0', '1')] }, found)).toBe(false)
  })

  it('of an operation that declares no place are undeclared', () => {
    expect(ids(findResources(undefined, {}, { query: '', rawHeaders: [] }))).toBe('undeclared')
    expect(ids(find([]))).toBe('undeclared')
  })

  it('wait for the body, unless it is content of an operation that names nothing there', () => {
    const call = { query: '', rawHeaders: [] }
    expect(ids(findResources({ resources: [channel] }, {}, { ...call, body: 'unread' }))).toBe('unread')
    expect(ids(findResources({ resources: [channel] }, {}, { ...call, body: 'content' }))).toBe('ambiguous')
    expect(ids(findResources({ resources: [file] }, { fileId: 'a' }, { ...call, body: 'content' }))).toEqual(['a'])
  })

  it.each([
    ['a parameter twice', { query: '?channel=C1&channel=C2' }],
    ['the same parameter twice, equal', { query: '?channel=C1&channel=C1' }],
    ['any parameter twice', { query: '?channel=C1&limit=1&limit=2' }],
    ['another case', { query: '?channel=C1&Channel=C2' }],
    ['another spelling alone', { query: '?Channel=C1' }],
    ['an encoded spelling', { query: '?channel=C1&ch%61nnel=C2' }],
    ['an encoding within one', { query: '?channel=C1&ch%2561nnel=C2' }],
    ['an array', { query: '?channel=C1&channel[]=C2' }],
    ['an array alone', { query: '?channel[]=C1' }],
    ['a semicolon', { query: '?x=1;channel=C2&channel=C1' }],
    ['a zero byte', { query: '?channel%00x=C2&channel=C1' }],
    ['bad UTF-8', { query: '?channel=%ff' }],
    ['an empty id', { query: '?channel=' }],
    ['query and form that disagree', { query: '?channel=C1', rawHeaders: form, body: 'channel=C2' }],
    ['query and JSON that disagree', { query: '?channel=C1', rawHeaders: json, body: '{"channel":"C2"}' }],
    ['a member twice', { rawHeaders: json, body: '{"channel":"C1","channel":"C2"}' }],
    ['a member twice, escaped', { rawHeaders: json, body: '{"channel":"C1","ch\\u0061nnel":"C2"}' }],
    ['a member in another case', { rawHeaders: json, body: '{"channel":"C1","CHANNEL":"C2"}' }],
    ['a member twice anywhere', { rawHeaders: json, body: '{"channel":"C1","a":[{"b":1,"b":2}]}' }],
    ['a list for one id', { rawHeaders: json, body: '{"channel":["C1","C2"]}' }],
    ['an object for an id', { rawHeaders: json, body: '{"channel":{"id":"C1"}}' }],
    ['a number that readers round differently', { rawHeaders: json, body: '{"channel":1.0000000000000000001}' }],
    ['a big number', { rawHeaders: json, body: '{"channel":12345678901234567890}' }],
    ['JSON that is not strict', { rawHeaders: json, body: "{'channel':'C1'}" }],
    ['JSON with a comment', { rawHeaders: json, body: '{"channel":"C1"/*,*/}' }],
    ['JSON and more', { rawHeaders: json, body: '{"channel":"C1"}{"channel":"C2"}' }],
    ['a list of calls', { rawHeaders: json, body: '[{"channel":"C1"}]' }],
    ['a byte order mark', { rawHeaders: json, body: '\ufeff{"channel":"C1"}' }],
    ['JSON that calls itself a form', { rawHeaders: form, body: '{"channel":"C1"}' }],
    ['a form that calls itself JSON', { rawHeaders: json, body: 'channel=C1' }],
    ['a body without a type', { body: '{"channel":"C1"}' }],
    ['two types', { rawHeaders: [...json, ...form], body: '{"channel":"C1"}' }],
    ['a type that stays here', { rawHeaders: [...json, 'Connection', 'content-type'], body: '{"channel":"C1"}' }],
    ['another charset', { rawHeaders: ['Content-Type', 'application/json; charset=utf-7'], body: '{"channel":"C1"}' }],
    [
      'multipart',
      {
        rawHeaders: ['Content-Type', 'multipart/form-data; boundary=b'],
        body: '--b\r\nContent-Disposition: form-data; name="channel"\r\n\r\nC1\r\n--b--',
      },
    ],
  ])('are not clear with %s', (_, call) => {
    expect(ids(find([channel], call))).toBe('ambiguous')
  })

  it.each([
    ['the query', { query: '?fileId=b' }],
    ['a JSON body', { rawHeaders: json, body: '{"fileId":"b"}' }],
    ['a form', { rawHeaders: form, body: 'fileId=b' }],
    [
      'multipart',
      {
        rawHeaders: ['Content-Type', 'multipart/form-data'],
        body: '--b\r\nContent-Disposition: form-data; name=fileId\r\n\r\nb',
      },
    ],
  ])('of the path are not clear when %s names another', (_, call) => {
    expect(ids(find([file], call, { fileId: 'a' }))).toBe('ambiguous')
  })

  it('of the path may be repeated elsewhere, and bodies that do not mention them are content', () => {
    expect(ids(find([file], { rawHeaders: json, body: '{"fileId":"a"}' }, { fileId: 'a' }))).toEqual(['a'])
    expect(ids(find([file], { rawHeaders: json, body: '{"name":"x","name":"y"}' }, { fileId: 'a' }))).toEqual(['a'])
  })

  it('are not clear beside a parameter that changes what an id means, at any depth', () => {
    const contact: ResourceLocation = { type: 'contacts', in: ['path'], name: 'id', without: ['idProperty'] }
    expect(ids(find([contact], { query: '?idProperty=phone' }, { id: '1' }))).toBe('ambiguous')
    expect(ids(find([contact], { query: '?IDproperty=phone' }, { id: '1' }))).toBe('ambiguous')
    expect(ids(find([contact], { rawHeaders: json, body: '{"idProperty":"phone"}' }, { id: '1' }))).toBe('ambiguous')
    const inputs: ResourceLocation = {
      type: 'contacts',
      in: ['json'],
      pointer: '/inputs/*/id',
      without: ['idProperty'],
    }
    const body = '{"inputs":[{"id":"1","idProperty":"phone"}]}'
    expect(ids(find([inputs], { rawHeaders: json, body }))).toBe('ambiguous')
  })

  it('in a header are not clear when it comes twice or stays here', () => {
    const header: ResourceLocation = { type: 'files', in: ['header'], header: 'x-arg' }
    expect(ids(find([header], { rawHeaders: ['X-Arg', 'a', 'x-arg', 'a'] }))).toBe('ambiguous')
    expect(ids(find([header], { rawHeaders: ['X-Arg', 'a', 'Connection', 'X-Arg'] }))).toBe('ambiguous')
  })
})

describe('a grant that lists resources', () => {
  const found = (resources: readonly { type: string; id: string }[], missing: readonly string[] = []) =>
    ({ kind: 'found', resources, missing }) as const

  it('is met when every resource of its types is listed and there is one', () => {
    const granted = { channels: ['C1', 'C2'] }
    expect(meetsResources(granted, found([{ type: 'channels', id: 'C1' }]))).toBe(true)
    expect(meetsResources(granted, found([{ type: 'channels', id: 'c1' }]))).toBe(false)
    expect(
      meetsResources(
        granted,
        found([
          { type: 'channels', id: 'C1' },
          { type: 'channels', id: 'C3' },
        ]),
      ),
    ).toBe(false)
    expect(meetsResources(granted, found([]))).toBe(false)
    expect(meetsResources(granted, found([{ type: 'users', id: 'U1' }]))).toBe(false)
    expect(
      meetsResources(
        granted,
        found([
          { type: 'channels', id: 'C1' },
          { type: 'users', id: 'U1' },
        ]),
      ),
    ).toBe(true)
    expect(meetsResources(granted, found([{ type: 'channels', id: 'C1' }], ['channels']))).toBe(false)
  })

  const values = fc.array(fc.record({ type: fc.constantFrom('a', 'b', 'c'), id: fc.constantFrom('1', '2', '3') }))
  const lists = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.uniqueArray(fc.constantFrom('1', '2', '3'), { minLength: 1 }),
    { minKeys: 1 },
  )

  it('permits nothing that a grant with more ids does not, and no call with more resources (row 61)', () => {
    fc.assert(
      fc.property(
        lists,
        values,
        fc.constantFrom('a', 'b', 'c'),
        fc.constantFrom('1', '2', '3'),
        (granted, named, type, id) => {
          const isMet = meetsResources(granted, found(named))
          const more = Object.hasOwn(granted, type) ? { ...granted, [type]: [...granted[type]!, id] } : granted
          if (isMet) expect(meetsResources(more, found(named))).toBe(true)
          if (!isMet && named.some(one => Object.hasOwn(granted, one.type)))
            expect(meetsResources(granted, found([...named, { type, id }]))).toBe(false)
        },
      ),
    )
  })
})

describe('any spelling', () => {
  const name = 'channel'
  const cased = fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map(upper => [...name].map((char, at) => (upper[at] ? char.toUpperCase() : char)).join(''))
  const spelt = fc
    .tuple(cased, fc.nat(name.length - 1), fc.constantFrom('plain', 'once', 'twice', 'array'))
    .map(([text, at, how]) => {
      const hex = text.charCodeAt(at).toString(16)
      if (how === 'plain') return text
      if (how === 'array') return `${text}[]`
      return `${text.slice(0, at)}%${how === 'twice' ? '25' : ''}${hex}${text.slice(at + 1)}`
    })

  it('of a second parameter of that name is refused, wherever it stands', () => {
    fc.assert(
      fc.property(spelt, fc.boolean(), fc.constantFrom('query', 'form'), (other, isFirst, where) => {
        const pairs = isFirst ? `${other}=C2&channel=C1` : `channel=C1&${other}=C2`
        const call = where === 'query' ? { query: `?${pairs}` } : { rawHeaders: form, body: pairs }
        expect(ids(find([channel], call))).toBe('ambiguous')
      }),
    )
  })

  it('of an id is met only by the id that is listed', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const found = find([channel], { query: `?channel=${encodeURIComponent(text.toWellFormed())}` })
        expect(meetsResources({ channels: ['C1'] }, found)).toBe(text === 'C1')
        const inJson = find([channel], { rawHeaders: json, body: JSON.stringify({ channel: text }) })
        expect(meetsResources({ channels: ['C1'] }, inJson)).toBe(text === 'C1')
      }),
    )
  })
})

describe('the most lenient reader (row 61)', () => {
  const granted = ['C1', 'C3']
  const carrier = fc.constantFrom('query', 'form', 'json')
  const spelling = fc.constantFrom(
    'channel',
    'channel',
    'channel',
    'Channel',
    'CHANNEL',
    'channel[]',
    'channel[0]',
    'ch%61nnel',
    'ch%2561nnel',
    '%63hannel',
    'channel%00',
    'channel+',
    '%EF%BD%83hannel',
    'ch\u0061nnel',
    'other',
    'limit',
  )
  const value = fc.constantFrom(
    'C1',
    'C1',
    'C2',
    'C3',
    '%431',
    '%432',
    'C1,C2',
    'C1%00C2',
    'c1',
    'C1+',
    '',
    'C1;channel=C2',
  )
  const pieces = fc.array(fc.record({ carrier, spelling, value }), { minLength: 1, maxLength: 4 })

  /** The name as somebody who decodes twice, drops what is invisible, folds and cuts would read it. */
  const isChannel = (name: string) => {
    let text = name.replace(/\\u([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    for (let round = 0; round < 2; round++)
      text = text.replace(/(?:%[0-9a-f]{2})+/gi, run => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
    return (
      text
        .normalize('NFKC')
        .toLowerCase()
        .replace(/[\0+\s]/g, '')
        .replace(/\[.*/, '') === 'channel'
    )
  }
  const decode = (text: string) =>
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

  it('finds nothing in a call that passes which the grant does not list', () => {
    let passed = 0
    fc.assert(
      fc.property(pieces, fc.boolean(), (parts, isMany) => {
        const of = (where: string) => parts.filter(part => part.carrier === where)
        const pairs = (where: string) =>
          of(where)
            .map(part => `${part.spelling}=${part.value}`)
            .join('&')
        const isForm = of('form').length > 0
        const text = isForm
          ? pairs('form')
          : `{${of('json')
              .map(part => `"${part.spelling}":"${part.value}"`)
              .join(',')}}`
        const call = {
          query: of('query').length > 0 ? `?${pairs('query')}` : '',
          ...((isForm || of('json').length > 0) && { rawHeaders: isForm ? form : json, body: text }),
        }
        const found = find([{ ...channel, many: isMany }], call)
        if (!meetsResources({ channels: granted }, found)) return
        passed++
        const sent = isForm
          ? parts.filter(part => part.carrier !== 'json')
          : parts.filter(part => part.carrier !== 'form')
        for (const part of sent.filter(one => isChannel(one.spelling))) {
          const values = part.carrier === 'json' ? [part.value] : decode(part.value).split(isMany ? ',' : /$^/)
          for (const one of values) expect(granted).toContain(one)
        }
      }),
      { numRuns: 3_000 },
    )
    expect(passed).toBeGreaterThan(50)
  })
})
