import { connect, type Socket } from 'node:net'

/**
 * Opens connections, makes one call on each, and keeps them open until it is told to end by the end of stdin. Arguments:
 * port, number, path, token. Prints how many are open.
 */
const [port, count, path, token] = process.argv.slice(2)
const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`
const open: Socket[] = []
let left = Number(count)
let running = 0

function next(): void {
  while (running < 64 && left > 0) {
    left--
    running++
    const socket = connect({ port: Number(port), host: '127.0.0.1' }, () => socket.write(request))
    const settle = () => {
      running--
      next()
    }
    socket.once('error', settle)
    socket.once('data', head => {
      socket.off('error', settle).on('error', () => {})
      if (head.toString('latin1').startsWith('HTTP/1.1 200')) open.push(socket)
      settle()
    })
  }
  if (running === 0 && left === 0) process.stdout.write(`${open.length}\n`)
}
next()
process.stdin.on('end', () => process.exit(0)).resume()
