import { expect, it } from 'vitest'
import { httpLimits } from './http-limits.ts'
import { connectionsFor, openFilesOfProcess } from './open-files.ts'

it('connections leave files for providers and the database, however few there are', () => {
  expect([undefined, 1_000_000, 4_096, 1_024, 1].map(connectionsFor)).toEqual([
    httpLimits.connections,
    httpLimits.connections,
    2_867,
    716,
    1,
  ])
})

it('the limit of this process is a number where the system tells it', () => {
  const files = openFilesOfProcess()
  if (process.platform === 'linux') expect(files).toBeGreaterThan(0)
  else expect(files).toBeUndefined()
})
