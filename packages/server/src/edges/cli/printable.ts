/**
 * Text as a terminal may show it. Names, labels and messages come from providers and people: control characters and
 * marks of writing direction in them could repaint the screen or make one text look like another.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, '\ufffd')
}

/** The same for text of several lines: line ends and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|[\p{Bidi_Control}]/gu, '\ufffd')
}
