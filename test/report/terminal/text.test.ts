// What a terminal says of a text, of an error and of a sample, beyond their figures.
import { expect, test, vi } from 'vitest';
import { completionText } from '../../../src/report/cells.ts';
import { sideBySide } from '../../../src/report/format.ts';
import { errorText } from '../../../src/report/scores.ts';
import { evalText, runText, samplingText, textNotes } from '../../../src/report/terminal/text.ts';
import { format } from '../../../src/results/format.ts';
import { run } from '../../support/runs.ts';
import { study } from '../../support/studies.ts';

const { text } = study([]);

test('tokens that are not read and too few documents have a line each', () => {
  const { scores: compared } = run().cell;
  const { scores: alone } = run().original;
  expect(textNotes({ ...text, documents: 1, cut: 1, unread: 16_123 }, [compared])).toEqual([
    'About 20,000 tokens were not read; --chunk stream reads on.',
    '1 document: too few for intervals.',
  ]);
  expect(textNotes({ ...text, unread: 13, isCounted: true }, [compared])).toEqual([
    '13 tokens were not read; --chunk stream reads on.',
  ]);
  expect(textNotes({ ...text, unread: 1, isCounted: true }, [])[0]).toMatch(/^1 token was not read/);
  expect(textNotes({ ...text, documents: 9, chunk: 'stream' }, [compared])).toEqual([
    '9 windows: too few for intervals.',
  ]);
  expect(textNotes({ ...text, documents: 10 }, [compared])).toEqual([]);
  expect(textNotes({ ...text, documents: 1 }, [alone])).toEqual([]);
});

test('an evaluation in int8 says which model ran in it', () => {
  const { model, original, cell, versions } = run();
  const result = {
    format,
    command: 'surgery eval',
    versions,
    model,
    precision: 'int8',
    documentsSha256: 'abc',
    scores: { ...text, ...original.scores },
  } as const;
  expect(evalText(result)).toContain('\nPrecision  int8\n');
  expect(evalText({ ...result, precision: 'fp32' })).not.toContain('Precision');
  const compared = { ...result, base: model, baseScores: original.scores, scores: { ...text, ...cell.scores } };
  expect(evalText({ ...compared, basePrecision: 'fp32' })).toContain(
    '\nPrecision  fp32 for the base, int8 for the model\n',
  );
});

test('a relative error above 1 is marked', () => {
  expect([0.58, 1, 1.0001].map((error) => errorText(error))).toEqual(['0.5800', '1.0000', '1.0001!']);
});

test('a sample that ends at once says where and how likely that was', () => {
  const end = { token: '<|im_end|>', logprob: Math.log(0.31) };
  expect(completionText({ completion: '', pieces: [], end })).toBe(
    '(ended at the first token (<|im_end|>, p 0.31 at temperature 1))',
  );
  expect(completionText({ completion: '', pieces: [] })).toBe('(no new token)');
  expect(completionText({ completion: ' a', pieces: [' a'] })).toBe(' a');
});

test('of two texts, the words from the first difference on are coloured, within their columns', () => {
  const texts = ['the old dog ran', 'the old cat ran'] as const;
  const plain = sideBySide(['original', 'operated'], texts, 80);
  vi.stubEnv('FORCE_COLOR', '1');
  const coloured = sideBySide(['original', 'operated'], texts, 80);
  vi.unstubAllEnvs();
  const start = String.fromCharCode(27);
  expect(coloured).toContain(`the old ${start}[33mdog`);
  expect(coloured.replaceAll(new RegExp(`${start}\\[\\d+m`, 'g'), '')).toBe(plain);
});

test('every sampling setting that has an effect is stated, also of greedy text', () => {
  const plain = { temperature: 0.7, topP: 0.9, topK: 0, repetitionPenalty: 1, seed: 3, maxNewTokens: 10 };
  expect(samplingText(plain)).toBe('temperature 0.7, top-p 0.9, seed 3');
  const penalised = { ...plain, topK: 5, repetitionPenalty: 1.3 };
  expect(samplingText(penalised)).toBe('temperature 0.7, top-p 0.9, top-k 5, repetition penalty 1.3, seed 3');
  expect(samplingText({ ...penalised, temperature: 0 })).toBe('greedy, repetition penalty 1.3');
});

test('a rate that one of two samples lacks is explained', () => {
  const speeds = (original: number, variant: number) =>
    runText(run({ tokensPerSecond: { original: [original], variant: [variant] } }));
  expect(speeds(20.25, 19.75)).toMatch(/^original 20\.\d, operated 19\.\d tokens\/s$/m);
  expect(speeds(20.25, 0)).toMatch(/^original 20\.\d tokens\/s \(operated: no rate of one token or none\)$/m);
  expect(speeds(0, 0)).not.toContain('tokens/s');
});
