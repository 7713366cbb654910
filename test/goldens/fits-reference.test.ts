// The kind fit against the float64 reference, which whitens by Cholesky's factor: on pocket and on a model with biases.
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { runExperiment } from '../../src/experiments/experiment.ts';
import type { FitReport } from '../../src/operations/fit/report.ts';
import type { FitSpec } from '../../src/operations/fit/spec.ts';
import { itemAt } from '../../src/platform/indexing.ts';
import { golden } from '../support/goldens.ts';
import { fixture, pocket } from '../support/paths.ts';

interface Golden {
  readonly model: string;
  readonly documents: number[][];
  readonly calibration: number[][];
  readonly cases: readonly {
    readonly operation: FitSpec;
    readonly relative_error: number;
    readonly groups: readonly {
      readonly layer: number;
      readonly group: string;
      readonly rank: number;
      readonly output_error: Readonly<Record<string, number>>;
    }[];
    readonly scores: { readonly tokens: number; readonly nll: number; readonly kl: number };
  }[];
}

describe.each(golden<Golden[]>(fixture('.'), 'fits.json'))('$model', ({ model, documents, calibration, cases }) => {
  // A model with one KV head has no heads apart, so heads' numbers are left out.
  const classes = (all: readonly { layer: number; group: string; rank: number }[]) =>
    all.map(({ layer, group, rank }) => [layer, group.replace(/\.\d+$/, ''), rank]);
  // A 16-bit weight half-way between two values may round either way.
  const [folder, tolerance] = model === 'pocket' ? [pocket, 1e-3] : [fixture(model), 1e-5];

  test('ranks, errors of weights and outputs, and scores of every case', async () => {
    const checkpoint = await Checkpoint.open(folder);
    const recipes = cases.map(({ operation }) => [operation]);
    const { cells } = await runExperiment(checkpoint, recipes, documents, { calibration, threads: 1 });
    for (const [i, { operation, relative_error: error, groups, scores }] of cases.entries()) {
      const label = JSON.stringify(operation);
      const cell = itemAt(cells, i);
      const found = (cell.reports[0] as FitReport).layers.flatMap(({ layer, groups: own }) =>
        own.map(({ name, rank, outputError = {} }) => ({ layer, group: name, rank, output_error: outputError })),
      );
      expect(classes(found), label).toEqual(classes(groups));
      for (const [j, { output_error: errors }] of groups.entries())
        for (const [projection, value] of Object.entries(errors))
          expect(itemAt(found, j).output_error[projection], `${label} ${JSON.stringify(groups[j])}`).toBeCloseTo(
            value,
            4,
          );
      expect(cell.footprint?.relativeError, label).toBeCloseTo(error, 4);
      expect(Math.abs(cell.scores.nll / scores.nll - 1), label).toBeLessThan(tolerance);
      expect(Math.abs(cell.scores.kl - scores.kl), label).toBeLessThan(Math.max(tolerance * scores.kl, tolerance / 10));
    }
  });
});
