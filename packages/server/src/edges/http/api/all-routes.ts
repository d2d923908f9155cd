import { auditRoutes } from './audit-routes.ts'
import { clientsRoutes } from './clients-routes.ts'
import { connectSessionsRoutes } from './connect-sessions-routes.ts'
import { connectionsRoutes } from './connections-routes.ts'
import { decisionsRoutes } from './decisions-routes.ts'
import { doctorRoutes } from './doctor-routes.ts'
import { grantsRoutes } from './grants-routes.ts'
import { integrationsRoutes } from './integrations-routes.ts'
import { providersRoutes } from './providers-routes.ts'
import type { Route } from './route.ts'
import { tasksRoutes } from './tasks-routes.ts'
import { usersRoutes } from './users-routes.ts'

/** Every row of the API (CONTRACT 4). */
export const allRoutes: readonly Route[] = [
  ...providersRoutes,
  ...integrationsRoutes,
  ...usersRoutes,
  ...clientsRoutes,
  ...connectSessionsRoutes,
  ...connectionsRoutes,
  ...grantsRoutes,
  ...tasksRoutes,
  ...decisionsRoutes,
  ...auditRoutes,
  ...doctorRoutes,
]
