// Why tests were skipped, then the last line: N passed, N failed, N skipped. With SURGERY_TEST_REPORT=FILE every test's
// outcome goes to that file, and the line is left to scripts/ci/tally.mjs, which adds up several passes over the tests.
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

interface Outcome {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  /** Why it was skipped. */
  readonly reason?: string | undefined;
}

export default class Outcomes implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const outcomes = [
      ...modules.flatMap(outcomesOf),
      ...unhandled.map(({ message }) => failed(`outside of tests: ${message}`)),
    ];
    const report = process.env.SURGERY_TEST_REPORT;
    if (report) writeFileSync(report, JSON.stringify({ node: process.versions.node, outcomes }));
    else console.log(summary(outcomes));
  }
}

const failed = (name: string): Outcome => ({ name, state: 'failed' });

/** Files and groups too: where one cannot be set up, its tests do not run, so that none of them fails. */
function outcomesOf(module: TestModule): Outcome[] {
  const file = module.relativeModuleId;
  const groups = [...module.children.allSuites()].filter((group) => group.errors().length > 0);
  return [
    ...(module.errors().length > 0 ? [failed(file)] : []),
    ...groups.map(({ fullName }) => failed(`${file} > ${fullName}`)),
    ...Array.from(module.children.allTests(), (test) => outcomeOf(test, `${file} > ${test.fullName}`)),
  ];
}

function outcomeOf(test: TestCase, name: string): Outcome {
  const result = test.result();
  if (result.state === 'passed' || result.state === 'failed') return { name, state: result.state };
  const note = result.state === 'skipped' ? result.note : 'it did not end';
  return { name, state: 'skipped', reason: note ?? test.meta().skipReason };
}

function summary(outcomes: readonly Outcome[]): string {
  const count = (state: Outcome['state']) => outcomes.filter((one) => one.state === state).length;
  // Without a reason are those that -t leaves out.
  const explained = outcomes.filter(({ state, reason }) => state === 'skipped' && reason !== undefined);
  return [
    ...explained.map(({ name, reason }) => `skipped: ${name}: ${reason}`),
    `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`,
  ].join('\n');
}
