// Fits of the trained pocket model to outputs, and plain SVD, against transformers and float64 decompositions.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { WeightDtype } from '../../src/checkpoint/dtypes.ts';
import type { Projection } from '../../src/checkpoint/names.ts';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { runExperiment } from '../../src/experiments/experiment.ts';
import type { FitSpec } from '../../src/operations/fit/spec.ts';
import { itemAt } from '../../src/platform/indexing.ts';
import { readDocuments } from '../../src/text/documents.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { golden } from '../support/goldens.ts';
import { needs, noShared } from '../support/needs.ts';
import { hasShared, pocket, shared } from '../support/paths.ts';

interface Case {
  readonly name: string;
  readonly groups?: readonly string[];
  readonly layer?: number;
  readonly projection?: Projection;
  readonly rank?: number;
  readonly bf16?: boolean;
  readonly nll: number;
  readonly kl: number;
  readonly tokens: number;
}

function specOf({ name, groups = [], layer = 0, projection, rank = 0 }: Case): FitSpec | undefined {
  if (name === 'svd' && projection)
    return { kind: 'fit', objective: 'weights', mode: 'separate', targets: [projection], layers: [layer], rank };
  if (name !== 'outputs') return undefined;
  const mode = groups.includes('k+v') ? 'shared-kv' : 'separate';
  return { kind: 'fit', mode, targets: groups.flatMap((group) => group.split('+')) as Projection[], rank };
}

describe('pocket', needs(hasShared, noShared), () => {
  const { cases } = hasShared
    ? golden<{ cases: readonly Case[] }>(join(shared, 'goldens/pocket'), 'ablations.json')
    : { cases: [] };
  const fits = cases.flatMap((row) => {
    const spec = specOf(row);
    return spec ? [{ row, spec }] : [];
  });

  test('fits and plain SVD are among the goldens', () => {
    expect(fits).toHaveLength(10);
  });

  test.each<[string, WeightDtype, number, number]>([
    ['not rounded', 'F32', 1e-5, 1e-4],
    ['rounded, where a weight half-way may fall either way', 'BF16', 1e-3, 1e-3],
  ])('nll and KL of the fits, %s', async (_, dtype, ofNll, ofKl) => {
    const checkpoint = await Checkpoint.open(pocket);
    const tokenizer = await Tokenizer.open(checkpoint);
    const documents = (await readDocuments(join(pocket, 'valid.txt'))).map((text) =>
      tokenizer.encode(text).slice(0, 512),
    );
    const own = fits.filter(({ row }) => (row.bf16 ?? row.name === 'svd') === (dtype === 'BF16'));
    const { cells } = await runExperiment(
      checkpoint,
      own.map(({ spec }) => [spec]),
      documents.slice(0, 20),
      { dtype, calibration: documents.slice(20, 40), threads: 1 },
    );
    for (const [i, { row }] of own.entries()) {
      const { nll, kl } = itemAt(cells, i).scores;
      expect(Math.abs(nll / row.nll - 1), `nll of ${JSON.stringify(row)}`).toBeLessThan(
        row.name === 'svd' ? 1e-5 : ofNll,
      );
      expect(Math.abs(kl - row.kl), `KL of ${JSON.stringify(row)}`).toBeLessThan(Math.max(ofKl * row.kl, 5e-9));
    }
  });
});
