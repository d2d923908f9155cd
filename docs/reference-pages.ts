import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { errors } from '@valetkey/contract/errors'
import { eventTypes, personalMembers } from '@valetkey/contract/events'
import { settings } from '../packages/server/src/config.ts'
import { quirks } from '../packages/server/src/core/catalogue/quirk.ts'
import { allRoutes } from '../packages/server/src/edges/http/api/all-routes.ts'
import { limitsPage } from './limits-page.ts'

const steps = {
  fix: 'fix the request',
  wait: 'wait and try again',
  person: 'ask a person',
  give_up: 'give up',
} as const

function page(title: string, intro: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return `# ${title}\n\n${intro}\n\nThis page is made from the code by \`npm run docs\`.\n\n${line(head)}\n${line(head.map(() => '---'))}\n${rows.map(line).join('\n')}\n`
}

/** The reference pages by path from docs/reference: made from the tables that the program itself uses. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    '../limits.md': limitsPage(),
    'errors.md': page(
      'Errors',
      'Every error of the HTTP API is a problem document (RFC 9457) with one of these codes.',
      ['code', 'status', 'meaning', 'what to do'],
      Object.entries(errors).map(([code, row]) => [`\`${code}\``, String(row.status), row.title, steps[row.step]]),
    ),
    'settings.md': page(
      'Settings',
      'From the environment, or from a JSON file given as `--config` with the same names.',
      ['name', 'type', 'default', 'what it does'],
      settings.map(row => [`\`${row.name}\``, row.type, row.default === '' ? 'none' : row.default, row.sentence]),
    ),
    'events.md': page(
      'Audit events',
      `The closed list of event types. Members that say something about a person (${personalMembers.map(name => `\`${name}\``).join(', ')}) enter the hash of an event as salted commitments.`,
      ['type'],
      eventTypes.map(type => [`\`${type}\``]),
    ),
    'routes.md': page(
      'Routes',
      'Who may call what. Everything hangs under the base URL of the tenant; the full description is at `/openapi.json`.',
      ['route', 'scopes', 'clients', 'what it does'],
      allRoutes.map(route => [
        `\`${route.method} ${route.path}\``,
        [
          ...route.scopes,
          ...(route.agentScopes === undefined ? [] : [`(agents: ${route.agentScopes.join(', ')})`]),
        ].join(', '),
        route.clients.join(', '),
        route.summary,
      ]),
    ),
    'quirks.md': page(
      'Quirks',
      'Departures from the standards, by name. A catalogue entry declares those of its provider.',
      ['name', 'what the provider does'],
      Object.entries(quirks).map(([name, sentence]) => [`\`${name}\``, sentence]),
    ),
  }
}

/** Where the page of that name lies, and what is in it now. */
export function committedPage(name: string): { readonly path: string; readonly text: string | undefined } {
  const path = fileURLToPath(new URL(`./reference/${name}`, import.meta.url))
  try {
    return { path, text: readFileSync(path, 'utf8') }
  } catch {
    return { path, text: undefined }
  }
}
