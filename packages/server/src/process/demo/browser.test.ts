import { expect, test } from 'vitest'
import { formsOf } from './browser.ts'

test('a form is read with its hidden and ticked fields, unescaped', () => {
  const html = `<form method="post" action="/go?a=1&amp;b=2"><input type="hidden" name="state" value="x&quot;&#39;&amp;y"/>
    <input type="checkbox" name="scope" value="read" checked><input type="checkbox" name="scope" value="write">
    <input type="radio" name="user" value="ada"></form>`
  expect(formsOf(html)).toMatchObject([
    {
      action: '/go?a=1&b=2',
      fields: [
        ['state', `x"'&y`],
        ['scope', 'read'],
      ],
    },
  ])
})
