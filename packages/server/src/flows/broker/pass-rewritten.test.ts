import { expect, it } from 'vitest'
import { makeNeedles } from '../../core/scrub/needles.ts'
import type { StreamHandler } from '../../engines/egress/egress.ts'
import type { AnswerSink } from './answer-sink.ts'
import { Attempt } from './attempt.ts'
import { CallCut } from './call-cut.ts'
import { createCallRoom } from './call-room.ts'
import { relayAnswer } from './relay-answer.ts'

/** What an agent gets of a JSON answer with one link, while this much of bodies may be held. */
async function heard(bodyBytes: number) {
  let handler: StreamHandler | undefined
  const egress = {
    stream(_tenant: unknown, _request: unknown, given: StreamHandler) {
      handler = given
      return { resume: () => {}, abort: () => {} }
    },
  }
  const attempt = new Attempt(egress, 'ten_1' as never, {
    method: 'GET',
    origin: 'https://a.test',
    path: '/',
    headers: [],
  })
  const room = createCallRoom({ calls: 1, callsPerAgent: 1, bodyBytes, bodyBytesPerAgent: bodyBytes })
  const place = room.enter({ tenant: 'ten_1' as never, agent: 'agt_1' as never })
  let headers: readonly string[] = []
  let body = ''
  const sink: AnswerSink = {
    event: () => {},
    head: (_status, all) => {
      headers = all
    },
    write: chunk => {
      body += chunk
      return true
    },
    onDrain: () => {},
    end: () => {},
    cut: () => {},
    finished: Promise.resolve(),
    onGone: () => {},
  }
  const rules = {
    fields: [{ pointer: '/next' }],
    hasBody: true,
    rewriter: () => () => 'https://proxy/x',
  }
  const head = { status: 200, rawHeaders: ['content-type', 'application/json'] }
  const done = relayAnswer(attempt, head, makeNeedles([]), sink, rules, new CallCut(), place)
  handler!.onData(Buffer.from('{"next":"https://'))
  const held = room.bodyBytes
  handler!.onData(Buffer.from('a.test/2"}'))
  handler!.onEnd([])
  const { end } = await done
  place.leave()
  return { end, body, held, left: room.bodyBytes, warned: headers.includes('links-not-rewritten') }
}

it('holds a body with links only while there is room for it, and passes it with a warning when there is none', async () => {
  expect(await heard(1_000)).toEqual({
    end: 'whole',
    body: '{"next":"https://proxy/x"}',
    held: 17,
    left: 0,
    warned: false,
  })
  const asItIs = { end: 'whole', body: '{"next":"https://a.test/2"}', left: 0, warned: true }
  expect(await heard(20)).toEqual({ ...asItIs, held: 17 })
  expect(await heard(10)).toEqual({ ...asItIs, held: 0 })
})
