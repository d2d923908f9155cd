import { chmodSync, closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Failure } from '../../core/failure.ts'

/**
 * Keeps a second process off the data folder. The lock is the operating system's, held by an exclusive transaction on a
 * database of its own that is never written to: it goes when the process goes, also by kill -9, and leaves nothing to
 * repair. Nobody else in this process may open the file: closing any descriptor of it would drop the lock.
 */
export function lockFolder(folder: string): { release(): void } {
  const path = join(folder, 'valetkey.lock')
  ownFile(path)
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('pragma locking_mode = exclusive; begin exclusive')
  } catch (error) {
    database.close()
    if ((error as { errcode?: unknown }).errcode !== 5) throw error
    throw new Failure(
      'unavailable',
      `Another process has this data folder open: ${folder}. Stop it first, or talk to it over its socket.`,
    )
  }
  return { release: () => database.close() }
}

/** Makes a file that only its owner reads. SQLite gives the same mode to the files that it puts beside it. */
export function ownFile(path: string): void {
  try {
    // Only when it is not there: opening and closing a file that SQLite has locked would drop those locks.
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  chmodSync(path, 0o600)
}
