import { randomUUID } from 'node:crypto'
import { type Answer, json } from '../http/exchange.ts'

/** An error body of HubSpot's CRM API. */
export function hubSpotError(
  status: number,
  category: string,
  message: string,
  more: Readonly<Record<string, unknown>> = {},
): Answer {
  return json(status, { status: 'error', message, correlationId: randomUUID(), category, ...more })
}
