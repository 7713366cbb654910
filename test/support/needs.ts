// What a test needs and a machine may lack.

declare module 'vitest' {
  interface TaskMeta {
    skipReason?: string;
  }
}

export const noShared = '../shared is not here';

/**
 * Options of a test or a group of tests: skipped where its need is not met. The reporter prints the reason, and
 * scripts/ci/tally.mjs names those that CI accepts.
 */
export function needs(isMet: boolean, skipReason: string) {
  return { skip: !isMet, meta: { skipReason } };
}
