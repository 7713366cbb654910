// The kind quantise: its parameters and words, its arithmetic, what it stores.
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { operate } from '../../../src/operations/operator.ts';
import { complete, type QuantiseSpec, quantiseFields } from '../../../src/operations/quantise/spec.ts';
import { roundToBits } from '../../../src/operations/quantise/work.ts';
import { recipeHash, touchedBy } from '../../../src/operations/recipe.ts';
import { kinds } from '../../../src/operations/registry.ts';
import { configWith } from '../../support/models.ts';
import { fixture } from '../../support/paths.ts';

const config = configWith({ hidden_size: 24, num_hidden_layers: 3, intermediate_size: 40 });
const completed = (spec: Omit<QuantiseSpec, 'kind'>) => complete({ kind: 'quantise', ...spec }, config);

describe('the parameters', () => {
  test('have defaults, and groups as wide as every row are rows', () => {
    const all = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'];
    expect(completed({})).toEqual({ kind: 'quantise', bits: 4, group: 32, targets: all, layers: [0, 1, 2] });
    expect(completed({ group: 40 }).group).toBe('row');
    expect(completed({ group: 39 }).group).toBe(39);
    expect(recipeHash([completed({ group: 24, targets: ['q'] })])).toBe(
      recipeHash([completed({ group: 'row', targets: ['q'] })]),
    );
  });

  test.each([
    ['bits', '1'],
    ['bits', '9'],
    ['bits', '4.5'],
    ['group', '1'],
    ['group', 'column'],
    ['group', ''],
  ] as const)('--%s %j is refused', (key, text) => {
    expect(() => quantiseFields[key].parse(text)).toThrow(new RegExp(`^--${key} is "${text}", allowed: `));
  });

  test('are checked by the library too', () => {
    for (const spec of [{ bits: 1 }, { bits: 2.5 }, { group: 1 }, { layers: [3] }])
      expect(() => completed(spec)).toThrow(/^(bits|group|layer) /);
  });

  test('make words', () => {
    const { describe: inALine, label, slug, series, next } = kinds.quantise;
    const some = completed({ bits: 3, group: 'row', targets: ['gate', 'up'], layers: [0, 1] });
    expect(inALine(some, 3)).toBe('rounded to 3 bits, a scale for each row, only gate,up, only layers 0-1');
    expect(label(some, 3)).toBe('3 bits row gate,up layers 0-1');
    expect(series?.(some, 3)).toBe('rounded row gate,up layers 0-1');
    expect(slug(some, 3)).toBe('3-bits-row-gate_up-layers-0-1');
    expect(label(completed({}), 3)).toBe('4 bits group 32');
    expect(next(completed({}), { isSevere: false, isSwept: false }, 3)).toBe('sweep --kind quantise --bits 4,3,2');
    expect(next(some, { isSevere: true, isSwept: false }, 3)).toBe(
      'sweep --kind quantise --bits 8,6,5,4,3 --group row --targets gate,up --layers 0-1',
    );
  });
});

describe('rounding', () => {
  const round = (values: number[], rows: number, bits: number, group: number | 'row') => {
    const weight = Float32Array.from(values);
    return { ...roundToBits(weight, rows, bits, group), weight: [...weight] };
  };

  test('goes to the nearest multiple of largest / (2^(bits − 1) − 1), halves to the even one', () => {
    // 3 bits, largest 3: the scale is 1.
    expect(round([3, 0.5, 1.5, -2.5, -0.51, 2.49], 1, 3, 'row').weight).toEqual([3, 0, 2, -2, -1, 2]);
    expect(round([0.75, 0.5, -0.26, 0.24], 1, 2, 'row').weight).toEqual([0.75, 0.75, 0, 0]);
  });

  test('has a scale for each row or group; the last group of a row may be narrower; zeros stay', () => {
    const { weight, scales, squaredNorm, squaredError } = round([1, 0.3, 10, 0, 0, 4], 2, 2, 2);
    expect(weight).toEqual([1, 0, 10, 0, 0, 4]);
    expect(scales).toBe(4);
    expect(squaredNorm).toBeCloseTo(1 + 0.09 + 100 + 16, 5);
    expect(squaredError).toBeCloseTo(0.09, 6);
  });
});

test('the footprint counts bits of weights, a float32 for each scale, and no fewer parameters', async () => {
  const checkpoint = await Checkpoint.open(fixture('gqa-headdim-llama3-bf16-sharded'));
  const recipe = [{ kind: 'quantise', bits: 3, group: 5, targets: ['k', 'down'], layers: [1] }] as const;
  const { footprint, tensors } = await operate(checkpoint, recipe);
  expect([...tensors.keys()]).toEqual(touchedBy([recipe], checkpoint.config));
  const shapes = [...tensors.keys()].map((name) => checkpoint.tensor(name).shape as [number, number]);
  const dense = shapes.reduce((sum, [rows, cols]) => sum + rows * cols, 0);
  const reduced = shapes.reduce(
    (sum, [rows, cols]) => sum + Math.ceil((rows * cols * 3) / 8) + 4 * rows * Math.ceil(cols / 5),
    0,
  );
  expect(footprint).toMatchObject({ parameters: { dense, reduced: dense }, bytes: { dense: 2 * dense, reduced } });
});
