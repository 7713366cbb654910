// Results of versions before recipes, written by them: they are read as what they were, to the last figure.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readFinding } from '../../src/analyses/results.ts';
import { readStudyFolder } from '../../src/experiments/folder.ts';
import { summarised } from '../../src/experiments/summary.ts';
import { describeRecipe } from '../../src/operations/recipe.ts';
import { lensText } from '../../src/report/terminal/lens.ts';
import { studyText } from '../../src/report/terminal/study.ts';
import { runText } from '../../src/report/terminal/text.ts';
import { format, upgraded, upgradedCell, upgradedFinding } from '../../src/results/format.ts';
import { readCell, readRun, readStudy } from '../../src/results/reading.ts';
import { expectWhole } from '../support/damage.ts';
import { fixture } from '../support/paths.ts';
import { run } from '../support/runs.ts';
import { sensitivityStudy } from '../support/studies.ts';

/** Files of a format that has no types any more. */
type Old = ReturnType<typeof JSON.parse>;
const text = (name: string) => readFileSync(join(fixture('results'), name), 'utf8');
const json = (name: string): Old => JSON.parse(text(name));

test('run.json: the same scores, texts, answers, ranks, spectra and seconds', () => {
  const old = json('run.json');
  const read = readRun(old);
  const { mode, variance, mean, center, balance, allocate, seed, layers, targets } = old.operation;
  expect(read.cell.recipe).toEqual([
    { kind: 'pca', mode, variance, mean, center, balance, allocate, seed, layers, targets },
  ]);
  expect(read.dtype).toBe(old.operation.dtype);
  expect(read.cell.reports).toEqual([{ kind: 'pca', layers: old.layers }]);
  expect(read.cell.footprint?.parameters).toEqual({
    dense: old.parameters.dense,
    reduced: old.parameters.factored,
  });
  const { original, operated, ...scored } = old.scores;
  expect([read.original.scores, read.cell.scores, read.text]).toEqual([original, operated, scored]);
  const { original: before, operated: after, ...questions } = old.tasks;
  expect([read.original.tasks, read.cell.tasks, read.tasks]).toEqual([before, after, questions]);
  for (const key of ['command', 'date', 'versions', 'model', 'curves', 'sampling', 'precision', 'seconds', 'output'])
    expect(read[key as keyof typeof read], key).toEqual(old[key]);

  const of = (variant: string) => old.samples.filter((one: Old) => one.variant === variant);
  expect(of('original')).toHaveLength(2);
  for (const [variant, samples] of [
    ['original', read.original.samples],
    ['operated', read.cell.samples],
  ] as const)
    for (const [i, { prompt, text: written, completion, pieces, ids, logprobs }] of samples.entries())
      expect({ variant, prompt, text: written, completion, pieces, ids, logprobs }).toEqual({
        variant,
        prompt: of(variant)[i].prompt,
        text: of(variant)[i].text,
        completion: of(variant)[i].completion,
        pieces: of(variant)[i].pieces,
        ids: of(variant)[i].ids,
        logprobs: of(variant)[i].logprobs[variant],
      });
  expect(read.cell.samples.map(({ underOriginal }) => underOriginal)).toEqual(
    of('operated').map(({ logprobs }: Old) => logprobs.original),
  );
  expect(read.cell.samples.map(({ ofOriginal }) => ofOriginal)).toEqual(
    of('original').map(({ logprobs }: Old) => logprobs.operated),
  );
  expect(read.tokensPerSecond).toEqual({
    original: of('original').map(({ tokensPerSecond }: Old) => tokensPerSecond),
    variant: of('operated').map(({ tokensPerSecond }: Old) => tokensPerSecond),
  });
  const shown = runText(read);
  expectWhole(shown);
  expect(shown).toContain(describeRecipe(read.cell.recipe, 6));
});

test('a text that was written infinitely fast, without questions', () => {
  const { tasks: _, ...old } = json('run.json');
  old.samples = old.samples.map((sample: Old) => ({ ...sample, tokensPerSecond: null }));
  const { tokensPerSecond, tasks, original, cell } = readRun(old);
  expect(tokensPerSecond.variant).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  expect([tasks, original.tasks, cell.tasks]).toEqual([undefined, undefined, undefined]);
});

describe.each(['sweep', 'sensitivity'])('a %s', (kind) => {
  const old = json(join(kind, 'study.json'));
  const cells: Old[] = text(join(kind, 'cells.jsonl'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

  test('study.json: everything that it said', () => {
    const { schema, ...rest } = old;
    expect(schema).toBe(1);
    expect(readStudy(old)).toEqual({ format, ...rest });
  });

  test('cells.jsonl: the same figures by the same names, the operation as a recipe of one', () => {
    const study = readStudy(old);
    for (const one of cells) {
      const read = readCell(one, study);
      const { id, operation, extent, layers, ...rest } = one;
      const { recipe, footprint, reports, ...figures } = read;
      expect(figures).toEqual({ id, ...rest });
      if (operation.control === 'none') {
        const { targets, layers: chosen } = operation;
        expect(recipe).toEqual([{ kind: 'none', targets, layers: chosen }]);
        expect([footprint, reports]).toEqual([null, [{ kind: 'none' }]]);
        continue;
      }
      expect(recipe).toEqual([{ kind: 'pca', ...operation }]);
      expect(reports).toEqual([{ kind: 'pca', layers }]);
      const { parameters, ...others } = extent;
      expect(footprint).toEqual({
        ...others,
        parameters: { dense: parameters.dense, reduced: parameters.factored },
        squaredNorm: expect.any(Number),
      });
    }
  });

  test('the folder opens, and what follows from its cells is what study.json says', async () => {
    const { study, cells: read } = await readStudyFolder(join(fixture('results'), kind));
    expect(study.complete).toBe(true);
    expect([...read.keys()]).toEqual(study.cells);
    expect(summarised(study, read)).toEqual(study);
    expectWhole(studyText(study, read, 'folder'));
  });
});

test('lens.json: the variant as a recipe, everything else as it was', () => {
  const old = json('lens.json');
  const { schema, operation, ...rest } = old;
  const { groups, ...settings } = operation;
  expect([schema, groups]).toEqual([1, ['q', 'kv']]);
  const read = readFinding('lens', old);
  if (read.kind !== 'lens') throw new TypeError('not a lens');
  expect(read.result).toEqual({ format, ...rest, recipe: [{ kind: 'pca', ...settings }] });
  expectWhole(lensText(read.result, { colour: 'probability', full: true, output: 'folder' }));
  const { recipe: _, ...alone } = read.result;
  expect(readFinding('lens', { schema, ...rest }).result).toEqual(alone);
});

test('what this version writes is not changed', () => {
  const { study, cells } = sensitivityStudy();
  const [cell] = cells.values();
  expect(upgraded(run())).toEqual(run());
  expect(upgraded(study)).toBe(study);
  expect(upgradedCell(cell)).toBe(cell);
});

test.each<[string, (value: unknown) => unknown]>([
  ['a run or a study', upgraded],
  ['a cell', upgradedCell],
  ['a finding', upgradedFinding],
])('%s that is none of any version comes back as it is, for the schema to refuse', (_, upgrade) => {
  for (const value of [null, 7, 'text', [], {}, { schema: 2, scores: {}, operation: null }])
    expect(upgrade(value)).toBe(value);
});

test.each([
  { schema: 1, scores: {} },
  { schema: 1, scores: null, samples: 3 },
  { schema: 1, command: 'surgery run' },
])('%j, which says it is of the old version, is refused by its place', (value) => {
  expect(() => readRun(value)).toThrow(/^is not a run that this version reads, at \w+: /);
});
