/**
 * Which of `names` (lower case) a parameter's name is, in the spelling in which it was sent, to any reader: after
 * decoding it more than once, whatever its case and Unicode form, as an array (`token[]`), and as PHP reads it
 * (`access.token`, `access token`).
 */
export function listedName(spelling: string, names: ReadonlySet<string>): string | undefined {
  // Most names are plain and have one reading; a body of a megabyte may hold half a million of them.
  if (/^[a-z0-9_-]*$/.test(spelling)) return names.has(spelling) ? spelling : undefined
  let form = spelling
  for (let round = 0; round < 4; round++) {
    const found = readings(form).find(reading => names.has(reading))
    if (found !== undefined) return found
    const decoded = decodeOnce(form)
    if (decoded === form) return undefined
    form = decoded
  }
  return undefined
}

function readings(form: string): string[] {
  // NFKC folds full-width letters and the long s, as case-insensitive readers do.
  const folded = form.normalize('NFKC').toLowerCase().normalize('NFKC')
  // Some readers stop at a zero byte, some drop it; nobody shows what has no width.
  const visible = folded.replace(/[\u00ad\u200b-\u200f\u2060\ufeff]/g, '')
  const whole = visible.replaceAll('\0', '').trim()
  const plain = visible.replace(/\0.*$/s, '').trim()
  const base = plain.replace(/\[.*$/s, '').trim()
  return [whole, plain, base, base.replace(/[. ]/g, '_'), plain.replace(/[. [\]]/g, '_')]
}

/** One round of form decoding that never fails: `+`, `%xx` as UTF-8, and the old `%uxxxx`. */
export function decodeOnce(text: string): string {
  const spaced = text
    .replaceAll('+', ' ')
    .replace(/%u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return spaced.replace(/(?:%[0-9a-fA-F]{2})+/g, run => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'))
}
