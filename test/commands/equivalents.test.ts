import { expect, test } from 'vitest';
import { equivalentsOf } from '../../src/commands/recipes.ts';
import { configWith } from '../support/models.ts';

const config = configWith({ num_hidden_layers: 2, hidden_size: 24, num_attention_heads: 4, num_key_value_heads: 2 });
const of = (fields: Readonly<Record<string, unknown>>) => equivalentsOf({ fields, recipes: [] }, config);

test('a value that does what another one does is named, alone and among those of a sweep', () => {
  expect(of({ rank: 500 })).toEqual(['--rank 500 does here what --rank 24 does']);
  expect(of({ rank: [500, 24, 2], targets: ['q'] })).toEqual(['--rank 500 does here what --rank 24 does']);
  expect(of({ mode: 'shared-qkv', targets: ['gate'], layers: [1, 0] })).toEqual([
    '--mode shared-qkv does here what --mode separate does',
  ]);
  expect(of({ mode: ['shared-kv', 'separate', 'per-head'], targets: ['o'] })).toEqual([
    '--mode shared-kv does here what --mode separate does',
    '--mode per-head does here what --mode separate does',
  ]);
});

test('nothing is said of a value that does what it says', () => {
  expect(of({ mode: ['shared-kv', 'separate'], variance: [0.9, 0.5], layers: [[1], [0, 1]], mean: ['keep'] })).toEqual(
    [],
  );
  expect(of({ rank: 3, balance: true, center: false, layers: [1, 0], targets: ['v', 'k'] })).toEqual([]);
  expect(equivalentsOf({ kind: 'zero', fields: { heads: ['0.1', '1.0'], mlp: [1, 0] }, recipes: [] }, config)).toEqual(
    [],
  );
  expect(equivalentsOf({ fields: {}, recipes: ['a.json'] }, config)).toEqual([]);
});
