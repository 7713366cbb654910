import { defineConfig } from 'vitest/config';

/** They replace a module by another, which files that run in the same process would get too. */
export const alone = ['commands/session.test.ts', 'results/run.test.ts', 'results/study.test.ts'];

export default defineConfig({
  test: {
    root: import.meta.dirname,
    globalSetup: ['support/build.ts'],
    reporters: ['default', './support/reporter.ts'],
    // The native library keeps threads of its own, which worker threads would have to share.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    setupFiles: ['support/clean.ts'],
    projects: [
      // Files one after the other in a process: a new one for each costs a third of the unit tests' time.
      { extends: true, test: { name: 'shared', include: ['**/*.test.ts'], exclude: alone, isolate: false } },
      { extends: true, test: { name: 'alone', include: alone, isolate: true } },
    ],
  },
});
