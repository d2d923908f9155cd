import type { Command } from '../command.ts'
import { parseMoment } from '../point-in-time.ts'
import { agentId, userRef } from '../references.ts'
import { UsageError } from '../usage-error.ts'

/** Runs of agents for users. */
export const taskCommands: readonly Command[] = [
  {
    name: 'tasks start',
    summary: 'Begin a run of an agent for a person; prints its token',
    args: ['AGENT', 'USER'],
    options: {
      purpose: { value: 'TEXT', help: 'What for; the person reads it' },
      until: { value: 'WHEN', help: 'A moment, or a length of time such as 1h' },
    },
    example: 'valetkey tasks start digest alice --purpose "Weekly digest" --until 1h --data ./vault',
    notes:
      "The token is the agent's for this person and this task. Set it as VALETKEY_TOKEN for valetkey call and decide.",
    run: async ({ args, options, io, out, vault }) => {
      const purpose = options.text('purpose')
      const until = options.text('until')
      if (purpose === undefined || until === undefined) {
        throw new UsageError('A task has a purpose and an end.', 'Give --purpose "…" and --until 1h')
      }
      const expiresAt = parseMoment(until, 'until', io.now(), 'ahead')
      const client = await vault()
      out.facts(
        await client.tasks.create({
          agent: await agentId(client, args[0]!),
          user: userRef(args[1]!),
          purpose,
          expires_at: expiresAt,
        }),
      )
      return 0
    },
  },
  {
    name: 'tasks renew',
    summary: 'Another token for a task that goes on',
    args: ['TASK'],
    options: {},
    example: 'VALETKEY_TOKEN=… valetkey tasks renew tsk_01jb2k3m4n5p6q7r8s9t0v1w2x --url https://valetkey.example.com',
    notes: 'Asked with the live token of the task, or with the credentials of its agent.',
    run: async ({ args, out, vault }) => {
      out.facts(await (await vault()).tasks.renew(args[0]!))
      return 0
    },
  },
  {
    name: 'tasks end',
    summary: 'End a task, its tokens and its grants',
    args: ['TASK'],
    options: {},
    example: 'valetkey tasks end tsk_01jb2k3m4n5p6q7r8s9t0v1w2x --data ./vault',
    run: async ({ args, out, vault }) => {
      out.facts(await (await vault()).tasks.end(args[0]!))
      return 0
    },
  },
]
