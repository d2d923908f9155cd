import type { User } from '@valetkey/sdk/wire'
import type { Command } from '../command.ts'
import { CommandFailed } from '../usage-error.ts'
import { drawList, listOptions } from './list-command.ts'

/** Resource owners. */
export const userCommands: readonly Command[] = [
  {
    name: 'users add',
    summary: "Make a person known, by the tenant's own id",
    args: ['EXTERNAL_ID'],
    options: {
      name: { value: 'NAME', help: 'Name for people' },
      email: { value: 'ADDRESS', help: 'E-mail address' },
    },
    example: 'valetkey users add alice --name "Alice" --data ./vault',
    run: async call => {
      const name = call.options.text('name')
      const email = call.options.text('email')
      const vault = await call.vault()
      call.out.facts(
        await vault.users.create({
          external_id: call.args[0]!,
          ...(name !== undefined && { display_name: name }),
          ...(email !== undefined && { email }),
        }),
      )
      return 0
    },
  },
  {
    name: 'users list',
    summary: 'The people of this tenant',
    args: [],
    options: listOptions,
    example: 'valetkey users list --data ./vault',
    run: async call =>
      drawList(
        call,
        (await call.vault()).users.list(),
        [
          { head: 'ID', of: row => row.id },
          { head: 'EXTERNAL ID', of: row => row.external_id },
          { head: 'NAME', of: row => row.display_name },
          { head: 'E-MAIL', of: row => row.email },
        ],
        'No people yet. Next: valetkey users add EXTERNAL_ID',
      ),
  },
  {
    name: 'users show',
    summary: "One person, by our id or the tenant's own",
    args: ['USER'],
    options: {},
    example: 'valetkey users show alice --data ./vault',
    run: async call => {
      const vault = await call.vault()
      const name = call.args[0]!
      call.out.facts(/^usr_[0-9a-z]{26}$/.test(name) ? await vault.users.get(name) : await byExternalId(vault, name))
      return 0
    },
  },
]

async function byExternalId(
  vault: Awaited<ReturnType<Parameters<Command['run']>[0]['vault']>>,
  name: string,
): Promise<User> {
  // The server may filter or not: the comparison here decides.
  for await (const user of vault.users.list({ user_external_id: name })) if (user.external_id === name) return user
  throw new CommandFailed(`There is no user "${name}".`, 'valetkey users list')
}
