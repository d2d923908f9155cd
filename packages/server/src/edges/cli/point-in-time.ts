import { UsageError } from './usage-error.ts'

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** `90s`, `30m`, `8h`, `7d`, `2w` in milliseconds. */
export function parseDuration(text: string, option: string): number {
  const [, count, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  if (count === undefined || unit === undefined || Number(count) === 0) {
    throw new UsageError(`Expected --${option} to be a length of time, not "${text}".`, 'For example 30m, 8h or 7d.')
  }
  return Number(count) * unitMs[unit]!
}

/** A moment: RFC 3339, or a length of time that is counted from `now` forward or back. */
export function parseMoment(text: string, option: string, now: number, direction: 'ahead' | 'ago'): string {
  if (/^\d+[smhdw]$/.test(text)) {
    const far = parseDuration(text, option)
    return new Date(direction === 'ahead' ? now + far : now - far).toISOString()
  }
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) {
    throw new UsageError(
      `Expected --${option} to be a moment, not "${text}".`,
      'For example 8h, or 2031-05-01T12:00:00Z.',
    )
  }
  return new Date(at).toISOString()
}
