import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'
import { sayReady } from './say-ready.ts'

/** Fastify with its usual proxy plugin, as its documentation sets it up, on undici with as many connections as we take. */

const app = Fastify({ bodyLimit: 1024 * 1024 * 1024 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
await app.register(replyFrom, { base: process.argv[2]!, undici: { connections: 256, pipelining: 1 } })
app.all('/*', (request, reply) => reply.from(request.url))
sayReady({ url: await app.listen({ port: 0, host: '127.0.0.1' }) })
