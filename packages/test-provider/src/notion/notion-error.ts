import { randomUUID } from 'node:crypto'
import { type Answer, json } from '../http/exchange.ts'

/** An error body of Notion. */
export function notionError(status: number, code: string, message: string): Answer {
  return json(status, { object: 'error', status, code, message, request_id: randomUUID() })
}
