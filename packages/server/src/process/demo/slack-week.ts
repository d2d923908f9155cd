import { daysBefore, type Person, people, sharedMessages } from './people.ts'

/** The token with which a person's own messages are written; it belongs to the emulator's seed, no app ever gets it. */
export const writerToken = (person: Person) => `xoxp-seed-of-${person.id}`

/** The emulator's seed: people, one public channel for both, and the strictness of the real service. */
export function slackSeed(client: { id: string; secret: string }, redirectUris: readonly string[]) {
  return {
    team: { name: 'Demo', domain: 'demo' },
    users: people.map(({ id, name, email }) => ({ name: id, real_name: name, email })),
    channels: [{ name: 'announcements', purpose: 'For everyone' }],
    oauth_apps: [{ client_id: client.id, client_secret: client.secret, name: 'Valetkey', redirect_uris: redirectUris }],
    tokens: people.map(person => ({ token: writerToken(person), user: person.id })),
    strict_scopes: true,
  }
}

/**
 * Writes the week: the emulator takes no messages as seed, and stamps each with its own clock. So each day's messages
 * are posted while `Date.now` says that day. Nothing else runs in this process meanwhile, and timers do not use it.
 */
export async function writeSlackWeek(origin: string, now: number): Promise<void> {
  const posts: { readonly at: number; readonly channel: string; readonly text: string; readonly token: string }[] = []
  for (const person of people) {
    const token = writerToken(person)
    const { channel } = await call(origin, 'conversations.create', token, {
      name: person.week.channel,
      is_private: true,
    })
    for (const { daysAgo, text } of person.week.messages)
      posts.push({ at: daysBefore(now, daysAgo).getTime(), channel: (channel as { id: string }).id, text, token })
  }
  for (const { daysAgo, text } of sharedMessages)
    posts.push({
      at: daysBefore(now, daysAgo).getTime(),
      channel: 'announcements',
      text,
      token: writerToken(people[0]!),
    })
  posts.sort((a, b) => a.at - b.at)
  const clock = Date.now
  try {
    for (const { at, channel, text, token } of posts) {
      Date.now = () => at
      await call(origin, 'chat.postMessage', token, { channel, text })
    }
  } finally {
    Date.now = clock
  }
}

async function call(origin: string, method: string, token: string, body: unknown): Promise<Record<string, unknown>> {
  const answer = await fetch(`${origin}/api/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const said = (await answer.json()) as Record<string, unknown>
  if (said.ok !== true) throw new Error(`the Slack emulator refuses ${method} of the demo's week: ${said.error}`)
  return said
}
