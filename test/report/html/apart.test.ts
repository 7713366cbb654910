// In which settings results differ that stand on one page.
import { expect, test } from 'vitest';
import { apartText, settingsOfFinding, settingsOfStudy } from '../../../src/report/html/apart.ts';
import { findings } from '../../support/findings.ts';
import { study } from '../../support/studies.ts';

const { lens } = findings();
const next = (change: object) =>
  apartText('These results', [
    { label: 'one', settings: settingsOfFinding(lens) },
    { label: 'two', settings: settingsOfFinding({ ...lens, result: { ...lens.result, ...change } } as typeof lens) },
  ]);
const { text } = lens.result;

test('results of one text, known by its hash whatever it is called, differ in nothing', () => {
  expect(next({})).toBeUndefined();
  expect(next({ text: { ...text, text: 'copy.txt' } })).toBeUndefined();
});

test('those of other tokens do, and how each was cut is said', () => {
  expect(next({ documentsSha256: 'c', text: { ...text, maxTokens: 7 } })).toMatch(
    /^These results differ in the text \(one: 12 documents of at most \d+ tokens of text\.txt; two: 12 documents of at most 7 tokens of text\.txt\)\.$/,
  );
  expect(next({ documentsSha256: 'c' })).toMatch(/of text\.txt, but not the same\)\.$/);
  expect(next({ documentsSha256: undefined })).toBe(
    'Whether the text is the same is not known: two holds no hash of it.',
  );
});

test('a lens of prompts alone reads no text that could be another', () => {
  expect(next({ documentsSha256: undefined, text: undefined })).toBeUndefined();
});

test('seed, precision and versions are compared too', () => {
  expect(next({ precision: 'int8', seed: 9, versions: { surgery: '2', onnxruntime: '1' } })).toBe(
    'These results differ in the seed (one: 7; two: 9), the precision (one: fp32; two: int8) and ' +
      'the versions (one: surgery 1; two: surgery 2, onnxruntime 1).',
  );
});

test('a study and an analysis are compared in what both depend on', () => {
  const { model, versions, documentsSha256 = '' } = lens.result;
  const own = study([]);
  const same = { ...own, model, context: { ...own.context, versions, documents: documentsSha256 } };
  const all = (one: typeof own) => [
    { label: 'study', settings: settingsOfStudy(one) },
    { label: 'lens', settings: settingsOfFinding(lens) },
  ];
  expect(apartText('They', all(same as typeof own))).toBeUndefined();
  expect(apartText('They', all({ ...same, model: { ...model, sha256: 'else' } } as typeof own))).toBe(
    'They differ in the model (org/name, but not the same).',
  );
});
