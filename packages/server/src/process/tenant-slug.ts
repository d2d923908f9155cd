import { StartFault } from './data-folder.ts'

/** What stands for a tenant in its URLs, made from its name: `Acme Corp` is `acme-corp`. Refuses a name that leaves nothing. */
export function slugOf(name: string): string {
  if (/\p{C}/u.test(name))
    throw new StartFault('The name of a tenant is shown to people: it cannot hold control characters.')
  const slug = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  if (slug === '' || slug.length > 63)
    throw new StartFault(
      `"${name}" cannot be part of a URL. Use a name with 1 to 63 letters a to z or digits; all else becomes hyphens.`,
    )
  return slug
}
