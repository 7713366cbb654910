// Outliers against the float64 reference, and how they are said.
import { describe, expect, test } from 'vitest';
import { outliers } from '../../../src/analyses/outliers/of-checkpoint.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { afterOutliers } from '../../../src/commands/suggestions.ts';
import { findingWords } from '../../../src/report/findings.ts';
import { outliersText } from '../../../src/report/terminal/outliers.ts';
import { findings } from '../../support/findings.ts';
import { golden } from '../../support/goldens.ts';
import { fixture, pocket } from '../../support/paths.ts';

interface Golden {
  readonly model: string;
  readonly documents: number[][];
  readonly outliers: readonly {
    readonly input: readonly [value: number, document: number, position: number, coordinate: number];
    readonly output: readonly [value: number, document: number, position: number, coordinate: number];
    readonly weight: number;
    readonly first: number;
    readonly later: number;
  }[];
}

describe.each(golden<Golden[]>(fixture('.'), 'cuts.json'))('$model', ({ model, documents, outliers: expected }) => {
  test('has the largest numbers, their places, the weight between them and the norms of the reference', async () => {
    const checkpoint = await Checkpoint.open(model === 'pocket' ? pocket : fixture(model));
    const layers = await outliers(checkpoint, documents, { threads: 1 });
    expect(layers.map(({ layer }) => layer)).toEqual(expected.map((_, layer) => layer));
    for (const [i, { input, output, weight, residual }] of layers.entries()) {
      const golden = expected[i];
      if (!golden) throw new RangeError(`the golden has no layer ${i}`);
      for (const [found, [value, ...place]] of [[input, golden.input] as const, [output, golden.output] as const]) {
        expect(found.value / value).toBeCloseTo(1, 4);
        expect([found.document, found.position, found.coordinate]).toEqual(place);
      }
      expect([weight.row, weight.column]).toEqual([output.coordinate, input.coordinate]);
      expect(weight.value).toBeCloseTo(golden.weight, 6);
      expect(weight.adds / (golden.weight * golden.input[0])).toBeCloseTo(1, 4);
      expect((residual.first?.median ?? 0) / golden.first).toBeCloseTo(1, 5);
      expect((residual.later?.median ?? 0) / golden.later).toBeCloseTo(1, 5);
    }
  });
});

describe('a list of outliers', () => {
  const { outliers: finding } = findings();

  test('says which weight adds most, and cuts it next, on the same text', () => {
    expect(findingWords(finding)[0]).toBe('The weight 1.down[6,5] adds most: 2.00 at position 2 of document 1.');
    if (finding.kind !== 'outliers') throw new TypeError('another kind');
    expect(outliersText(finding.result)).toContain('1.down[6,5]');
    const command = 'surgery outliers --model pocket --text a.json --documents 3';
    expect(afterOutliers({ ...finding.result, command })).toMatch(
      /^eval --model \S+ --kind zero --weights '1\.down\[6,5\]' --text a\.json --documents 3$/,
    );
  });
});
