import { describe, expect, it } from 'vitest'
import { createIdleCollector } from './collect-when-idle.ts'

describe('an idle process', () => {
  function rig(resident: number) {
    let cpu = 0
    let collected = 0
    const tick = createIdleCollector({
      cpuMicroseconds: () => cpu,
      residentBytes: () => resident,
      collect: () => {
        collected++
        cpu += 70_000
      },
    })
    return {
      period(work: number) {
        cpu += work
        tick()
        return collected
      },
    }
  }
  const large = 300 * 1024 * 1024

  it('collects once after two quiet periods, and again only after work', () => {
    const { period } = rig(large)
    expect([period(4_000_000), period(1_000), period(1_000), period(1_000), period(1_000)]).toEqual([0, 0, 1, 1, 1])
    expect([period(900_000), period(0), period(0)]).toEqual([1, 1, 2])
  })

  it('is not paused while it works', () => {
    const { period } = rig(large)
    expect([period(200_000), period(50), period(200_000), period(50), period(300_000)]).toEqual([0, 0, 0, 0, 0])
  })

  it('is left alone while it is small', () => {
    const { period } = rig(100 * 1024 * 1024)
    expect([period(900_000), period(0), period(0)]).toEqual([0, 0, 0])
  })
})
