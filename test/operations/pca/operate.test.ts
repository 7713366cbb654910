import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { fromFloat32, toFloat32 } from '../../../src/checkpoint/dtypes.ts';
import { type Projection, projectionName } from '../../../src/checkpoint/names.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { Operator, operate } from '../../../src/operations/operator.ts';
import { hasControl } from '../../../src/operations/pca/controls.ts';
import { operateGroup } from '../../../src/operations/pca/group-pca.ts';
import { groupsOf, type Mode, modes, type ProjectionRows } from '../../../src/operations/pca/grouping.ts';
import type { LayerReport } from '../../../src/operations/pca/report.ts';
import { pcaControls } from '../../../src/operations/pca/spec.ts';
import { spectra, thresholds } from '../../../src/operations/pca/spectrum.ts';
import { largestDifference } from '../../support/goldens.ts';
import { nonEmpty } from '../../support/lists.ts';
import { makeModel } from '../../support/models.ts';
import { applyPca, operatePca, type PcaParameters } from '../../support/operations.ts';
import { fixture, temporaryFolder } from '../../support/paths.ts';
import { copyModel, fileBytes, split } from '../../support/safetensors.ts';

const tmp = temporaryFolder();
let made = 0;
const open = (name: string) => Checkpoint.open(fixture(name));
/** Large tensors are compared by their hashes: element by element takes the assertion a minute. */
const digests = (tensors: ReadonlyMap<string, Float32Array>) =>
  Object.fromEntries(
    [...tensors].map(([name, values]) => [name, createHash('sha256').update(Buffer.from(values.buffer)).digest('hex')]),
  );

/** Of all layers, at least one. */
const groupReports = (layers: readonly LayerReport[]) => nonEmpty(layers.flatMap(({ groups }) => groups));

test('the modes share what they say', () => {
  const config = { heads: 4, kvHeads: 2, headDim: 8 };
  const shape = (mode: Mode, targets: readonly Projection[] = ['q', 'k', 'v']) =>
    groupsOf(mode, targets, [0, 3], config).map(({ name, layer, members }) => {
      const member = ({ layer: at, projection, rows }: ProjectionRows) =>
        `${projection}${at}${rows ? `:${rows.join('-')}` : ''}`;
      return `${name}@${layer ?? 'all'} ${members.map(member).join('+')}`;
    });
  expect(shape('shared-kv')).toEqual(['q@0 q0', 'kv@0 k0+v0', 'q@3 q3', 'kv@3 k3+v3']);
  expect(shape('separate', ['k', 'v'])).toEqual(['k@0 k0', 'v@0 v0', 'k@3 k3', 'v@3 v3']);
  expect(shape('shared-qkv', ['q', 'v', 'up'])).toEqual(['qv@0 q0+v0', 'up@0 up0', 'qv@3 q3+v3', 'up@3 up3']);
  expect(shape('shared-kv', ['k', 'o'])).toEqual(['k@0 k0', 'o@0 o0', 'k@3 k3', 'o@3 o3']);
  expect(shape('cross-layer-kv')).toEqual(['q@0 q0', 'q@3 q3', 'kv@all k0+v0+k3+v3']);
  expect(shape('per-head', ['k', 'down'])).toEqual([
    'k.0@0 k0:0-8',
    'k.1@0 k0:8-16',
    'down@0 down0',
    'k.0@3 k3:0-8',
    'k.1@3 k3:8-16',
    'down@3 down3',
  ]);
  expect(shape('per-head-kv').slice(3, 6)).toEqual([
    'q.3@0 q0:24-32',
    'kv.0@0 k0:0-8+v0:0-8',
    'kv.1@0 k0:8-16+v0:8-16',
  ]);
});

test('at full variance every projection comes back', async () => {
  const checkpoint = await open('mqa-bias-f32');
  const { tensors, layers } = await operatePca(checkpoint, { mode: 'shared-kv', variance: 1, mean: 'keep' });
  expect(tensors.size).toBe(3 * checkpoint.config.layers);
  for (const [name, values] of tensors)
    expect(largestDifference(values, await checkpoint.readFloat32(name))).toBeLessThan(1e-6);
  for (const { explained } of groupReports(layers)) expect(explained).toBeCloseTo(1, 12);
});

test('the variant holds what a file of its dtype holds', async () => {
  const checkpoint = await open('mqa-bias-f32');
  const operation = { mode: 'separate', variance: 0.5, mean: 'keep' } as const;
  const exact = await operatePca(checkpoint, operation);
  const rounded = await operatePca(checkpoint, operation, { dtype: 'BF16' });
  for (const [name, values] of nonEmpty(rounded.tensors)) {
    const expected = toFloat32(fromFloat32(exact.tensors.get(name) ?? new Float32Array(0), 'BF16', name), 'BF16');
    expect(largestDifference(values, expected)).toBe(0);
  }
});

test('the factored count is rank × (in + Σ out), the dense one in × Σ out', async () => {
  const checkpoint = await open('gqa-headdim-llama3-bf16-sharded'); // hidden 40, q 72 rows, k and v 24 each
  const { layers } = await operatePca(checkpoint, { mode: 'shared-kv', variance: 0.5, mean: 'keep' });
  for (const group of groupReports(layers)) {
    const outs = group.name === 'q' ? 72 : 48;
    expect(group.parameters).toEqual({ dense: 40 * outs, factored: group.rank * (40 + outs) });
  }
});

test('progress counts layers to the end', async () => {
  const seen: [number, number][] = [];
  await operatePca(
    await open('mha-tied-f16'),
    { mode: 'shared-kv', variance: 0.5, mean: 'keep' },
    { onProgress: (...step) => seen.push(step) },
  );
  expect(seen).toEqual([
    [1, 2],
    [2, 2],
  ]);
});

test('spectra give the ranks that operations use', async () => {
  const checkpoint = await open('mha-tied-f16');
  const all = await spectra(checkpoint, { mode: 'shared-kv' });
  expect(all).toHaveLength(4);
  for (const variance of [0.9, 0.5] as const) {
    const { layers } = await operatePca(checkpoint, { mode: 'shared-kv', variance, mean: 'keep' });
    for (const { layer, group, ranks, explainedVarianceRatio } of all) {
      const report = layers[layer ?? -1]?.groups.find(({ name }) => name === group);
      expect(ranks[thresholds.indexOf(variance)]).toBe(report?.rank);
      expect(explainedVarianceRatio).toHaveLength(report?.of ?? 0);
    }
  }
});

describe('a model that is decomposed in threads', () => {
  const sizes = { hidden_size: 448, num_attention_heads: 7, num_key_value_heads: 1, head_dim: 64 };

  test('gives what one after the other gives, and finds its components again', async () => {
    vi.stubEnv('SURGERY_CACHE', join(tmp, 'cache'));
    const checkpoint = await Checkpoint.open(makeModel(join(tmp, 'threads'), sizes));
    const operation = { mode: 'shared-kv', variance: 0.6, mean: 'keep' } as const;
    const first = await operatePca(checkpoint, operation);
    const second = await operatePca(checkpoint, operation, { threads: 1 });
    expect([first.fromCache, second.fromCache]).toEqual([0, 2 * checkpoint.config.layers]);
    expect(digests(second.tensors)).toEqual(digests(first.tensors));
    for (const { layer, groups } of nonEmpty(first.layers)) {
      for (const { name, rank, relativeError } of nonEmpty(groups)) {
        const members = [...name].map((p) => projectionName(layer, p as 'q'));
        const read = async (tensor: string) => ({
          projection: 'q' as const,
          name: tensor,
          row: 0,
          shape: checkpoint.tensor(tensor).shape as [number, number],
          values: await checkpoint.readFloat32(tensor),
          writeAs: 'F32' as const,
        });
        const here = await operateGroup(
          await Promise.all(members.map(read)),
          { budget: { variance: 0.6 }, mean: 'keep' },
          { engine: 'native', cache: false, center: true, balance: false },
        );
        expect(here.rank).toBe(rank);
        const { squaredError = 0, squaredNorm = 1 } = here.members.at(-1) ?? {};
        expect(Math.sqrt(squaredError / squaredNorm)).toBeCloseTo(Object.values(relativeError).at(-1) ?? 0, 6);
        for (const { name: tensor, values } of nonEmpty(here.members)) {
          expect(largestDifference(values, first.tensors.get(tensor) ?? [])).toBeLessThan(1e-5);
        }
      }
    }
    vi.unstubAllEnvs();
  });

  test('a weight that is not finite is one error, and the threads end', async () => {
    const folder = makeModel(join(tmp, 'nan'), { ...sizes, num_hidden_layers: 6 });
    const name = 'model.layers.3.self_attn.k_proj.weight';
    const path = join(folder, 'model.safetensors');
    const bytes = readFileSync(path);
    bytes.writeFloatLE(Number.NaN, (await Checkpoint.open(folder)).tensor(name).begin);
    writeFileSync(path, bytes);
    const operating = operatePca(await Checkpoint.open(folder), { mode: 'shared-kv', variance: 0.6, mean: 'keep' });
    await expect(operating).rejects.toThrow(`tensor ${name} holds NaN at [0, 0]`);
  });
});

describe.each(modes)('controls of %s', (mode) => {
  const halved = { mode, variance: 0.5, mean: 'keep' } as const;

  test('none is the very weights, full-rank the weights but for rounding', async () => {
    const checkpoint = await open('mqa-bias-f32');
    const none = await operate(checkpoint, [{ kind: 'none' }]);
    const whole = await operatePca(checkpoint, { ...halved, control: 'full-rank' });
    expect([none.reports, none.tensors.size, whole.tensors.size]).toEqual([[{ kind: 'none' }], 6, 6]);
    expect(none.footprint).toBeNull();
    for (const [name, values] of whole.tensors) {
      const weight = await checkpoint.readFloat32(name);
      expect(none.tensors.get(name)).toEqual(weight);
      expect(largestDifference(values, weight)).toBeLessThan(1e-6);
    }
    for (const { rank, of } of groupReports(whole.layers)) expect(rank).toBe(of);
  });

  test('random-subspace takes as many directions, the same for the same seed', async () => {
    const operator = new Operator(await open('mqa-bias-f32'));
    const plain = await applyPca(operator, halved);
    const draw = (seed: number) => applyPca(operator, { ...halved, control: 'random-subspace', seed });
    const [once, again, other] = [await draw(1), await draw(1), await draw(2)];
    expect(once.tensors).toEqual(again.tensors);
    for (const [name, values] of nonEmpty(once.tensors)) {
      expect(values).not.toEqual(other.tensors.get(name));
      expect(values).not.toEqual(plain.tensors.get(name));
    }
    const fitted = groupReports(plain.layers);
    for (const [i, { rank, explained }] of groupReports(once.layers).entries()) {
      expect(rank).toBe(fitted[i]?.rank);
      expect(explained).toBeLessThanOrEqual((fitted[i]?.explained ?? 0) + 1e-9);
    }
  });

  test('noise is as large as the error of each projection', async () => {
    const operator = new Operator(await open('mqa-bias-f32'));
    const plain = await applyPca(operator, halved);
    const noisy = await applyPca(operator, { ...halved, control: 'noise', seed: 3 });
    for (const [layer, { groups }] of nonEmpty(plain.layers).entries()) {
      for (const [i, { relativeError }] of nonEmpty(groups).entries()) {
        const noise = noisy.layers[layer]?.groups[i]?.relativeError ?? {};
        expect(Object.keys(noise)).toEqual(Object.keys(relativeError));
        for (const [projection, error] of nonEmpty(Object.entries(relativeError)))
          expect(Math.abs((noise[projection] ?? Number.NaN) - error)).toBeLessThanOrEqual(1e-5 * error);
      }
    }
    for (const [name, values] of nonEmpty(noisy.tensors)) expect(values).not.toEqual(plain.tensors.get(name));
  });

  test('other-layer exists where k and v share a PCA in each layer, and is refused elsewhere', async () => {
    const checkpoint = await open('mqa-bias-f32');
    const swapped = operatePca(checkpoint, { ...halved, control: 'other-layer' });
    const shares = groupsOf(mode, ['k', 'v'], [0], checkpoint.config).some(
      ({ layer, members }) => layer === 0 && members.length > 1,
    );
    expect(hasControl(mode, 'other-layer')).toBe(shares);
    for (const control of pcaControls.filter((one) => one !== 'other-layer'))
      expect(hasControl(mode, control)).toBe(true);
    if (!shares) {
      await expect(swapped).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(mode) });
      return;
    }
    const plain = await operatePca(checkpoint, halved);
    const k = projectionName(0, 'k');
    expect((await swapped).tensors.size).toBe(6);
    expect((await swapped).tensors.get(k)).not.toEqual(plain.tensors.get(k));
    const ranks = ({ layers }: typeof plain) => layers.map(({ groups }) => groups.map(({ rank }) => rank));
    expect(ranks(await swapped)).toEqual(ranks(plain));
  });
});

test.each([{ balance: false }, { balance: true }])(
  'random directions hold, on the mean, as much of the variance as they are of all directions (balance: $balance)',
  async ({ balance }) => {
    const operator = new Operator(await open('mqa-bias-f32'));
    const found: number[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const { layers } = await applyPca(operator, {
        mode: 'shared-kv',
        rank: 4,
        mean: 'keep',
        balance,
        control: 'random-subspace',
        seed,
      });
      for (const { explained, of } of groupReports(layers)) found.push(explained / (4 / of));
    }
    expect(Math.abs(found.reduce((sum, share) => sum + share, 0) / found.length - 1)).toBeLessThan(0.1);
  },
);

test.each(['per-head', 'per-head-kv'] as const)('%s covers every row once', async (mode) => {
  const checkpoint = await open('gqa-headdim-llama3-bf16-sharded');
  const { config } = checkpoint;
  const covered = new Map<string, number[]>();
  for (const { layer, projection, rows: [from, to] = [0, 0] } of groupsOf(
    mode,
    ['q', 'k', 'v'],
    [0, 1],
    config,
  ).flatMap(({ members }) => members)) {
    const name = projectionName(layer, projection);
    covered.set(name, [...(covered.get(name) ?? []), ...Array.from({ length: to - from }, (_, i) => from + i)]);
  }
  for (const [name, rows] of nonEmpty(covered))
    expect(rows).toEqual(Array.from({ length: checkpoint.tensor(name).shape[0] ?? 0 }, (_, i) => i));
  const { tensors } = await operatePca(checkpoint, { mode, variance: 1, mean: 'keep' }, { dtype: 'F32' });
  expect([...tensors.keys()].sort()).toEqual([...covered.keys()].sort());
  for (const [name, values] of tensors)
    expect(largestDifference(values, await checkpoint.readFloat32(name))).toBeLessThan(1e-6);
});

test('layers that share a PCA share its parameters: rank × (in + Σ out) over all of them', async () => {
  const checkpoint = await open('gqa-headdim-llama3-bf16-sharded'); // hidden 40, k and v 24 rows each
  const { layers } = await operatePca(checkpoint, { mode: 'cross-layer-kv', variance: 0.5, mean: 'keep' });
  const groups = layers.flatMap((layer) => layer.groups.filter(({ name }) => name === 'kv'));
  const total = (count: 'dense' | 'factored') => groups.reduce((sum, { parameters }) => sum + parameters[count], 0);
  const outs = 2 * layers.length * 24;
  expect(groups).toHaveLength(layers.length);
  expect(new Set(groups.map(({ rank }) => rank)).size).toBe(1);
  expect(total('dense')).toBe(40 * outs);
  expect(total('factored')).toBeCloseTo((groups[0]?.rank ?? 0) * (40 + outs), 9);
});

describe('an operation gives the same weights first and after others', () => {
  const others: PcaParameters[] = [
    { mode: 'shared-kv', variance: 0.9, mean: 'keep' },
    { mode: 'separate', rank: 3, mean: 'drop', center: false },
    { mode: 'shared-kv', variance: 0.3, mean: 'keep', balance: true },
    { mode: 'separate', variance: 0.5, mean: 'keep', match: { rule: 'error', of: 'shared-kv' } },
    { mode: 'shared-kv', variance: 0.5, mean: 'keep', control: 'noise', seed: 1 },
  ];
  const same = async (checkpoint: Checkpoint, operations: readonly PcaParameters[]) => {
    const [operator, backwards] = [new Operator(checkpoint), new Operator(checkpoint)];
    const later = new Map<PcaParameters, unknown>();
    for (const operation of operations) later.set(operation, (await applyPca(operator, operation)).tensors);
    for (const operation of operations.toReversed())
      expect((await applyPca(backwards, operation)).tensors, JSON.stringify(operation)).toEqual(later.get(operation));
    await Promise.all([operator.close(), backwards.close()]);
  };

  test('on the spot', async () => {
    await same(await open('mha-tied-f16'), others);
  });

  test('in threads, with and without what is on disk', async () => {
    vi.stubEnv('SURGERY_CACHE', join(tmp, 'order'));
    const sizes = { hidden_size: 448, num_attention_heads: 7, num_key_value_heads: 1, head_dim: 64 };
    const folder = makeModel(join(tmp, 'ordered'), { ...sizes, num_hidden_layers: 1 });
    await same(await Checkpoint.open(folder), others.slice(0, 2));
    vi.unstubAllEnvs();
  });
});

/** The F32 fixture with one tensor's values changed. */
function withTensor(name: string, edit: (values: Float32Array) => void): Promise<Checkpoint> {
  const folder = copyModel(fixture('mqa-bias-f32'), join(tmp, String(made++)), {
    'model.safetensors': (old) => {
      const { header, data } = split(old);
      const [begin = 0, end = 0] = (header[name]?.data_offsets ?? []) as number[];
      const values = new Float32Array(Uint8Array.from(data.subarray(begin, end)).buffer);
      edit(values);
      const copy = Buffer.from(data);
      copy.set(new Uint8Array(values.buffer), begin);
      return fileBytes(JSON.stringify(header), copy);
    },
  });
  return Checkpoint.open(folder);
}

describe('unusual weights', () => {
  const k = 'model.layers.1.self_attn.k_proj.weight';
  const operation = { mode: 'separate', variance: 0.9, mean: 'keep' } as const;

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('%s is refused by tensor name and place', async (bad) => {
    const checkpoint = await withTensor(k, (values) => values.set([bad], 25));
    await expect(operatePca(checkpoint, operation)).rejects.toThrow(
      new RegExp(`tensor ${k.replaceAll('.', '\\.')} holds ${bad} at \\[1, 1\\]`),
    );
  });

  test('a matrix without variance needs no components and comes back from its mean', async () => {
    const checkpoint = await withTensor(k, (values) => values.fill(0.25));
    const { tensors, layers } = await operatePca(checkpoint, operation);
    const report = layers[1]?.groups.find(({ name }) => name === 'k');
    expect(report).toMatchObject({ rank: 0, explained: 1, relativeError: { k: 0 } });
    expect(new Set(tensors.get(k))).toEqual(new Set([0.25]));
  });

  test('a zero matrix is no division by zero', async () => {
    const checkpoint = await withTensor(k, (values) => values.fill(0));
    const { layers } = await operatePca(checkpoint, operation);
    expect(layers[1]?.groups.find(({ name }) => name === 'k')?.relativeError).toEqual({ k: 0 });
  });
});

test('components that stay in memory give the same digits, in any order', async () => {
  vi.stubEnv('SURGERY_CACHE', join(tmp, 'cache-kept'));
  const sizes = { hidden_size: 448, num_attention_heads: 7, num_key_value_heads: 1, head_dim: 64 };
  const checkpoint = await Checkpoint.open(makeModel(join(tmp, 'kept'), sizes));
  const operations: PcaParameters[] = [
    { mode: 'shared-kv', variance: 0.3, mean: 'keep' },
    { mode: 'separate', variance: 0.9, mean: 'keep' },
    { mode: 'separate', variance: 0.9, mean: 'drop', match: { rule: 'width', of: 'shared-kv' } },
    { mode: 'shared-kv', variance: 0.9, mean: 'keep', control: 'noise' },
    { mode: 'shared-kv', variance: 0.9, mean: 'keep', control: 'random-subspace' },
    { mode: 'shared-kv', variance: 0.95, mean: 'keep', balance: true, allocate: 'global' },
    { mode: 'cross-layer-kv', rank: 130, mean: 'keep', center: false },
  ];
  const alone: { layers: readonly LayerReport[]; digests: Record<string, string> }[] = [];
  for (const operation of operations) {
    const { tensors, layers } = await operatePca(checkpoint, operation);
    alone.push({ layers, digests: digests(tensors) });
  }
  // Not all that is wanted: it is made up for.
  const upcoming = [
    { kind: 'pca', variance: 0.9 },
    { kind: 'pca', rank: 130 },
  ];
  for (const order of [[...operations.keys()], [...operations.keys()].reverse()]) {
    const operator = new Operator(checkpoint, { upcoming });
    for (const i of order) {
      const operation = operations[i] as PcaParameters;
      const { tensors, layers } = await applyPca(operator, operation);
      expect(layers, JSON.stringify(operation)).toEqual(alone[i]?.layers);
      expect(digests(tensors), JSON.stringify(operation)).toEqual(alone[i]?.digests);
    }
    await operator.close();
  }
  vi.unstubAllEnvs();
});

test.each<[PcaParameters, RegExp]>([
  [{ variance: 0 }, /variance is 0, allowed: a number above 0 up to 1/],
  [{ variance: 3 }, /variance is 3/],
  [{ rank: -1 }, /rank is -1, allowed: a whole number from 0/],
  [{ variance: 0.5, rank: 1 }, /variance 0.5 and rank 1: give one of them/],
  [{ rank: 1, allocate: 'global' }, /goes with a variance/],
  [{ rank: 1, layers: [2] }, /layer 2 is not there, this model's layers are 0 to 1/],
])('%j is refused', async (what, message) => {
  const operation: PcaParameters = { mode: 'separate', mean: 'keep', ...what };
  await expect(operatePca(await open('mqa-bias-f32'), operation)).rejects.toThrow(message);
});
