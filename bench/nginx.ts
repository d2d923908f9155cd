import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, childOf } from './child.ts'

/** Debian keeps it where an ordinary user's PATH does not reach. */
const places = ['nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx']

/** The nginx of this machine; undefined when there is none, and then nothing is compared with it. */
export function findNginx(): string | undefined {
  return places.find(place => spawnSync(place, ['-v']).status === 0)
}

/** `proxy_pass` with connections kept alive, one worker, no log: the limit of what a proxy costs here. */
export async function startNginx(binary: string, upstream: string): Promise<Child> {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-bench-nginx-'))
  const port = await freePort()
  const { protocol, host } = new URL(upstream)
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  proxy_max_temp_file_size 0;
  keepalive_requests 100000000;
  upstream provider { server ${host}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass ${protocol}//provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`,
  )
  const startedAt = performance.now()
  const process = spawn(binary, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' })
  const child = childOf(process, { url: `http://127.0.0.1:${port}` }, startedAt)
  await answers(port)
  return {
    ...child,
    async stop() {
      await child.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

async function answers(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const isOpen = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true))
      socket.once('error', () => resolve(false)).once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error('nginx did not start to listen within 5 s.')
}
