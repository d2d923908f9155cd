/**
 * The keys of a query or an urlencoded body as they were sent. `;` counts as a separator beside `&`, because some readers
 * split there; duplicates are all given.
 */
export function* formKeys(text: string): Generator<string> {
  for (const pair of text.replace(/^\?/, '').split(/[&;]/)) {
    const equals = pair.indexOf('=')
    yield (equals === -1 ? pair : pair.slice(0, equals)).trim()
  }
}
