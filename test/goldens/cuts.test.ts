// The kinds that are no PCA against the float64 reference, on pocket and on a model with biases and odd sizes.
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { runExperiment } from '../../src/experiments/experiment.ts';
import type { Operation } from '../../src/operations/registry.ts';
import { golden } from '../support/goldens.ts';
import { fixture, pocket } from '../support/paths.ts';

interface Golden {
  readonly model: string;
  readonly documents: number[][];
  readonly cases: readonly {
    readonly operation: Operation;
    readonly relative_error: number;
    readonly scores: { readonly tokens: number; readonly nll: number; readonly kl: number };
  }[];
}

describe.each(golden<Golden[]>(fixture('.'), 'cuts.json'))('$model', ({ model, documents, cases }) => {
  // A 16-bit weight half-way between two values may round either way.
  const [folder, tolerance] = model === 'pocket' ? [pocket, 1e-4] : [fixture(model), 1e-5];

  test('scores and errors of every case', async () => {
    const checkpoint = await Checkpoint.open(folder);
    const recipes = cases.map(({ operation }) => [operation]);
    const { cells } = await runExperiment(checkpoint, recipes, documents, { threads: 1 });
    for (const [i, { operation, relative_error: error, scores }] of cases.entries()) {
      const label = JSON.stringify(operation);
      expect(cells[i]?.scores.nll, label).toBeGreaterThan(scores.nll * (1 - tolerance));
      expect(cells[i]?.scores.nll, label).toBeLessThan(scores.nll * (1 + tolerance));
      expect(Math.abs((cells[i]?.scores.kl ?? Number.NaN) - scores.kl), label).toBeLessThan(tolerance);
      expect(cells[i]?.footprint?.relativeError, label).toBeCloseTo(error, 7);
    }
  });
});
