import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'

/** The Chromium of this machine: `CHROMIUM`, else the one on the PATH. Tests of pages are skipped, and counted so, without. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM
  if (named !== undefined && named !== '') return named
  for (const folder of (process.env.PATH ?? '').split(delimiter))
    for (const name of ['chromium', 'chromium-browser', 'google-chrome'])
      if (existsSync(join(folder, name))) return join(folder, name)
  return undefined
}

/** A browser with an empty profile that talks to nobody but the pages it is sent to. */
export async function openBrowser(options: {
  readonly width: number
  readonly height?: number
  readonly dark?: boolean
  readonly javaScriptEnabled?: boolean
}): Promise<BrowserContext> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('no Chromium on this machine')
  return chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'valetkey-chromium-')), {
    executablePath,
    headless: true,
    viewport: { width: options.width, height: options.height ?? 800 },
    colorScheme: options.dark === true ? 'dark' : 'light',
    javaScriptEnabled: options.javaScriptEnabled ?? true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
