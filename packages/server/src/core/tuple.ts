/**
 * A tuple as one text in which no two different tuples look alike: each member with its type and length in front.
 * What MACs are computed over.
 */
export function tupleText(members: readonly (string | number | undefined)[]): string {
  return members
    .map(member => (member === undefined ? '-' : typeof member === 'number' ? `n${String(member).length}:${member}` : `s${Buffer.byteLength(member)}:${member}`))
    .join(',')
}
