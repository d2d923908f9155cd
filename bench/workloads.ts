/** What a target is asked for: the request that the load generator sends, below the target's own prefix. */
export interface Workload {
  readonly id: string
  readonly title: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Sent with every request, beside host and the target's own headers. */
  readonly headers?: Readonly<Record<string, string>>
  readonly bodyBytes?: number
  readonly connections: number
  /** A fixed rate instead of as many as go. */
  readonly perSecond?: number
  /** The upstream speaks TLS. */
  readonly tls?: true
}

/** The call that most agents make most often: a list of a catalogued provider, about a kilobyte. */
export const listPath = '/crm/v3/objects/contacts'
/** Not catalogued: opened by a `paths` rule of the grant. */
export const largePath = '/bench/large'
export const uploadPath = '/bench/upload'
export const gzipPath = '/bench/gzip'
export const streamPath = '/bench/stream'

export const sizes = { list: 1_024, large: 100 * 1_024, upload: 10 * 1_024, gzip: 20 * 1_024, stream: 50_000_000 }

/** The one that the figures to quote come from. */
export const mainWorkload: Workload = {
  id: 'get_1kb',
  title: 'GET 1 KB, 64 connections',
  method: 'GET',
  path: listPath,
  connections: 64,
}

export const steadyWorkload: Workload = {
  ...mainWorkload,
  id: 'steady_500',
  title: 'GET 1 KB at 500 requests/s',
  connections: 32,
  perSecond: 500,
}

/** Beside the main one, in full runs. */
export const furtherWorkloads: readonly Workload[] = [
  { ...mainWorkload, id: 'get_1kb_1', title: 'GET 1 KB, 1 connection', connections: 1 },
  { ...mainWorkload, id: 'get_1kb_1000', title: 'GET 1 KB, 1,000 connections', connections: 1_000 },
  { id: 'get_100kb', title: 'GET 100 KB, 64 connections', method: 'GET', path: largePath, connections: 64 },
  {
    id: 'post_10kb',
    title: 'POST 10 KB of JSON, 64 connections',
    method: 'POST',
    path: uploadPath,
    headers: { 'content-type': 'application/json' },
    bodyBytes: sizes.upload,
    connections: 64,
  },
  {
    id: 'gzip_json',
    title: 'GET 20 KB of JSON, gzip asked for, 64 connections',
    method: 'GET',
    path: gzipPath,
    headers: { 'accept-encoding': 'gzip' },
    connections: 64,
  },
  { ...mainWorkload, id: 'get_1kb_tls', title: 'GET 1 KB, TLS upstream, 64 connections', tls: true },
]
