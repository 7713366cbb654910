// What results say of the text that an operation was fitted to.
import { expect, test } from 'vitest';
import { runPage } from '../../../src/report/html/run-page.ts';
import { modelCard } from '../../../src/report/model-card.ts';
import { studyCsv } from '../../../src/report/terminal/study.ts';
import { runText } from '../../../src/report/terminal/text.ts';
import { run } from '../../support/runs.ts';
import { study } from '../../support/studies.ts';

const calibration = {
  text: 'train.txt',
  documents: 64,
  tokens: 32_768,
  maxTokens: 512,
  rule: 'each document alone; fit reads every position',
  documentsSha256: '0123456789abcdef0123456789abcdef',
};
const leak = 'the calibration text and the scored text share 2 documents';
const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ');

test('name, size, hash and rule stand on the screen, the page, the card and in every line of CSV', async () => {
  const words = '64 documents, 32,768 tokens of train.txt (SHA-256 0123456789abcdef…): each document alone;';
  const fitted = run({ calibration });
  expect(oneLine(runText(fitted))).toContain(`Fitted to ${words}`);
  expect(oneLine(await runPage(fitted))).toContain(words);
  expect(modelCard(fitted, undefined)).toContain(`\nFitted to: ${words}`);
  expect(studyCsv(study([], { calibration }), new Map()).split('\n')[0]).toContain('calibration_sha256');
  for (const text of [runText(run()), await runPage(run()), modelCard(run(), undefined)])
    expect(text).not.toContain('Fitted to');
});

test('a leak stands under every table', async () => {
  const leaking = run({ calibration: { ...calibration, leak } });
  const count = (text: string) => oneLine(text).split(leak).length - 1;
  expect(count(runText(leaking))).toBe(2);
  expect(count(await runPage(leaking))).toBeGreaterThan(1);
  expect(count(modelCard(leaking, undefined))).toBe(1);
  expect(count(runText(run({ calibration })))).toBe(0);
});
