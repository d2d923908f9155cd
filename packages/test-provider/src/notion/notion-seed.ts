import { createHash } from 'node:crypto'
import type { UserOptions } from '../options.ts'

/** A page of the workspace itself: its text, one paragraph a line; `[ ] …` and `[x] …` become to-dos. */
export interface NotionPageSeed {
  readonly title: string
  readonly text?: readonly string[]
  readonly comments?: readonly string[]
  /** RFC 3339; default: now. */
  readonly editedAt?: string
}

/** A row of a database. */
export interface NotionRowSeed extends NotionPageSeed {
  readonly status?: string
  /** A date, `YYYY-MM-DD`. */
  readonly due?: string
  readonly isDone?: boolean
}

/** What one user's Notion workspace holds. */
export interface NotionSeed {
  readonly workspaceName?: string
  readonly pages?: readonly NotionPageSeed[]
  readonly databases?: readonly { readonly title: string; readonly rows: readonly NotionRowSeed[] }[]
}

/** A stable UUID for a thing that a seed describes. */
export function seededId(...path: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(path)).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** A week of work that ends today, told so that two people's weeks are never the same text. */
export function defaultNotionSeed(user: UserOptions, now: number): NotionSeed {
  const first = user.name.split(' ')[0]!
  const daysAgo = (days: number) => new Date(now - days * 86_400_000).toISOString()
  const task = (days: number, title: string, status: string): NotionRowSeed => ({
    title: `${title} (${first})`,
    status,
    due: daysAgo(days).slice(0, 10),
    isDone: status === 'Done',
    editedAt: daysAgo(days),
    text: [`${first} wrote: ${title.toLowerCase()}.`],
  })
  return {
    workspaceName: `${first}'s workspace`,
    pages: [
      {
        title: `Weekly plan of ${first}`,
        text: ['Three things matter this week.', '[x] Agree on the budget', '[ ] Ship the report', '[ ] Rest'],
        comments: [`Looks good to me, ${first}.`],
        editedAt: daysAgo(6),
      },
      {
        title: `Meeting notes: ${first} and the board`,
        text: ['The board wants numbers by Friday.'],
        editedAt: daysAgo(3),
      },
      { title: `Travel list of ${first}`, text: ['[ ] Tickets', '[ ] Hotel'], editedAt: daysAgo(1) },
    ],
    databases: [
      {
        title: 'Tasks',
        rows: [
          task(6, 'Collect the figures', 'Done'),
          task(5, 'Write the draft', 'Done'),
          task(4, 'Review with legal', 'Done'),
          task(3, 'Prepare the slides', 'In progress'),
          task(2, 'Answer the auditor', 'In progress'),
          task(1, 'Book the venue', 'Not started'),
          task(0, 'Send the report', 'Not started'),
        ],
      },
    ],
  }
}
