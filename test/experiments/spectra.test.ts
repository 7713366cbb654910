import { afterAll, expect, test } from 'vitest';
import { Checkpoint } from '../../src/checkpoint/reader.ts';
import { areCurvesOf, curvesOf } from '../../src/experiments/spectra.ts';
import { Operator } from '../../src/operations/operator.ts';
import { decompositionsOf } from '../../src/operations/pca/decompositions.ts';
import { complete } from '../../src/operations/pca/spec.ts';
import { applyPca, type PcaParameters } from '../support/operations.ts';
import { fixture } from '../support/paths.ts';

const checkpoint = await Checkpoint.open(fixture('mha-tied-f16'));
const { config } = checkpoint;
const operator = new Operator(checkpoint);
const decompositions = operator.shared(decompositionsOf);
afterAll(() => operator.close());

const of = (...operations: PcaParameters[]) =>
  operations.map((operation) => complete({ kind: 'pca', ...operation }, config));
const shared = { mode: 'shared-kv', variance: 0.5, mean: 'keep' } as const;
const separate = { ...shared, mode: 'separate' } as const;

test('a group is there once, however many cells it is in; a control has none of its own', async () => {
  const noise = { ...shared, control: 'noise' } as const;
  const curves = await curvesOf(decompositions, of(shared, separate, { ...shared, variance: 0.9 }, noise));
  const names = curves.map(({ group, layers }) => `${group} ${layers.join()}`);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(4 * config.layers); // q, k, v and kv
  const { curves: alone, layers } = await applyPca(operator, shared);
  expect(curves).toEqual(expect.arrayContaining([...alone]));
  const [kept] = layers[0]?.groups ?? [];
  const below = alone[0]?.ranks.findLastIndex((rank) => rank <= (kept?.rank ?? 0)) ?? -1;
  expect(alone[0]?.explained[below]).toBeLessThanOrEqual((kept?.explained ?? 0) + 1e-4);
});

test('curves of other operations, or of fewer, are not taken for those asked for', async () => {
  const curves = await curvesOf(decompositions, of(shared));
  expect(areCurvesOf(curves, of(shared, { ...shared, variance: 0.1 }), config)).toBe(true);
  expect(areCurvesOf(curves, of(shared, separate), config)).toBe(false);
  expect(areCurvesOf(curves, of({ ...shared, mode: 'cross-layer-kv' }), config)).toBe(false);
});
