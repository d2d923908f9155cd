import type { ConnectionFetch } from '@valetkey/sdk'
import type { Item } from './agent.ts'

// biome-ignore lint/suspicious/noExplicitAny: vendors' JSON, read for its texts.
type Answer = any
type Call = (path: string, init?: RequestInit) => Promise<Answer>
type Reader = (call: Call, since: Date, now: Date) => Promise<Item[]>

/** Reads one person's last seven days from one service, by that service's own API, newest first. */
export async function readWeek(provider: string, fetch: ConnectionFetch, now: number): Promise<readonly Item[]> {
  const read = readers[provider]
  if (read === undefined) throw new TypeError(`the demo's agent does not know how to read ${provider}`)
  const call: Call = async (path, init) => {
    const answer = await fetch(path, init)
    const body: Answer = await answer.json()
    // Slack says its refusals with status 200.
    if (!answer.ok || body.ok === false)
      throw new Error(`${path.split('?')[0]} answered ${answer.status} ${body.error ?? ''}`)
    return body
  }
  const items = await read(call, new Date(now - 7 * 86_400_000), new Date(now))
  return items.sort((a, b) => (b.when ?? '').localeCompare(a.when ?? ''))
}

const form = (members: Readonly<Record<string, string>>): RequestInit => ({
  method: 'POST',
  body: new URLSearchParams(members),
})
const query = (members: Readonly<Record<string, string>>) => new URLSearchParams(members).toString()

const readers: Readonly<Record<string, Reader>> = {
  async slack(call, since) {
    const [{ members }, { channels }] = await Promise.all([
      call('/api/users.list', form({ limit: '200' })),
      call(
        '/api/conversations.list',
        form({ types: 'public_channel,private_channel', exclude_archived: 'true', limit: '200' }),
      ),
    ])
    const names = new Map<string, string>(members.map((one: Answer) => [one.id, one.real_name || one.name]))
    const oldest = String(Math.floor(since.getTime() / 1000))
    const found = await Promise.all(
      channels
        .filter((channel: Answer) => channel.is_member)
        .map(async ({ id, name }: Answer) => {
          const { messages } = await call('/api/conversations.history', form({ channel: id, oldest, limit: '50' }))
          return messages.map(({ ts, user, text }: Answer) => ({
            when: new Date(Number(ts) * 1000).toISOString(),
            text: `#${name}  ${names.get(user) ?? 'someone'}: ${text}`,
          }))
        }),
    )
    return found.flat()
  },

  async 'google-drive'(call, since) {
    const asked = query({
      q: `trashed = false and modifiedTime > '${since.toISOString()}'`,
      orderBy: 'modifiedTime desc',
      pageSize: '50',
      fields: 'files(id,name,modifiedTime)',
    })
    const { files } = await call(`/drive/v3/files?${asked}`)
    return files.map(({ name, modifiedTime }: Answer) => ({ when: modifiedTime, text: name }))
  },

  async gmail(call, since) {
    const after = Math.floor(since.getTime() / 1000)
    const asked = query({ q: `in:inbox after:${after}`, maxResults: '25' })
    const { messages = [] } = await call(`/gmail/v1/users/me/messages?${asked}`)
    return Promise.all(
      messages.map(async ({ id }: Answer) => {
        const mail = await call(
          `/gmail/v1/users/me/messages/${id}?format=metadata&metadataHeaders=Subject&metadataHeaders=From`,
        )
        const header = (wanted: string) =>
          mail.payload.headers.find(({ name }: Answer) => name.toLowerCase() === wanted)?.value ?? ''
        return {
          when: new Date(Number(mail.internalDate)).toISOString(),
          text: `${header('subject')}  (${header('from').replace(/\s*<.*/, '')})`,
        }
      }),
    )
  },

  async 'google-calendar'(call, since, now) {
    const asked = query({
      timeMin: since.toISOString(),
      timeMax: now.toISOString(),
      singleEvents: 'true',
      orderBy: 'startTime',
      maxResults: '50',
    })
    const { items } = await call(`/calendar/v3/calendars/primary/events?${asked}`)
    return items.map(({ summary, start }: Answer) => ({
      when: new Date(start.dateTime ?? start.date).toISOString(),
      text: summary ?? '(no title)',
    }))
  },

  async notion(call, since) {
    const { results } = await call('/v1/search', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'notion-version': '2025-09-03' },
      body: JSON.stringify({
        filter: { property: 'object', value: 'page' },
        sort: { direction: 'descending', timestamp: 'last_edited_time' },
        page_size: 50,
      }),
    })
    return results
      .filter(({ last_edited_time }: Answer) => Date.parse(last_edited_time) >= since.getTime())
      .map((page: Answer) => ({ when: page.last_edited_time, text: notionTitle(page) }))
  },

  async hubspot(call) {
    const list = (type: string, properties: string) =>
      call(`/crm/v3/objects/${type}?${query({ limit: '100', properties })}`)
    const [contacts, deals, tasks] = await Promise.all([
      list('contacts', 'firstname,lastname,company'),
      list('deals', 'dealname,dealstage,amount'),
      list('tasks', 'hs_task_subject,hs_task_status,hs_timestamp'),
    ])
    const item = (text: (properties: Answer) => string) => (row: Answer) => ({
      when: row.updatedAt,
      text: text(row.properties),
    })
    return [
      ...deals.results.map(item(deal => `deal  ${deal.dealname}: ${deal.dealstage}, ${deal.amount}`)),
      ...tasks.results.map(item(task => `task  ${task.hs_task_subject}: ${task.hs_task_status}`)),
      ...contacts.results.map(item(one => `contact  ${one.firstname} ${one.lastname}, ${one.company}`)),
    ]
  },
}

function notionTitle(page: Answer): string {
  const title = Object.values<Answer>(page.properties).find(property => property.type === 'title')
  return title?.title.map(({ plain_text }: Answer) => plain_text).join('') || '(no title)'
}
