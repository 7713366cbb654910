import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['support/build.ts'],
    setupFiles: ['support/clean.ts'],
    reporters: ['default', './support/reporter.ts'],
    // The native library keeps threads of its own, which worker threads would have to share.
    pool: 'forks',
    maxWorkers: 2,
    // Files one after the other in a process: a new one for each costs a third of the unit tests' time.
    isolate: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
