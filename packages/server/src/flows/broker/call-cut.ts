/** Why a call was cut: a word for the record. */
export class Cut extends Error {
  readonly why: string
  constructor(why: string) {
    super(`The call was cut: ${why}.`)
    this.name = 'Cut'
    this.why = why
  }
}

/** The one way to end a call from outside, whatever step it is at. */
export class CallCut {
  readonly #cut: Promise<never>
  #reject: (cut: Cut) => void = () => {}
  #hear: (cut: Cut) => void = () => {}
  #done: Cut | undefined

  constructor() {
    this.#cut = new Promise<never>((_, reject) => {
      this.#reject = reject
    })
    this.#cut.catch(() => {})
  }

  get done(): Cut | undefined {
    return this.#done
  }

  cut(why: string): void {
    if (this.#done !== undefined) return
    this.#done = new Cut(why)
    this.#reject(this.#done)
    this.#hear(this.#done)
  }

  /** What has to be stopped at the moment of the cut. The last one set counts. */
  onCut(hear: (cut: Cut) => void): void {
    this.#hear = hear
    if (this.#done !== undefined) hear(this.#done)
  }

  /** Waits for `work`, or throws the cut as soon as it comes. */
  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#cut])
  }
}
