import { readFileSync } from 'node:fs'
import { httpLimits } from './http-limits.ts'

/** The share of a process's open files that agents' connections may take: providers, database and files need the rest. */
const share = 0.7

/** How many connections may be open in a process with so many files; without a number, as many as we would have. */
export function connectionsFor(openFiles: number | undefined): number {
  if (openFiles === undefined) return httpLimits.connections
  return Math.max(1, Math.min(httpLimits.connections, Math.floor(openFiles * share)))
}

/** The limit of this process on Linux; unknown elsewhere. Node raises the soft limit to the hard one when it starts. */
export function openFilesOfProcess(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
