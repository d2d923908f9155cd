import { createRequire } from 'node:module'

/**
 * `oidc-provider`, loaded without the line that it prints when Node is not an LTS release by its own name: we pin and test
 * the release, and stderr is our log, which is JSON lines. Loading by `require` is synchronous, so nothing else of this
 * process can print in between and go unheard.
 */
function load(): typeof import('oidc-provider') {
  const { warn } = console
  console.warn = () => {}
  try {
    return createRequire(import.meta.url)('oidc-provider') as typeof import('oidc-provider')
  } finally {
    console.warn = warn
  }
}

export const { Provider, errors, ExternalSigningKey } = load()
