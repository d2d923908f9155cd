import { describe, expect, it } from 'vitest'
import { parseProxyUrl } from './parse-proxy-url.ts'

describe('a proxy URL', () => {
  it('has a connection, a path and a query, byte for byte', () => {
    expect(parseProxyUrl('/proxy/con_x/drive/v3/files?q=a%20b&q=//c')).toEqual({
      connection: 'con_x',
      path: '/drive/v3/files',
      query: '?q=a%20b&q=//c',
    })
    expect(parseProxyUrl('/proxy/slack')).toEqual({ connection: 'slack', path: '/', query: '' })
    expect(parseProxyUrl('/proxy/con_x//a/../b')).toMatchObject({ path: '//a/../b' })
  })

  it('names another host of the entry after a tilde, in its first segment only', () => {
    expect(parseProxyUrl('/proxy/con_x/~Files.Example/v1?x')).toEqual({
      connection: 'con_x',
      host: 'files.example',
      path: '/v1',
      query: '?x',
    })
    expect(parseProxyUrl('/proxy/con_x/~files.example')).toMatchObject({ host: 'files.example', path: '/' })
    expect(parseProxyUrl('/proxy/con_x/a/~b')).toEqual({ connection: 'con_x', path: '/a/~b', query: '' })
    expect(parseProxyUrl('/proxy/con_x//~b')).toMatchObject({ path: '//~b' })
  })
})
