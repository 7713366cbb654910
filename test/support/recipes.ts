// Recipes at random, for tests of what holds for all of them.

import fc from 'fast-check';
import type { LlamaConfig } from '../../src/checkpoint/config.ts';
import { projections } from '../../src/checkpoint/names.ts';
import { hasControl } from '../../src/operations/pca/controls.ts';
import { modes, separateOf } from '../../src/operations/pca/grouping.ts';
import { matchRules, means, type PcaSpec, pcaControls } from '../../src/operations/pca/spec.ts';
import type { Operation } from '../../src/operations/registry.ts';

type Sizes = Pick<LlamaConfig, 'heads' | 'kvHeads' | 'intermediateSize'>;

/** Every key may be missing. */
function partial<T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  return fc.record(shape, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
}

/** A list of one or more, in any order. */
const some = <T>(list: readonly T[]) => fc.shuffledSubarray([...list], { minLength: 1 });

/** A PCA that any model can have. */
function pca(layers: readonly number[]): fc.Arbitrary<PcaSpec> {
  const kept = fc.oneof(
    fc.record({ variance: fc.constantFrom(0.3, 0.7, 1), allocate: fc.constantFrom('uniform', 'global') }),
    fc.record({ rank: fc.nat(9) }),
    fc.constant({}),
  );
  const rest = partial({
    mode: fc.constantFrom(...modes),
    mean: fc.constantFrom(...means),
    center: fc.boolean(),
    balance: fc.boolean(),
    seed: fc.nat(),
    targets: some(projections),
  });
  return fc
    .tuple(
      kept,
      rest,
      some(layers),
      fc.option(fc.constantFrom(...pcaControls)),
      fc.option(fc.constantFrom(...matchRules)),
    )
    .map(([budget, spec, chosen, control, rule]) => {
      const { mode = 'shared-kv' } = spec;
      const alone = separateOf(mode);
      const whole = { kind: 'pca', ...budget, ...spec, layers: chosen } as PcaSpec;
      if (rule && alone && spec.targets === undefined) return { ...whole, mode: alone, match: { rule, of: mode } };
      const { targets = ['k', 'v'] } = spec;
      const sharesKv = targets.includes('k') && targets.includes('v');
      const isPossible = control && hasControl(mode, control) && (control !== 'other-layer' || sharesKv);
      return isPossible ? { ...whole, control } : whole;
    });
}

/** Any operation of any kind on some of these layers of a model. */
export function operations(
  { heads, kvHeads, intermediateSize }: Sizes,
  layers: readonly number[],
): fc.Arbitrary<Operation> {
  const unit = (count: number) =>
    fc.tuple(fc.constantFrom(...layers), fc.nat(count - 1)).map(([layer, one]) => `${layer}.${one}`);
  const units = (count: number) => fc.array(unit(count), { minLength: 1, maxLength: 3 });
  const zero = partial({
    heads: units(heads),
    kvHeads: units(kvHeads),
    neurons: units(intermediateSize),
    attention: some(layers),
    mlp: some(layers),
    blocks: some(layers),
  }).filter((cut) => Object.keys(cut).length > 0);
  return fc.oneof(
    pca(layers),
    zero.map((cut): Operation => ({ kind: 'zero', ...cut })),
    some(layers).chain((chosen) =>
      some(projections).map((targets): Operation => ({ kind: 'none', targets, layers: chosen })),
    ),
  );
}
