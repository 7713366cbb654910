// Runs read back from run.json: whole ones as they were, damaged ones refused by the place of the damage.
import { expect, test, vi } from 'vitest';
import { runPage } from '../../src/report/html/run-page.ts';
import { readRun } from '../../src/results/reading.ts';
import type { RunResult } from '../../src/results/run.ts';
import { expectRefusedOrShown, expectWhole } from '../support/damage.ts';
import { content } from '../support/pages.ts';
import { run } from '../support/runs.ts';

vi.mock('../../src/report/html/vega.ts', async (original) => {
  const { spelledOut: drawn } = await import('../support/damage.ts');
  return { ...(await original<typeof import('../../src/report/html/vega.ts')>()), drawn };
});

const score = { correct: 3, questions: 4, accuracy: 0.75, interval: [0.3, 0.95] as const, chance: 0.25 };
const answers = { ...score, byTask: { cloze: score } };
const result = run({
  model: { ...run().model, notice: 'a stand-in' },
  sampling: { ...run().sampling, system: 'Be brief.', chat: 'abc' },
  notes: ['no BOS'],
  tasks: { file: 'tasks.jsonl', rule: 'the likeliest wins' },
  original: { ...run().original, tasks: answers },
  cell: { ...run().cell, tasks: answers },
});

const shown = async (left: RunResult) => content(await runPage(left));

test('is read as it was written, and shown whole', async () => {
  expect(readRun(JSON.parse(JSON.stringify(result)))).toEqual(result);
  expectWhole(await shown(result));
});

test('with anything damaged is refused by its place, or shown whole', async () => {
  const refusal = 'is not a run that this version reads';
  expect(await expectRefusedOrShown(result, readRun, refusal, shown)).toBeGreaterThan(150);
});
