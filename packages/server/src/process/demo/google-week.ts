import { daysBefore, people } from './people.ts'

/** Gets what the emulator gives to a token that it does not know: nobody's week. */
const stranger = { email: 'stranger@example.com', name: 'Stranger' }

/** The emulator's seed: files, mail and calendars of both people. */
export function googleSeed(client: { id: string; secret: string }, redirectUris: readonly string[], now: number) {
  return {
    // The emulator answers any unknown bearer token as its first user, so that one must own nothing of the week.
    users: [stranger, ...people.map(({ name, email }) => ({ name, email }))],
    oauth_clients: [
      { client_id: client.id, client_secret: client.secret, name: 'Valetkey', redirect_uris: redirectUris },
    ],
    messages: people.flatMap(({ id, email, week }) =>
      week.mails.map(({ daysAgo, from, subject }, at) => ({
        id: `mail_${id}_${at}`,
        user_email: email,
        from,
        to: email,
        subject,
        snippet: subject,
        body_text: subject,
        label_ids: ['INBOX'],
        date: daysBefore(now, daysAgo).toISOString(),
      })),
    ),
    calendars: people.map(({ id, email }) => ({
      id: `calendar_${id}`,
      user_email: email,
      summary: email,
      primary: true,
    })),
    calendar_events: people.flatMap(({ id, email, week }) =>
      week.events.map(({ daysAgo, hour, title }, at) => {
        const start = daysBefore(now, daysAgo, hour)
        return {
          id: `event_${id}_${at}`,
          user_email: email,
          calendar_id: `calendar_${id}`,
          summary: title,
          start_date_time: start.toISOString(),
          end_date_time: new Date(start.getTime() + 3_600_000).toISOString(),
        }
      }),
    ),
    drive_items: people.flatMap(({ id, email, week }) =>
      week.files.map((name, at) => ({
        id: `file_${id}_${at}`,
        user_email: email,
        name,
        mime_type: 'application/octet-stream',
        data: `The content of ${name}`,
      })),
    ),
  }
}
