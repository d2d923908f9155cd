import { spawn } from 'node:child_process'

/** Opens an address in the person's browser if this machine has a way to; the address is printed in any case. */
export function openInBrowser(url: string): void {
  const command = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(command, [url], { stdio: 'ignore', detached: true })
  child.once('error', () => undefined)
  child.unref()
}
