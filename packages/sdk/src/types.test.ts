import type * as contract from '@valetkey/contract/errors'
import type * as events from '@valetkey/contract/events'
import { expect, expectTypeOf, test } from 'vitest'
import {
  type ConnectionFetch,
  createValetkey,
  ValetkeyError as ErrorClass,
  Valetkey,
  type ValetkeyError,
} from './valetkey.ts'
import type * as wire from './wire.ts'

// These are checked by the compiler; at run time they hold nothing.

test('the error codes and shapes of the wire are those of the contract', () => {
  expectTypeOf<wire.ErrorCode>().toEqualTypeOf<contract.ErrorCode>()
  expectTypeOf<wire.Problem>().toEqualTypeOf<contract.Problem>()
  expectTypeOf<wire.Reason>().toEqualTypeOf<contract.Reason>()
  expectTypeOf<wire.Action>().toEqualTypeOf<events.Action>()
  expectTypeOf<wire.Outcome>().toEqualTypeOf<events.Outcome>()
  // A newer server may send types of events that this client does not know.
  expectTypeOf<events.AuditEvent>().toExtend<wire.AuditEvent>()
  expectTypeOf<keyof wire.AuditEvent>().toEqualTypeOf<keyof events.AuditEvent>()
})

test('the fetch of a connection stands in for fetch', () => {
  expectTypeOf<ConnectionFetch>().toExtend<(input: string | URL | Request, init?: RequestInit) => Promise<Response>>()
  expectTypeOf<ConnectionFetch>().toExtend<typeof fetch>()
})

test('an error narrows by its code', () => {
  const error: unknown = new ErrorClass({ code: 'needs_reauth', status: 409, detail: 'x' })
  if (ErrorClass.is(error, 'needs_reauth')) {
    expectTypeOf(error.code).toEqualTypeOf<'needs_reauth'>()
    expectTypeOf(error.connectUrl).toEqualTypeOf<string | undefined>()
  }
  expectTypeOf<ValetkeyError['reasons']>().toEqualTypeOf<readonly wire.Reason[]>()
})

test('a client is made of one kind of credential', () => {
  expectTypeOf(createValetkey).returns.toEqualTypeOf<Valetkey>()
  // @ts-expect-error: a secret without its client id
  expect(() => new Valetkey({ url: 'https://v.example', clientSecret: 's' })).toThrow(TypeError)
  // @ts-expect-error: no credentials at all
  expect(() => new Valetkey({ url: 'https://v.example' })).toThrow(TypeError)
})

test('a grant has an end, and a connection is read without secrets', () => {
  expectTypeOf<wire.GrantBody>().toHaveProperty('expires_at').toEqualTypeOf<string>()
  expectTypeOf<wire.Connection>().not.toHaveProperty('access_token')
  expectTypeOf<wire.Integration>().not.toHaveProperty('client_secret')
})
