import { examine } from '../../../flows/doctor/examine.ts'
import { ok, type Route } from './route.ts'

export const doctorRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'Look at settings, key, database, chain, clock and egress; every fault has its next step.',
    scopes: ['audit:read'],
    clients: ['operator'],
    async handle(call) {
      const checks = await examine(call.parts)
      return ok({ ok: checks.every(check => check.ok), checks })
    },
  },
]
