import { expect, test } from 'vitest'
import { clientsOf } from './services.ts'

test('a real client replaces an emulator only when both its id and its secret are given', () => {
  const made = clientsOf({ VALETKEY_DEMO_SLACK_CLIENT_ID: 'id', VALETKEY_DEMO_SLACK_CLIENT_SECRET: 's' }, () => 'r')
  expect(made.faults).toEqual([])
  expect(made.clients.slack).toEqual({ id: 'id', secret: 's', isReal: true })
  expect(made.clients.google.isReal).toBe(false)
  expect(clientsOf({ VALETKEY_DEMO_NOTION_CLIENT_ID: 'id' }, () => 'r').faults).toEqual([
    'Set both VALETKEY_DEMO_NOTION_CLIENT_ID and VALETKEY_DEMO_NOTION_CLIENT_SECRET, or neither.',
  ])
})
