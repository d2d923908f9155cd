import type { Command, CommandCall, OptionSpec } from '../command.ts'
import { UsageError } from '../usage-error.ts'

const data: OptionSpec = { value: 'DIR', help: 'Data folder (VALETKEY_DATA)' }
const config: OptionSpec = { value: 'FILE', help: 'Settings file' }

/** Commands that work on this machine. They are carried out elsewhere; here they get their options. */
export const localCommands: readonly Command[] = [
  {
    name: 'init',
    summary: 'Make a data folder, its root key, the first tenant and its operator',
    args: [],
    options: {
      data,
      'root-key': { value: 'PATH', help: 'Where the root key is written: outside the data folder' },
    },
    example: 'valetkey init --data ./vault',
    notes:
      "Prints the operator's client id and secret and the owner code once. Keep them, and back up the root key by itself.",
    run: ({ local, io, options, out }) => {
      const folder = options.text('data') ?? io.env.VALETKEY_DATA
      if (!folder) throw new UsageError('valetkey init needs a data folder.', 'valetkey init --data ./vault')
      const rootKey = options.text('root-key')
      return local.init({ data: folder, ...(rootKey !== undefined && { rootKey }), json: out.isJson }, io)
    },
  },
  {
    name: 'serve',
    summary: 'Run the server',
    args: [],
    options: {
      data,
      port: { value: 'N', help: 'Port; 0 picks one (VALETKEY_PORT, 7400)' },
      host: { value: 'ADDRESS', help: 'Address to listen on (VALETKEY_HOST, 127.0.0.1)' },
      config,
      dev: { help: 'Development: allows a root key in the data folder or the environment' },
    },
    example: 'valetkey serve --data ./vault --port 7400',
    run: call => {
      const port = call.options.count('port', 0, 65_535)
      const host = call.options.text('host')
      return call.local.serve(
        {
          ...common(call),
          ...(port !== undefined && { port }),
          ...(host !== undefined && { host }),
          dev: call.options.isOn('dev'),
        },
        call.io,
      )
    },
  },
  {
    name: 'migrate',
    summary: 'Bring the PostgreSQL database to the shape of this version',
    args: [],
    options: { config },
    example: 'VALETKEY_DATABASE_OWNER_URL=postgres://owner@db/valetkey valetkey migrate',
    run: call => call.local.migrate(common(call), call.io),
  },
  {
    name: 'doctor',
    summary: 'Check settings, key, database, audit chain, clock and egress',
    args: [],
    options: { data, config },
    example: 'valetkey doctor --data ./vault',
    run: call => call.local.doctor(common(call), call.io),
  },
  {
    name: 'demo',
    summary: "An agent summarises two people's weeks and never holds a token",
    args: [],
    options: { open: { help: 'Open the consent pages in a browser and decide there' } },
    example: 'valetkey demo',
    run: ({ local, io, options, out }) => local.demo({ open: options.isOn('open'), json: out.isJson }, io),
  },
  {
    name: 'tenants create',
    summary: 'Make a further tenant (PostgreSQL)',
    args: ['NAME'],
    options: { data, config },
    example: 'valetkey tenants create acme --json',
    run: call => call.local.tenantsCreate({ ...common(call), name: call.args[0]! }, call.io),
  },
  {
    name: 'audit verify',
    summary: 'Check that no event of the record was altered, removed or moved',
    args: [],
    options: { data, config },
    example: 'valetkey audit verify --data ./vault',
    run: call => call.local.auditVerify(common(call), call.io),
  },
]

function common({ options, io, out }: CommandCall): { data?: string; config?: string; json: boolean } {
  const folder = options.text('data') ?? io.env.VALETKEY_DATA
  const file = options.text('config')
  return {
    ...(folder !== undefined && folder !== '' && { data: folder }),
    ...(file !== undefined && { config: file }),
    json: out.isJson,
  }
}
