import { createHash } from 'node:crypto'

/** Text that was escaped, or written by us: the only thing a page is made of. */
export interface Html {
  readonly html: string
}

/** Escapes every value but Html (row 78). */
export function html(
  strings: TemplateStringsArray,
  ...values: readonly (Html | string | number | readonly Html[])[]
): Html {
  let out = strings[0]!
  values.forEach((value, i) => {
    out +=
      typeof value === 'object'
        ? 'html' in value
          ? value.html
          : value.map(part => part.html).join('')
        : escapeText(String(value))
    out += strings[i + 1]!
  })
  return { html: out }
}

export const nothing: Html = { html: '' }

function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

const style = `
:root{color-scheme:light dark;--ink:#1c2024;--soft:#5b636b;--line:#d9dde2;--paper:#fff;--back:#f3f4f6;--accent:#1f5fd0;--accent-ink:#fff;--note:#fff7e0}
@media (prefers-color-scheme:dark){:root{--ink:#e9ecef;--soft:#a3abb3;--line:#3a4047;--paper:#1d2125;--back:#121416;--accent:#7fb0ff;--accent-ink:#0b1a33;--note:#322a12}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:34rem;margin:6vh auto;padding:2rem;background:var(--paper);border:1px solid var(--line);border-radius:14px}
@media (max-width:36rem){main{margin:0;border:0;border-radius:0;min-height:100vh;padding:1.25rem}}
h1{font-size:1.45rem;line-height:1.25;margin:0 0 .75rem}
h2{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.5rem 0}
.soft{color:var(--soft);font-size:.925rem}
ul{margin:.25rem 0;padding:0;list-style:none}
li{padding:.6rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere}
li:last-child{border-bottom:1px solid var(--line)}
.tag{display:inline-block;min-width:4.6rem;font-size:.8rem;font-weight:600;padding:.1rem .5rem;margin-right:.5rem;border:1px solid var(--line);border-radius:99px;text-align:center}
.tag.change{background:var(--note)}
details{margin:.25rem 0 0;color:var(--soft);font-size:.9rem}
summary{cursor:pointer}
form{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
button{flex:1 1 9rem;font:inherit;font-weight:600;padding:.75rem 1rem;border-radius:9px;border:1px solid var(--line);background:transparent;color:var(--ink);cursor:pointer}
button.main{background:var(--accent);border-color:var(--accent);color:var(--accent-ink)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.brand{font-size:.85rem;color:var(--soft);margin:0 0 1.25rem;letter-spacing:.02em}
`
const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

/** A whole page of ours: no script, no third party, no frame (rows 38, 77). */
export function page(title: string, body: Html): string {
  const head = html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><title>${title}</title>`
  return `${head.html}<style>${style}</style></head><body><main><p class="brand">Valetkey</p>${body.html}</main></body></html>`
}

/** Headers of a page. `formTargets` are origins to which the form's redirect may lead: Chromium applies `form-action` to it. */
export function pageHeaders(formTargets: readonly string[] = []): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': `default-src 'none'; style-src ${styleHash}; form-action ${["'self'", ...formTargets].join(' ')}; frame-ancestors 'none'; base-uri 'none'`,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  }
}
