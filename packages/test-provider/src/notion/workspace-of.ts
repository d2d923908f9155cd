import type { ProviderState } from '../oauth/provider-state.ts'
import { defaultNotionSeed } from './notion-seed.ts'
import { buildWorkspace, type NotionWorkspace } from './notion-workspace.ts'

const workspaces = new WeakMap<ProviderState, Map<string, NotionWorkspace>>()

/** The workspace of a user; made of the seed at first use. */
export function workspaceOf(state: ProviderState, userId: string): NotionWorkspace | undefined {
  const known = workspaces.get(state) ?? new Map<string, NotionWorkspace>()
  workspaces.set(state, known)
  const user = state.users.get(userId)
  if (user === undefined) return undefined
  const now = state.baseNow()
  const workspace =
    known.get(userId) ?? buildWorkspace(user, state.seed.notion?.[userId] ?? defaultNotionSeed(user, now), now)
  known.set(userId, workspace)
  return workspace
}
