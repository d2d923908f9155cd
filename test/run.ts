import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * `npm test`: the static gate, then every test, then one closing line `N passed, N failed, N skipped`. Each step of the
 * gate counts as one test. `npm run check` is the gate with the rules' tests alone.
 */
const isQuick = process.argv.includes('--check')
const report = join(tmpdir(), `valetkey-tests-${process.pid}.json`)

interface Count {
  passed: number
  failed: number
  skipped: number
}
const count: Count = { passed: 0, failed: 0, skipped: 0 }

function run(name: string, command: string, args: readonly string[]): Promise<number> {
  process.stdout.write(`\n── ${name}\n`)
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: 'inherit' })
    child.once('error', error => {
      process.stdout.write(`${name} could not be started: ${error.message}\n`)
      resolve(1)
    })
    child.once('close', code => resolve(code ?? 1))
  })
}

async function step(name: string, command: string, args: readonly string[]): Promise<void> {
  const code = await run(name, command, args)
  if (code === 0) count.passed++
  else count.failed++
}

await step('format and lint', 'biome', ['check', '--error-on-warnings', '.'])
await step('types', 'tsc', ['--noEmit'])
const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
const code = await run(
  isQuick ? 'rules' : 'rules, stories and attacks',
  'vitest',
  isQuick ? [...args, '--project', 'rules'] : args,
)
try {
  const result = JSON.parse(readFileSync(report, 'utf8')) as {
    readonly numPassedTests: number
    readonly numFailedTests: number
    readonly numPendingTests: number
    readonly numTodoTests: number
    readonly numFailedTestSuites: number
  }
  count.passed += result.numPassedTests
  count.failed += result.numFailedTests
  count.skipped += result.numPendingTests + result.numTodoTests
  // A file that could not even be collected, or an error outside of a test, has no failed test to count.
  if (code !== 0 && result.numFailedTests === 0) count.failed++
  if (result.numPassedTests === 0) count.failed++
} catch {
  process.stdout.write('the test runner left no report\n')
  count.failed++
} finally {
  rmSync(report, { force: true })
}

process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`)
process.exitCode = count.failed === 0 ? 0 : 1
