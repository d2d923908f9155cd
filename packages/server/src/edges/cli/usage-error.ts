/** The command line was used wrongly: exit code 2. `fix` says what to type instead. */
export class UsageError extends Error {
  readonly fix: string
  constructor(message: string, fix: string) {
    super(message)
    this.name = 'UsageError'
    this.fix = fix
  }
}

/** The command could not do its work, for a reason that is no answer of the API: exit code 1. */
export class CommandFailed extends Error {
  readonly fix: string
  constructor(message: string, fix: string) {
    super(message)
    this.name = 'CommandFailed'
    this.fix = fix
  }
}
