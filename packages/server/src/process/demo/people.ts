/** What happened to one person in the last week, by service. Every text belongs to this person alone. */
export interface Week {
  readonly channel: string
  readonly messages: readonly { readonly daysAgo: number; readonly text: string }[]
  readonly files: readonly string[]
  readonly mails: readonly { readonly daysAgo: number; readonly from: string; readonly subject: string }[]
  readonly events: readonly { readonly daysAgo: number; readonly hour: number; readonly title: string }[]
  readonly pages: readonly { readonly daysAgo: number; readonly title: string }[]
  readonly contacts: readonly { readonly first: string; readonly last: string; readonly company: string }[]
  readonly deals: readonly { readonly name: string; readonly stage: string; readonly amount: string }[]
  readonly tasks: readonly { readonly daysAgo: number; readonly subject: string; readonly status: string }[]
}

/** A person of the demo. `id` is the tenant's own id for them, and their name at the emulated services. */
export interface Person {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly week: Week
}

/** Both see these, because both are members of the public channel. */
export const sharedMessages = [
  { daysAgo: 6, text: 'Office closes at noon on Friday' },
  { daysAgo: 2, text: 'New coffee machine on the second floor' },
]

/** Two people whose weeks have no text in common, so that a mix-up would show. */
export const people: readonly Person[] = [
  {
    id: 'ada',
    name: 'Ada',
    email: 'ada@example.com',
    week: {
      channel: 'bridge-survey',
      messages: [
        { daysAgo: 6, text: 'Survey drone passed its inspection' },
        { daysAgo: 5, text: 'North pillar needs a second scan' },
        { daysAgo: 4, text: 'Scan results are in, no cracks' },
        { daysAgo: 2, text: 'City engineer asks for the raw data' },
        { daysAgo: 1, text: 'Raw data sent, waiting for a signature' },
      ],
      files: ['Bridge survey report.pdf', 'Pillar scans.csv', 'Budget of the survey.xlsx'],
      mails: [
        { daysAgo: 6, from: 'Site office <site@example.com>', subject: 'Access to the bridge from Monday' },
        { daysAgo: 5, from: 'Insurance <cover@example.com>', subject: 'Drone policy renewed' },
        { daysAgo: 3, from: 'City engineer <city@example.com>', subject: 'Questions about pillar three' },
        { daysAgo: 1, from: 'Payroll <pay@example.com>', subject: 'Overtime of the survey crew' },
      ],
      events: [
        { daysAgo: 6, hour: 9, title: 'Survey kick-off' },
        { daysAgo: 4, hour: 14, title: 'Review of the pillar scans' },
        { daysAgo: 2, hour: 11, title: 'Call with the city engineer' },
        { daysAgo: 1, hour: 16, title: 'Crew debrief' },
      ],
      pages: [
        { daysAgo: 6, title: 'Survey checklist' },
        { daysAgo: 4, title: 'Notes on pillar three' },
        { daysAgo: 1, title: 'Lessons of the survey' },
      ],
      contacts: [
        { first: 'Carol', last: 'Stone', company: 'City Works' },
        { first: 'Dev', last: 'Marsh', company: 'Pillar Labs' },
      ],
      deals: [
        { name: 'Bridge survey, phase two', stage: 'contractsent', amount: '48000' },
        { name: 'Tunnel pre-study', stage: 'qualifiedtobuy', amount: '12500' },
      ],
      tasks: [
        { daysAgo: 5, subject: 'Order drone batteries', status: 'COMPLETED' },
        { daysAgo: 1, subject: 'Chase the signature', status: 'NOT_STARTED' },
      ],
    },
  },
  {
    id: 'ben',
    name: 'Ben',
    email: 'ben@example.com',
    week: {
      channel: 'bakery-launch',
      messages: [
        { daysAgo: 6, text: 'Sourdough starter is alive again' },
        { daysAgo: 5, text: 'Oven two heats unevenly' },
        { daysAgo: 3, text: 'Technician replaced the thermostat' },
        { daysAgo: 2, text: 'Tasting panel liked the rye loaf' },
        { daysAgo: 0, text: 'Opening posters are printed' },
      ],
      files: ['Menu draft.docx', 'Supplier prices.xlsx', 'Shop front.png'],
      mails: [
        { daysAgo: 6, from: 'Flour mill <mill@example.com>', subject: 'Delivery moved to Tuesday' },
        { daysAgo: 4, from: 'Landlord <rent@example.com>', subject: 'Keys for the back door' },
        { daysAgo: 2, from: 'Health office <health@example.com>', subject: 'Kitchen inspection passed' },
        { daysAgo: 0, from: 'Print shop <print@example.com>', subject: 'Posters ready for pick-up' },
      ],
      events: [
        { daysAgo: 5, hour: 8, title: 'Oven maintenance' },
        { daysAgo: 3, hour: 10, title: 'Kitchen inspection' },
        { daysAgo: 2, hour: 15, title: 'Tasting panel' },
        { daysAgo: 1, hour: 9, title: 'Interview: second baker' },
      ],
      pages: [
        { daysAgo: 5, title: 'Opening day plan' },
        { daysAgo: 3, title: 'Rye recipe, third try' },
        { daysAgo: 2, title: 'Allergen table' },
      ],
      contacts: [
        { first: 'Erin', last: 'Mills', company: 'Flour and Sons' },
        { first: 'Finn', last: 'Harbor', company: 'Harbor Cafe' },
      ],
      deals: [
        { name: 'Bread for Harbor Cafe', stage: 'closedwon', amount: '9600' },
        { name: 'Wedding cake order', stage: 'appointmentscheduled', amount: '1800' },
      ],
      tasks: [
        { daysAgo: 4, subject: 'Call the thermostat supplier', status: 'COMPLETED' },
        { daysAgo: 0, subject: 'Pick up the posters', status: 'NOT_STARTED' },
      ],
    },
  },
]

/** The moment so many days before `now`, at that hour of the day (UTC) unless that would lie ahead. */
export function daysBefore(now: number, daysAgo: number, hour?: number): Date {
  const day = new Date(now - daysAgo * 86_400_000)
  if (hour !== undefined) day.setUTCHours(hour, 0, 0, 0)
  return new Date(Math.min(day.getTime(), now - 60_000))
}
