import type { Command } from '../command.ts'
import { userId } from '../references.ts'
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
      call.out.facts(await vault.users.get(await userId(vault, call.args[0]!)))
      return 0
    },
  },
]
