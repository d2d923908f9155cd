import type { UserOptions } from '../options.ts'

/** A record of the CRM. `associated` names records of other types, as `type/id`. */
export interface HubSpotRecordSeed {
  readonly id: string
  readonly properties: Readonly<Record<string, string>>
  /** RFC 3339; default: now. */
  readonly updatedAt?: string
  readonly associated?: readonly string[]
}

/** What the HubSpot account of one user holds, by object type (`contacts`, `deals`, `tasks` …). */
export interface HubSpotSeed {
  readonly hubId?: number
  readonly records?: Readonly<Record<string, readonly HubSpotRecordSeed[]>>
}

/** A week of a seller that ends today, told so that two people's weeks are never the same text. */
export function defaultHubSpotSeed(user: UserOptions, now: number): HubSpotSeed {
  const first = user.name.split(' ')[0]!
  const base = 1000 * (1 + ([...user.id].reduce((sum, character) => sum * 31 + character.charCodeAt(0), 7) % 900_000))
  const id = (offset: number) => String(base + offset)
  const at = (days: number) => new Date(now - days * 86_400_000).toISOString()
  const person = (offset: number, firstname: string, lastname: string, company: string): HubSpotRecordSeed => ({
    id: id(offset),
    properties: { firstname, lastname, email: `${firstname}.${lastname}@${company}.example`.toLowerCase(), company },
    updatedAt: at(offset),
    associated: [`companies/${id(20 + offset)}`],
  })
  const firm = (offset: number, name: string): HubSpotRecordSeed => ({
    id: id(20 + offset),
    properties: { name, domain: `${name.toLowerCase()}.example` },
    updatedAt: at(offset),
  })
  const deal = (offset: number, dealname: string, dealstage: string, amount: string): HubSpotRecordSeed => ({
    id: id(40 + offset),
    properties: {
      dealname: `${dealname} (${first})`,
      dealstage,
      amount,
      pipeline: 'default',
      closedate: at(-7 * offset),
    },
    updatedAt: at(offset),
    associated: [`contacts/${id(offset)}`],
  })
  const task = (offset: number, subject: string, status: string): HubSpotRecordSeed => ({
    id: id(60 + offset),
    properties: {
      hs_task_subject: `${subject} (${first})`,
      hs_task_status: status,
      hs_task_priority: offset < 3 ? 'HIGH' : 'MEDIUM',
      hs_timestamp: at(offset),
    },
    updatedAt: at(offset),
    associated: [`contacts/${id(1 + (offset % 3))}`],
  })
  return {
    hubId: base,
    records: {
      contacts: [
        person(1, 'Carol', `${first}son`, 'Northwind'),
        person(2, 'Dave', `${first}man`, 'Contoso'),
        person(3, 'Erin', `${first}ley`, 'Fabrikam'),
      ],
      companies: [firm(1, 'Northwind'), firm(2, 'Contoso'), firm(3, 'Fabrikam')],
      deals: [
        deal(1, 'Renewal', 'contractsent', '12000'),
        deal(2, 'Pilot', 'presentationscheduled', '4500'),
        deal(3, 'Expansion', 'closedwon', '30000'),
      ],
      tasks: [
        task(0, 'Send the offer', 'NOT_STARTED'),
        task(1, 'Call back', 'NOT_STARTED'),
        task(2, 'Prepare the demo', 'IN_PROGRESS'),
        task(4, 'Update the forecast', 'COMPLETED'),
        task(6, 'Thank the customer', 'COMPLETED'),
      ],
    },
  }
}
