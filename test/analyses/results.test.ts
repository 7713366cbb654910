// Results read back from their files: whole ones as they were, damaged ones refused by the place of the damage.

import { describe, expect, test } from 'vitest';
import { findingKinds, readFinding } from '../../src/analyses/results.ts';
import { changed, type Json, leaves } from '../support/damage.ts';
import { basisResult, findings, lensResult } from '../support/findings.ts';

describe.each(findingKinds)('%s.json', (kind) => {
  const { result } = findings()[kind];
  const json: Json = JSON.parse(JSON.stringify(result));

  test('is read as it was written', () => {
    expect(JSON.parse(JSON.stringify(readFinding(kind, json).result))).toEqual(json);
  });

  test('with any value damaged is refused by its place, but for what no page shows', () => {
    const unused = /^model\.path$/;
    const seen = new Set<string>();
    for (const path of leaves(json)) {
      const place = path.join('.');
      const rule = place.replaceAll(/\d+/g, '*');
      if (unused.test(place) || seen.has(rule)) continue; // one of each kind of place
      seen.add(rule);
      expect(() => readFinding(kind, changed(json, path, [])), place).toThrow(
        /^is not a result that this version reads, at /,
      );
    }
    expect(seen.size).toBeGreaterThan(20);
  });
});

test.each([
  ['something else', [], /^is not a result that this version reads: /],
  ['another version', { ...findings().lens.result, format: 2 }, /, at format: /],
  ['a version that there never was', { ...findings().lens.result, format: undefined, schema: 2 }, /, at format: /],
  ['what versions before this wrote', { ...findings().lens.result, command: undefined }, /, at command: /],
  [
    'norms that are means, which one position can be',
    withMeanNorms(),
    /, at text\.variants\.0\.points\.0\.norm\.median: /,
  ],
])('%s is refused', (_name, value, message) => {
  expect(() => readFinding('lens', value)).toThrow(message);
});

function withMeanNorms(): unknown {
  const { text, ...result } = lensResult();
  const variants = text?.variants.map((one) => ({
    ...one,
    points: one.points.map((point) => ({ ...point, norm: { mean: 9, interval: null } })),
  }));
  return { ...result, text: { ...text, variants } };
}

test('what was not finite when it was written is not finite when it is read', () => {
  const reconstruction = basisResult().reconstruction.map((one) => ({ ...one, error: Number.NaN }));
  const read = readFinding('basis', JSON.parse(JSON.stringify({ ...basisResult(), reconstruction })));
  expect(read.kind === 'basis' && read.result.reconstruction.map(({ error }) => error)).toEqual([NaN, NaN, NaN]);
});
