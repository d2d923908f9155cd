/**
 * Splits the words of a fault into what is wrong and what to do: faults of starting end with the next step, as a sentence
 * of its own. `next` is undefined when there is one sentence only.
 */
export function splitNextStep(message: string): { readonly wrong: string; readonly next?: string } {
  const [, wrong, next] = /^([\s\S]*[.)])\s+([A-Z][\s\S]*)$/.exec(message) ?? []
  return wrong === undefined || next === undefined ? { wrong: message } : { wrong, next }
}
