/** JSON lines on stderr. Members are written by name; a `Secret` prints as `[secret]`, an error as name, message and cause chain without its stack's data. */
export interface Log {
  info(message: string, members?: Readonly<Record<string, unknown>>): void
  warn(message: string, members?: Readonly<Record<string, unknown>>): void
  error(message: string, members?: Readonly<Record<string, unknown>>): void
}

/** `silent` keeps only warnings and errors. */
export function createLog(
  write: (line: string) => void,
  now: () => number,
  level: 'info' | 'warn' | 'error' = 'info',
): Log {
  const rank = { info: 0, warn: 1, error: 2 }
  const line = (kind: keyof typeof rank, message: string, members: Readonly<Record<string, unknown>> = {}) => {
    if (rank[kind] < rank[level]) return
    const shown: Record<string, unknown> = { time: new Date(now()).toISOString(), level: kind, message }
    for (const [name, value] of Object.entries(members)) shown[name] = value instanceof Error ? describe(value) : value
    write(`${JSON.stringify(shown)}\n`)
  }
  return {
    info: (message, members) => line('info', message, members),
    warn: (message, members) => line('warn', message, members),
    error: (message, members) => line('error', message, members),
  }
}

function describe(error: Error): Record<string, unknown> {
  const code = (error as { code?: unknown }).code
  return {
    name: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(error.stack !== undefined && {
      at: error.stack
        .split('\n')
        .slice(1, 6)
        .map(frame => frame.trim()),
    }),
    ...(error.cause instanceof Error && { cause: describe(error.cause) }),
  }
}
