// The command to try next follows from what was found and from the kind of operation.
import { expect, test } from 'vitest';
import { afterRun, afterStudy } from '../../src/commands/suggestions.ts';
import { completeRecipe, type Recipe } from '../../src/operations/recipe.ts';
import type { RunResult } from '../../src/results/run.ts';
import type { CellResult } from '../../src/results/study.ts';
import { configWith } from '../support/models.ts';
import type { PcaParameters } from '../support/operations.ts';
import { cell, sensitivityStudy, study } from '../support/studies.ts';

const config = configWith({ num_hidden_layers: 22 });
const base = cell('a', { mode: 'separate' });
const scored = (kl: number) => ({ ...base.scores, kl, sameTop: kl < 1 ? 0.99 : 0.1 });
const onText = " --text 'a b.txt' --max-tokens 64";
const run = (recipe: Recipe, kl: number, rest?: { layers: number[]; kl: number; works: boolean }) =>
  afterRun(
    {
      model: study([]).model,
      command: "surgery run --text 'a b.txt' --max-tokens 64 --seed 3",
      cell: { ...base, recipe: completeRecipe(recipe, config), scores: scored(kl) },
      ...(rest ? { diagnosis: { documents: 1, tokens: 64, layers: [], projections: [], rest } } : {}),
    } as unknown as RunResult,
    'results/x',
  );

test('a cut that works is tried harder, one that breaks the model milder, or in the layers that work', () => {
  const pca = { kind: 'pca', variance: 0.9 } as const;
  expect(run([pca], 0.01)).toBe(`sweep --model org/name --variance 0.9,0.8,0.7 --controls${onText}`);
  expect(run([pca], 0.5)).toBe(`sweep --model org/name --variance 0.995,0.99,0.95${onText}`);
  expect(run([pca], 3)).toBe(`sweep --model org/name --variance 0.995,0.99,0.95${onText}`);
  expect(run([{ ...pca, variance: 0.9995 }], 3)).toContain('sensitivity --model org/name --variance 0.9995 --by both');
  expect(run([{ kind: 'pca', rank: 8, mode: 'separate' }], 3)).toBe(
    `sweep --model org/name --mode separate --rank 32,16 --controls${onText}`,
  );
  const drop = { ...pca, mode: 'separate', mean: 'drop', targets: ['v', 'o'] } as const;
  expect(run([drop], 3, { layers: [0, 2, 3, 4], kl: 0.1, works: true })).toBe(
    `run --model org/name --mode separate --variance 0.9 --mean drop --targets v,o --layers 0,2-4${onText}`,
  );
  expect(run([pca], 3, { layers: [0, 2], kl: 2, works: false })).not.toContain('--layers');
  expect(run([{ ...pca, mode: 'per-head', layers: [1, 2] }], 3)).toBe(
    `sweep --model org/name --mode per-head --variance 0.995,0.99,0.95 --layers 1-2${onText}`,
  );
});

test('what was calibrated on is named again, also for a lens, which reads no text', () => {
  const next = (recipe: Recipe) =>
    afterRun(
      {
        model: study([]).model,
        command: 'surgery run --calibration a.txt --calibration-tokens 64 --documents 3',
        cell: { ...base, recipe: completeRecipe(recipe, config), scores: scored(0.01) },
      } as unknown as RunResult,
      'x',
    );
  const calibrated = ' --calibration a.txt --calibration-tokens 64';
  expect(next([{ kind: 'mean', heads: ['0.1'] }])).toBe(`lens --model org/name --kind mean --heads 0.1${calibrated}`);
  expect(
    next([
      { kind: 'mean', heads: ['0.1'] },
      { kind: 'zero', mlp: [1] },
    ]),
  ).toBe(`lens --model org/name --recipe x/recipe.json${calibrated}`);
  expect(next([{ kind: 'fit' }])).toContain(`${calibrated} --documents 3`);
});

test('the text is that of the options, in either spelling, and never what another option says', () => {
  const next = (command: string) =>
    afterRun(
      {
        model: study([]).model,
        command,
        cell: { ...base, recipe: completeRecipe([{ kind: 'pca' }], config), scores: scored(0.01) },
      } as unknown as RunResult,
      'x',
    );
  const words = 'sweep --model org/name --variance 0.9,0.8,0.7 --controls';
  expect(next("surgery run --text='a b.txt' --prompt --text --chunk stream --prompt ' --documents 3'")).toBe(
    `${words} '--text=a b.txt' --chunk stream`,
  );
  expect(next("surgery run --text 'it'\\''s.txt' --column=c")).toBe(`${words} --text 'it'\\''s.txt' --column=c`);
});

test('zero ablation is followed by each unit alone or by a lens, never by a PCA', () => {
  expect(run([{ kind: 'zero', heads: ['1.0', '2.1'] }], 3)).toBe(
    `sweep --model org/name --kind zero --heads 1.0 --heads 2.1${onText}`,
  );
  expect(run([{ kind: 'zero', mlp: [3] }], 0.1)).toBe('lens --model org/name --kind zero --mlp 3');
  expect(run([{ kind: 'zero', heads: ['1.0', '2.1'], kvHeads: ['1.0'] }], 3)).toBe(
    'lens --model org/name --kind zero --heads 1.0,2.1 --kv-heads 1.0',
  );
});

test('several operations are followed by a lens on their recipe', () => {
  expect(run([{ kind: 'zero', mlp: [3] }, { kind: 'pca' }], 3)).toBe(
    'lens --model org/name --recipe results/x/recipe.json',
  );
});

const after = (cells: readonly (readonly [PcaParameters, number])[]) => {
  const made = cells.map(([operation, kl], i): CellResult => ({ ...cell(`c${i}`, operation), scores: scored(kl) }));
  const ids = made.map(({ id }) => id);
  return afterStudy(study(ids, { complete: true }), new Map(made.map((one) => [one.id, one])));
};

test('a sweep points at the mildest cell that breaks the model', () => {
  const cells = [0.9, 0.7, 0.5].map((variance): [PcaParameters, number] => [{ variance }, 4 - 4 * variance]);
  expect(after(cells)).toBe('sensitivity --model org/name --variance 0.7 --by both');
  expect(after(cells.slice(0, 1))).toContain('--variance 0.9 --by both');
});

test('a sensitivity study points at the layers without the damage', () => {
  const { study: whole, cells } = sensitivityStudy('layer');
  const complete = { ...whole, complete: true };
  expect(afterStudy(complete, cells)).toBe(
    'run --model org/name --mode separate --rank 24 --targets q,k,v,gate --layers 0-11,16,21',
  );
  expect(
    afterStudy({ ...complete, sensitivity: sensitivityStudy('projection').study.sensitivity }, cells),
  ).not.toContain('--layers 0-11');
});
