import { expect, it } from 'vitest'
import { splitNextStep } from './next-step.ts'

it.each([
  [
    'Others may read the root key /k/a.key (mode 0644). Run: chmod 600 /k/a.key',
    'Others may read the root key /k/a.key (mode 0644).',
    'Run: chmod 600 /k/a.key',
  ],
  ['One. Two is wrong. Do three.', 'One. Two is wrong.', 'Do three.'],
  ['There is one sentence only.', 'There is one sentence only.', undefined],
  ['In /a.key or 127.0.0.1 nothing ends', 'In /a.key or 127.0.0.1 nothing ends', undefined],
])('the next step is the last sentence of %j, if another comes before it', (message, wrong, next) => {
  expect(splitNextStep(message)).toEqual(next === undefined ? { wrong } : { wrong, next })
})
