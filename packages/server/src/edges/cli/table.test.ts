import { expect, test } from 'vitest'
import { printable, printableLines } from './printable.ts'
import { type Column, drawFacts, drawTable } from './table.ts'

interface Row {
  readonly id: string
  readonly note?: string
  readonly size?: number
}

const columns: readonly Column<Row>[] = [
  { head: 'ID', of: row => row.id },
  { head: 'NOTE', of: row => row.note },
  { head: 'SIZE', of: row => row.size },
]

test('columns are aligned, and one that is empty everywhere is left out', () => {
  expect(
    drawTable<Row>(columns, [
      { id: 'a', size: 1 },
      { id: 'longer', size: 20 },
    ]),
  ).toBe('ID      SIZE\na       1\nlonger  20')
})

test('a line that is wider than the terminal is cut, and none otherwise', () => {
  const rows = [{ id: 'a', note: 'x'.repeat(40) }]
  expect(drawTable<Row>(columns, rows, 10).split('\n')[1]).toBe('a   xxxxx…')
  expect(drawTable<Row>(columns, rows).split('\n')[1]).toBe(`a   ${'x'.repeat(40)}`)
})

test('what others have named cannot repaint the terminal', () => {
  const evil = 'a\u001b[2Jb\u202ec\r\n\u0007\u009b'
  expect(printable(evil)).not.toMatch(/[\p{Cc}\u202e]/u)
  expect(drawTable<Row>(columns, [{ id: evil }]).split('\n')).toHaveLength(2)
  expect(drawFacts([['label', evil]])).not.toContain('\u001b')
  expect(printableLines('a\n\tb\u001b[2J')).toBe('a\n\tb\ufffd[2J')
})

test('facts show lists and objects in words, and leave out what is not there', () => {
  expect(
    drawFacts([
      ['id', 'x'],
      ['none', undefined],
      ['scopes', ['a', 'b']],
      ['credential', { kind: 'oauth2', n: 2 }],
    ]),
  ).toBe('id          x\nscopes      a, b\ncredential  kind=oauth2 n=2')
})
