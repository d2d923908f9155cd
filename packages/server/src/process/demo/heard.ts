/** A `fetch` that keeps every byte which came back through it. */
export interface Heard {
  readonly fetch: typeof fetch
  /** Status lines, headers and bodies of all answers, in order. */
  bytes(): Buffer
}

/** Writes down all that an agent receives, to search it afterwards. */
export function hear(send: typeof fetch): Heard {
  const chunks: Buffer[] = []
  return {
    fetch: async (input, init) => {
      const answer = await send(input, init)
      const head = [`${answer.status} ${answer.statusText}`, ...[...answer.headers].map(pair => pair.join(': '))]
      const body = Buffer.from(await answer.arrayBuffer())
      chunks.push(Buffer.from(`${head.join('\n')}\n\n`), body, Buffer.from('\n'))
      const isEmpty = [204, 205, 304].includes(answer.status)
      return new Response(isEmpty ? null : body, {
        status: answer.status,
        statusText: answer.statusText,
        headers: answer.headers,
      })
    },
    bytes: () => Buffer.concat(chunks),
  }
}
