import { defineConfig } from 'vitest/config'

// Three projects: rules stand beside the code; stories and attacks run the real app on real databases.
export default defineConfig({
  test: {
    pool: 'forks',
    globalSetup: ['./test/global-setup.ts'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'rules',
          include: [
            'packages/**/src/**/*.test.ts',
            'test/architecture.test.ts',
            'test/promises.test.ts',
            'test/reference.test.ts',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'stories',
          include: ['test/stories/**/*.test.ts', 'test/attacks/**/*.test.ts', 'test/corpus/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
    ],
  },
})
