import { sayReady } from './say-ready.ts'

/** A Node that does nothing: what memory and start cost before any of ours. */
sayReady({})
setInterval(() => {}, 1_000_000)
