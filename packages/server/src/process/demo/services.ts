import type { Overrides } from '@valetkey/sdk/wire'
import type { Person } from './people.ts'

/** Who answers for a service: one OAuth client and one set of tokens each. */
export type Vendor = 'slack' | 'google' | 'notion' | 'hubspot'

export const vendors: readonly Vendor[] = ['slack', 'google', 'notion', 'hubspot']

/** One provider as the demo connects it. */
export interface Service {
  readonly provider: string
  /** The digest's heading. */
  readonly label: string
  readonly vendor: Vendor
  /** What the person is asked for; nothing where the rights are fixed at the client. */
  readonly scopes?: readonly string[]
  /** What the seeded week of a person must show in the digest of this service. */
  readonly markers: (person: Person) => readonly string[]
  /** Where the service is when an emulator at `origin` stands in for it. */
  readonly overrides: (origin: string) => Overrides
}

const google = 'https://www.googleapis.com'

/** The emulator has Google's endpoints under other paths than Google. */
function googleAt(origin: string, ...more: readonly string[]): Overrides {
  return {
    origins: Object.fromEntries(['https://accounts.google.com', google, ...more].map(name => [name, origin])),
    token_endpoint: `${origin}/oauth2/token`,
    userinfo_endpoint: `${origin}/oauth2/v2/userinfo`,
    revocation_endpoint: `${origin}/oauth2/revoke`,
  }
}

/** The six services, in the order of the digest. */
export const services: readonly Service[] = [
  {
    provider: 'slack',
    label: 'Slack',
    vendor: 'slack',
    // More than the agent gets: what stops its writes is its grant, and not the provider.
    scopes: ['channels:read', 'channels:history', 'groups:read', 'groups:history', 'users:read', 'chat:write'],
    markers: ({ week }) => week.messages.map(({ text }) => text),
    overrides: origin => ({ origins: { 'https://slack.com': origin, 'https://files.slack.com': origin } }),
  },
  {
    provider: 'google-drive',
    label: 'Google Drive',
    vendor: 'google',
    scopes: [`${google}/auth/drive.readonly`],
    markers: ({ week }) => week.files,
    overrides: origin => googleAt(origin),
  },
  {
    provider: 'gmail',
    label: 'Gmail',
    vendor: 'google',
    scopes: [`${google}/auth/gmail.readonly`],
    markers: ({ week }) => week.mails.map(({ subject }) => subject),
    overrides: origin => googleAt(origin, 'https://gmail.googleapis.com'),
  },
  {
    provider: 'google-calendar',
    label: 'Google Calendar',
    vendor: 'google',
    scopes: [`${google}/auth/calendar.events.readonly`],
    markers: ({ week }) => week.events.map(({ title }) => title),
    overrides: origin => googleAt(origin),
  },
  {
    provider: 'notion',
    label: 'Notion',
    vendor: 'notion',
    markers: ({ week }) => week.pages.map(({ title }) => title),
    overrides: origin => ({ origins: { 'https://api.notion.com': origin } }),
  },
  {
    provider: 'hubspot',
    label: 'HubSpot',
    vendor: 'hubspot',
    scopes: ['oauth', 'crm.objects.contacts.read', 'crm.objects.contacts.write', 'crm.objects.deals.read'],
    markers: ({ week }) => [
      ...week.contacts.map(({ first, last }) => `${first} ${last}`),
      ...week.deals.map(({ name }) => name),
      ...week.tasks.map(({ subject }) => subject),
    ],
    overrides: origin => ({ origins: { 'https://app.hubspot.com': origin, 'https://api.hubapi.com': origin } }),
  },
]

/** The OAuth client at a vendor. */
export interface VendorClient {
  readonly id: string
  readonly secret: string
  /** A client at the real service, from the environment: no emulator stands in. */
  readonly isReal: boolean
}

/** The client of each vendor: from the environment where it has one, else made up for the emulator. */
export function clientsOf(
  env: Readonly<Record<string, string | undefined>>,
  random: () => string,
): { readonly clients: Readonly<Record<Vendor, VendorClient>>; readonly faults: readonly string[] } {
  const faults: string[] = []
  const clientOf = (vendor: Vendor): VendorClient => {
    const name = `VALETKEY_DEMO_${vendor.toUpperCase()}_CLIENT_`
    const [id, secret] = [env[`${name}ID`] ?? '', env[`${name}SECRET`] ?? '']
    // HubSpot always stands on the test provider: the check of an expiry needs its clock.
    if (vendor === 'hubspot' || (id === '' && secret === ''))
      return { id: `valetkey-demo-${vendor}`, secret: `demo-secret-${random()}`, isReal: false }
    if (id === '' || secret === '') faults.push(`Set both ${name}ID and ${name}SECRET, or neither.`)
    return { id, secret, isReal: true }
  }
  const clients = Object.fromEntries(vendors.map(vendor => [vendor, clientOf(vendor)])) as Record<Vendor, VendorClient>
  return { clients, faults }
}
