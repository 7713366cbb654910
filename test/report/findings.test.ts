// The sentences of results, and the rule for few documents.
import { describe, expect, test } from 'vitest';
import { fewDocumentsWords, findingWords, readWords, trusted } from '../../src/report/findings.ts';
import { lensText } from '../../src/report/terminal/lens.ts';
import { basisResult, findings, lensResult } from '../support/findings.ts';

const { unlikely, probe } = findings();

describe('the answer comes first', () => {
  test('lens: what is predicted, and from which layer on', () => {
    const words = findingWords({ kind: 'lens', result: lensResult() });
    expect(words[0]).toMatch(/^After “·dog2” the model predicts “·dog” \(\d+\.\d %\)\.$/);
    expect(words[1]).toBe(
      'The lens ranks it first only at the last layer, 1, and among the first ten from layer embed on.',
    );
    expect(words[2]).toMatch(
      /^The operated model predicts .*; KL from the original .* bits, change of the log-probability of “·dog” 0 bits\.$/,
    );
    expect(words.join(' ')).toMatch(/The operated model differs at the last layer by KL/);
  });

  test('probe: the layer’s accuracy with its baseline, and chance where it is no better', () => {
    const [first, , , fourth] = findingWords(probe);
    expect(first).toMatch(
      /^Original model: input tokens recovered from the last layer: .* % of held-out positions; shuffled-label baseline/,
    );
    expect(fourth).toMatch(
      /^Previous token: best after a block .* % \(layer 1\); shuffled-label baseline .* % \(layer 1\)\.$/,
    );
    if (probe.kind !== 'probe') throw new TypeError('not a probe');
    const even = probe.result.variants.map((one) => ({
      ...one,
      points: one.points.map((point) => ({
        ...point,
        readings: point.readings.map((each) => ({
          ...each,
          reading: { ...each.reading, top1: { value: 0.1, interval: [0.05, 0.2] as const } },
        })),
      })),
    }));
    expect(findingWords({ kind: 'probe', result: { ...probe.result, variants: even } })[0]).toContain(
      ': no better than chance.',
    );
  });

  test('unlikely: the null stands where no layer exceeds its baselines', () => {
    expect(findingWords(unlikely)[0]).toMatch(
      /^No evidence that directions of near-impossible tokens are reused \(original model\)\.$|exceeds both baselines at \d of 2 layers/,
    );
  });

  test('basis: what is reconstructed; shares are added up of orthonormal bases alone', () => {
    expect(findingWords({ kind: 'basis', result: basisResult() })[0]).toMatch(
      /^40 components of dictionary reconstruct/,
    );
    const sums = (method: 'dictionary' | 'pca') =>
      findingWords({ kind: 'basis', result: { ...basisResult(), method } }).filter((one) =>
        one.includes('of its weight'),
      );
    expect([sums('dictionary').length, sums('pca').length]).toEqual([0, 2]);
  });
});

test('lens: a layer is named next to the shuffled lens only for what its values and intervals say', () => {
  const result = lensResult();
  const { text } = result;
  const [original] = text?.variants ?? [];
  if (!text || !original) throw new TypeError('no text');
  const shares = [
    { mean: 0.1, interval: [0.05, 0.15] },
    { mean: 0.22, interval: [0.15, 0.3] },
    { mean: 0.6, interval: [0.5, 0.7] },
  ] as const;
  const points = original.points.map((point, i) => ({
    ...point,
    sameTop: shares[i] ?? null,
    shuffled: { ...point.shuffled, sameTop: { mean: 0.2, interval: null } },
  }));
  const words = (documents: number) => {
    const changed = { ...text, documents, variants: [{ ...original, points }] };
    const all = findingWords({ kind: 'lens', result: { ...result, text: changed } });
    return all.filter((one) => one.includes('shuffled position'));
  };
  expect(words(12)).toEqual([
    'Not measurably more often than the lens of a shuffled position: layer 0.',
    'Less often than the lens of a shuffled position: layer embed.',
  ]);
  expect(words(9)).toEqual(['Less often than the lens of a shuffled position: layer embed.']);
});

test('lens: one layer is named once', () => {
  const result = lensResult();
  const prompts = result.prompts.map((prompt) => ({
    ...prompt,
    variants: prompt.variants.map((one) => ({
      ...one,
      cells: one.cells.map((row) => row.map((each) => ({ ...each, rankFinal: 1 }))),
    })),
  }));
  expect(findingWords({ kind: 'lens', result: { ...result, prompts } })[1]).toBe(
    'The lens ranks it first from layer embed on.',
  );
});

test('under ten documents intervals are left out, and one line says so', () => {
  const { text } = lensResult();
  if (!text) throw new TypeError('no text');
  expect(fewDocumentsWords(text)).toBeUndefined();
  expect(trusted(text, text)).toBe(text);
  const few = { ...text, documents: 9 };
  expect(fewDocumentsWords(few)).toBe('9 documents: too few for intervals.');
  expect(JSON.stringify(trusted(few, few))).not.toMatch(/"interval":\[/);
  const scored = {
    scores: { kl: 1, intervals: { kl: [0, 2], deltaNll: null } },
    difference: { interval: [0, 1], intervalKl: [0, 1] },
    tasks: { interval: [0, 1] },
  };
  // Those of questions are over questions.
  expect(trusted(scored, few)).toEqual({
    scores: { kl: 1, intervals: { kl: null, deltaNll: null } },
    difference: { interval: null, intervalKl: null },
    tasks: { interval: [0, 1] },
  });
  const shown = (documents: number) =>
    lensText({ ...lensResult(), text: { ...text, documents } }, { colour: 'probability', full: true });
  expect(shown(12)).toMatch(/\d ±\d/);
  expect(shown(9)).not.toMatch(/\d ±\d/);
  expect(shown(9)).toContain('\n9 documents: too few for intervals.');
});

test('a text in one line: documents or windows, and how many were cut', () => {
  const text = { text: 'a.txt', documents: 12, maxTokens: 64 };
  expect(readWords(text, 1)).toBe('12 documents of at most 64 tokens of a.txt, 1 position');
  expect(readWords({ ...text, cut: 0 }, 700)).toBe('12 documents of a.txt, 700 positions');
  expect(readWords({ ...text, cut: 3 }, 700)).toBe('12 documents of a.txt, 3 of them cut to 64 tokens, 700 positions');
  expect(readWords({ ...text, cut: 12 }, 700)).toBe('12 documents of a.txt, each cut to 64 tokens, 700 positions');
  expect(readWords({ ...text, documents: 1, cut: 1 }, 63)).toBe('1 document of a.txt, cut to 64 tokens, 63 positions');
  expect(readWords({ ...text, cut: 0, chunk: 'stream' }, 700)).toBe(
    '12 windows of at most 64 tokens of a.txt, 700 positions',
  );
});
