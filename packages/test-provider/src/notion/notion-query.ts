import { type NotionObject, type NotionPage, plainText } from './notion-workspace.ts'

/** A filter or sort that this provider does not know. It says so instead of answering too much. */
export class UnknownFilter extends Error {}

/** Whether a row passes a database filter: compound, timestamps, and the property types that seeds use. */
export function passesFilter(page: NotionPage, filter: NotionObject | null | undefined): boolean {
  if (filter === undefined || filter === null) return true
  if (Array.isArray(filter.and)) return filter.and.every((part: NotionObject) => passesFilter(page, part))
  if (Array.isArray(filter.or)) return filter.or.some((part: NotionObject) => passesFilter(page, part))
  if (typeof filter.timestamp === 'string') {
    return passesDate(timestampOf(page, filter.timestamp), filter[filter.timestamp] as NotionObject)
  }
  const property = Object.entries(page.properties).find(
    ([name, value]) => name === filter.property || value.id === filter.property,
  )?.[1]
  if (property === undefined) throw new UnknownFilter(`Could not find property with name or id: ${filter.property}`)
  const type = String(property.type)
  const condition = filter[type] as NotionObject | undefined
  if (condition === undefined)
    throw new UnknownFilter(`the filter for "${filter.property}" needs a "${type}" condition`)
  switch (type) {
    case 'title':
    case 'rich_text':
      return passesText(plainText(property[type]), condition)
    case 'status':
    case 'select':
      return passesText((property[type] as { name?: string } | null)?.name ?? '', condition)
    case 'checkbox':
      return 'equals' in condition
        ? property.checkbox === condition.equals
        : property.checkbox !== condition.does_not_equal
    case 'date':
      return passesDate((property.date as { start?: string } | null)?.start, condition)
    default:
      throw new UnknownFilter(`filters on properties of type "${type}" are not offered here`)
  }
}

function passesText(value: string, condition: NotionObject): boolean {
  const [operator, wanted] = Object.entries(condition)[0] ?? []
  switch (operator) {
    case 'equals':
      return value === wanted
    case 'does_not_equal':
      return value !== wanted
    case 'contains':
      return value.toLowerCase().includes(String(wanted).toLowerCase())
    case 'does_not_contain':
      return !value.toLowerCase().includes(String(wanted).toLowerCase())
    case 'starts_with':
      return value.toLowerCase().startsWith(String(wanted).toLowerCase())
    case 'is_empty':
      return value === ''
    case 'is_not_empty':
      return value !== ''
    default:
      throw new UnknownFilter(`the condition "${operator}" is not offered here`)
  }
}

function passesDate(value: string | undefined, condition: NotionObject): boolean {
  return Object.entries(condition).every(([operator, wanted]) => {
    if (operator === 'is_empty') return value === undefined
    if (operator === 'is_not_empty') return value !== undefined
    if (value === undefined) return false
    const [left, right] = [Date.parse(value), Date.parse(String(wanted))]
    switch (operator) {
      case 'equals':
        return left === right
      case 'after':
        return left > right
      case 'on_or_after':
        return left >= right
      case 'before':
        return left < right
      case 'on_or_before':
        return left <= right
      default:
        throw new UnknownFilter(`the date condition "${operator}" is not offered here`)
    }
  })
}

function timestampOf(page: NotionPage, name: string): string {
  if (name === 'created_time') return page.createdAt
  if (name === 'last_edited_time') return page.editedAt
  throw new UnknownFilter(`no timestamp is called "${name}"`)
}

/** Rows in the order of the sorts; the first one weighs most. */
export function sortRows(pages: readonly NotionPage[], sorts: readonly NotionObject[]): NotionPage[] {
  const keyOf = (page: NotionPage, sort: NotionObject): string => {
    if (typeof sort.timestamp === 'string') return timestampOf(page, sort.timestamp)
    const property = page.properties[String(sort.property)]
    if (property === undefined) throw new UnknownFilter(`Could not find sort property: ${sort.property}`)
    const value = property[String(property.type)]
    if (Array.isArray(value)) return plainText(value)
    const object = value as { name?: string; start?: string } | null
    return typeof value === 'object' ? (object?.start ?? object?.name ?? '') : String(value)
  }
  return [...pages].sort((a, b) => {
    for (const sort of sorts) {
      const [left, right] = [keyOf(a, sort), keyOf(b, sort)]
      if (left !== right) return (left < right ? -1 : 1) * (sort.direction === 'descending' ? -1 : 1)
    }
    return 0
  })
}
