// The walk computes what the session computes, in all families, with documents whole or in pieces, streams in memory or not.
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { Operator } from '../../../src/operations/operator.ts';
import { cacheFolder } from '../../../src/platform/cache.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import { Runtime } from '../../../src/runtime/session.ts';
import type { WalkVariant } from '../../../src/runtime/walk/steps.ts';
import type { Stream } from '../../../src/runtime/walk/streams.ts';
import { leastMemory, Walk } from '../../../src/runtime/walk/walk.ts';
import { largestDifference } from '../../support/goldens.ts';
import { fixture, pocket } from '../../support/paths.ts';

const families = [
  'gqa-headdim-llama3-bf16-sharded',
  'mha-tied-f16',
  'mistral-window-bf16',
  'qwen2-bias-f32',
  'mqa-bias-f32',
];

const documentsFor = ({ config }: Checkpoint, lengths: readonly number[]) =>
  lengths.map((length, d) =>
    Array.from({ length }, (_, i) => (i === 0 ? 1 : (7 + 31 * d + 17 * i) % config.vocabSize)),
  );

/** What the session gives: the residual stream at every point and the logits, each document alone. */
async function bySession(checkpoint: Checkpoint, documents: readonly (readonly number[])[]) {
  const runtime = await Runtime.open(checkpoint, { threads: 1, taps: true });
  const points: Float32Array[][] = [];
  for (const ids of documents) {
    const chunks: (readonly Float32Array[])[] = [];
    for await (const chunk of runtime.sequence(ids.length).readResiduals(ids)) chunks.push(chunk.points);
    points.push(runtime.taps.map((_, point) => concat(chunks.map((all) => all[point] as Float32Array))));
  }
  const logits = [];
  for (const ids of documents) {
    const parts: Float32Array[] = [];
    for await (const part of runtime.sequence(ids.length).readAll(ids)) parts.push(part);
    logits.push(concat(parts));
  }
  await runtime.close();
  return { points, logits };
}

const concat = (parts: readonly Float32Array[]) => {
  const out = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

interface Seen {
  readonly points: Map<string, Float32Array>;
  readonly logits: Float32Array;
}

/** Every model's residual stream by point, and its logits, in the order of the documents' tokens. */
async function byWalk(walk: Walk, variants: readonly WalkVariant[] = []): Promise<Seen[]> {
  const { hiddenSize } = walk.checkpoint.config;
  const seen = Array.from({ length: variants.length + 1 }, () => new Map<string, Float32Array>());
  const end = await walk.run(variants, {
    visit: ({ point, model, batch, residual }) => {
      const all = seen[model]?.get(point) ?? new Float32Array(walk.rows * hiddenSize);
      all.set(residual, batch.start * hiddenSize);
      seen[model]?.set(point, all);
    },
  });
  const unembed = await walk.unembedding();
  const result: Seen[] = [];
  for (const [model, stream] of [end.original, ...end.variants].entries())
    result.push({ points: seen[model] ?? new Map(), logits: await unembed(stream, 0, walk.rows) });
  return result;
}

describe.each(families)('%s', (family) => {
  test.each([
    ['whole documents', 1024],
    ['documents in pieces', 7],
  ])('%s', async (_, batchRows) => {
    const checkpoint = await Checkpoint.open(fixture(family));
    const documents = documentsFor(checkpoint, [3, 19, 1, 12, 19]);
    const walk = new Walk(checkpoint, documents, { threads: 1, batchRows });
    const [seen] = await byWalk(walk);
    const expected = await bySession(checkpoint, documents);
    for (const [i, values] of [...(seen?.points.values() ?? [])].entries())
      expect(largestDifference(values, concat(expected.points.map((all) => all[i] as Float32Array)))).toBeLessThan(
        1e-4,
      );
    expect(seen?.points.size).toBe(checkpoint.config.layers + 1);
    expect(largestDifference(seen?.logits ?? new Float32Array(), concat(expected.logits))).toBeLessThan(1e-4);
    await walk.close();
  });
});

test('a variant is the session with its tensors, from its first layer on; the original is not disturbed', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const documents = documentsFor(checkpoint, [30, 9]);
  const name = 'model.layers.3.mlp.down_proj.weight';
  const values = (await checkpoint.readFloat32(name)).map((value) => value / 2);
  const variant: WalkVariant = {
    from: 3,
    edit: async (layer) => new Map(layer === 3 ? [[name, values]] : []),
  };
  const walk = new Walk(checkpoint, documents, { threads: 1 });
  const [original, changed] = await byWalk(walk, [variant]);
  const runtime = await Runtime.open(checkpoint, { threads: 1, replaceable: [name] });
  const read = async (weights = runtime.original) => {
    const all: Float32Array[] = [];
    for (const ids of documents)
      for await (const part of runtime.sequence(ids.length, weights).readAll(ids)) all.push(part);
    return concat(all);
  };
  expect(largestDifference(original?.logits ?? values, await read())).toBeLessThan(2e-4);
  expect(
    largestDifference(changed?.logits ?? values, await read(runtime.variant(new Map([[name, values]])))),
  ).toBeLessThan(2e-4);
  expect(changed?.points.get('2')).toEqual(original?.points.get('2'));
  expect(changed?.points.get('3')).not.toEqual(original?.points.get('3'));
  await runtime.close();
  await walk.close();
});

test('streams beyond the memory go to a file without a name, and nothing changes', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const documents = documentsFor(checkpoint, [30, 9, 22]);
  const variant: WalkVariant = { from: 0, edit: async () => new Map() };
  const inMemory = new Walk(checkpoint, documents, { threads: 1 });
  const expected = await byWalk(inMemory, [variant]);
  await inMemory.close();
  const spilled = new Walk(checkpoint, documents, { threads: 1, memory: leastMemory(checkpoint) });
  expect(await byWalk(spilled, [variant])).toEqual(expected);
  expect(readdirSync(cacheFolder('residuals'))).toEqual([]);
  await spilled.close();
});

test('what cannot be is refused in one line', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const least = leastMemory(checkpoint);
  const needed = Math.ceil(least / 1e6);
  expect(() => new Walk(checkpoint, [[1, 2]], { memory: least - 1 })).toThrow(
    `${needed - 1} MB of memory are too few: three blocks of this model, a batch's activations and logits take ${needed} MB`,
  );
  const endless = [Array.from({ length: checkpoint.config.contextLength + 1 }, () => 1)];
  expect(() => new Walk(checkpoint, endless)).toThrow(/^document 1 has 513 tokens, the model's context is 512/);
});

test('a later run that begins at a stream kept of the original gives the very same streams', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const documents = documentsFor(checkpoint, [30, 5, 12]);
  const operator = new Operator(checkpoint);
  const walk = new Walk(checkpoint, documents, { threads: 1 });
  const zeros = (layer: number) => operator.layered([{ kind: 'zero', mlp: [layer] }]);
  const untouched: WalkVariant = { from: 6, edit: async () => new Map() };
  const variants = [await zeros(1), await zeros(3), await zeros(5), untouched];
  const whole = async (stream: Stream) => (await stream.read(0, walk.rows)).slice();
  const atOnce = await walk.run(variants);
  const expected = await Promise.all([atOnce.original, ...atOnce.variants].map(whole));
  walk.release([atOnce.original, ...atOnce.variants]);

  const first = await walk.run(variants.slice(0, 1), { keep: [3] });
  const seen: string[] = [];
  const stream = itemAt([...first.kept.values()], 0);
  const later = await walk.run(variants.slice(1), {
    earlier: { original: first.original, since: { layer: 3, stream } },
    onBlock: (done, total) => seen.push(`${done}/${total}`),
  });
  expect(await Promise.all([first.original, ...first.variants, ...later.variants].map(whole))).toEqual(expected);
  expect(seen).toEqual(['1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
  expect(later.original).toBe(first.original);
  const early = walk.run(variants, { earlier: { original: first.original, since: { layer: 3, stream } } });
  await expect(early).rejects.toThrow('a variant begins before the walk does');
  await operator.close();
  await walk.close();
});
