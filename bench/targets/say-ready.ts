/** Tells the bench, by one line on stdout, where this target listens. */
export function sayReady(said: Readonly<Record<string, string>>): void {
  process.stdout.write(`${JSON.stringify({ ready: true, ...said })}\n`)
}
