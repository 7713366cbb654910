// In int8 the walk computes what an int8 session does, and a variant what its written checkpoint gives.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { writeCheckpoint } from '../../../src/checkpoint/writer.ts';
import { unembedGraph, wordsName } from '../../../src/graph/walk.ts';
import { Operator, operate } from '../../../src/operations/operator.ts';
import type { Recipe } from '../../../src/operations/recipe.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import { openSession, Tensor } from '../../../src/platform/onnxruntime.ts';
import { feedsOf, sourceOf } from '../../../src/runtime/int8/feeds.ts';
import { quantise } from '../../../src/runtime/int8/quantise.ts';
import { Runtime } from '../../../src/runtime/session.ts';
import type { Stream } from '../../../src/runtime/walk/streams.ts';
import { leastMemory, Walk } from '../../../src/runtime/walk/walk.ts';
import { largestDifference } from '../../support/goldens.ts';
import { fixture, pocket, temporaryFolder } from '../../support/paths.ts';

const lengths = [9, 1, 30, 12];
const documentsFor = ({ config }: Checkpoint) =>
  lengths.map((length, d) =>
    Array.from({ length }, (_, i) => (i === 0 ? 1 : (7 + 31 * d + 17 * i) % config.vocabSize)),
  );

const tmp = temporaryFolder();
const recipe: Recipe = [{ kind: 'pca', variance: 0.6, layers: [1] }];
const inInt8 = { precision: 'int8', threads: 1 } as const;

/** Logits of streams, in the order of the documents' tokens. */
async function logitsOf(walk: Walk, streams: readonly Stream[]): Promise<Float32Array[]> {
  const unembed = await walk.unembedding();
  const all: Float32Array[] = [];
  for (const stream of streams) all.push(await unembed(stream, 0, walk.rows));
  return all;
}

/** Of the original alone. */
async function walked(checkpoint: Checkpoint): Promise<Float32Array> {
  const walk = new Walk(checkpoint, documentsFor(checkpoint), inInt8);
  const { original } = await walk.run([]);
  const [logits] = await logitsOf(walk, [original]);
  await walk.close();
  return logits as Float32Array;
}

/** How far apart the logits of a variant and of its written checkpoint are. */
async function withWritten(checkpoint: Checkpoint, folder: string) {
  const walk = new Walk(checkpoint, documentsFor(checkpoint), inInt8);
  const operator = new Operator(checkpoint);
  const { original, variants } = await walk.run([await operator.layered(recipe)]);
  const [before, edited] = await logitsOf(walk, [original, ...variants]);
  await walk.close();
  await operator.close();
  await writeCheckpoint(checkpoint, (await operate(checkpoint, recipe)).tensors, folder);
  return { before, edited, written: await walked(await Checkpoint.open(folder)) };
}

describe.each(['gqa-headdim-llama3-bf16-sharded', 'mha-tied-f16', 'mistral-window-bf16', 'mqa-bias-f32'])(
  '%s',
  (family) => {
    test('logits are those of a session', async () => {
      const checkpoint = await Checkpoint.open(fixture(family));
      const runtime = await Runtime.open(checkpoint, inInt8);
      const parts: Float32Array[] = [];
      for (const ids of documentsFor(checkpoint))
        for await (const part of runtime.sequence(ids.length).readAll(ids)) parts.push(part);
      await runtime.close();
      const expected = Float32Array.from(parts.flatMap((part) => [...part]));
      const exact = new Walk(checkpoint, documentsFor(checkpoint), { threads: 1 });
      const [float = new Float32Array()] = await logitsOf(exact, [(await exact.run([])).original]);
      await exact.close();
      const found = await walked(checkpoint);
      expect(largestDifference(found, expected)).toBeLessThan(1e-4);
      expect(largestDifference(found, float)).toBeGreaterThan(1e-3); // it is int8 indeed
    });

    test('a variant is what its written checkpoint is', async () => {
      const checkpoint = await Checkpoint.open(fixture(family));
      const { before, edited, written } = await withWritten(checkpoint, join(tmp, family));
      expect(edited).toEqual(written);
      expect(edited).not.toEqual(before);
    });
  },
);

test('a variant of pocket is what its written checkpoint is', async () => {
  const { before, edited, written } = await withWritten(await Checkpoint.open(pocket), join(tmp, 'pocket'));
  expect(edited).toEqual(written);
  expect(edited).not.toEqual(before);
});

test('later runs that begin where an earlier one kept a stream give the same', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const operator = new Operator(checkpoint);
  const variants = await Promise.all(['1.0', '3.1'].map((head) => operator.layered([{ kind: 'zero', heads: [head] }])));
  const walk = new Walk(checkpoint, documentsFor(checkpoint), inInt8);
  const together = await walk.run(variants, { keep: [1, 3] });
  const expected = await logitsOf(walk, [together.original, ...together.variants]);
  for (const [i, layer] of [1, 3].entries()) {
    const stream = together.kept.get(layer);
    const earlier = { original: together.original, since: stream && { layer, stream } };
    const { original, variants: alone } = await walk.run([itemAt(variants, i)], { earlier });
    expect(await logitsOf(walk, [original, ...alone])).toEqual([expected[0], expected[i + 1]]);
  }
  const unkept = { original: together.original, since: { layer: 2, stream: together.original } };
  await expect(walk.run([itemAt(variants, 1)], { earlier: unkept })).rejects.toThrow(/kept layer 2/);
  await walk.close();
  await operator.close();
});

test('streams that are no end of a run have no outliers, and are refused', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const walk = new Walk(checkpoint, [[1, 2, 3]], inInt8);
  const unembed = await walk.unembedding();
  const { hiddenSize } = checkpoint.config;
  await expect(unembed({ read: async () => new Float32Array(hiddenSize) }, 0, 1)).rejects.toThrow(/in int8/);
  await walk.close();
});

test('less memory is needed than in fp32, and too little is refused', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const least = leastMemory(checkpoint, { precision: 'int8' });
  expect(least).toBeLessThan(leastMemory(checkpoint));
  expect(() => new Walk(checkpoint, [[1, 2]], { precision: 'int8', memory: least - 1 })).toThrow(
    /of memory are too few/,
  );
});

test('integers about 128 give exactly the products of signed ones', async () => {
  const { config } = await Checkpoint.open(pocket);
  const shape = [config.vocabSize, config.hiddenSize];
  const [rows = 0, cols = 0] = shape;
  const values = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i * 0.37));
  const logits = [];
  for (const unsigned of [false, true]) {
    const { integers, scales } = itemAt(quantise([{ values: values.slice(), rows, cols }], unsigned), 0);
    const words = { integers, scales, columns: new Float32Array(8 * rows), places: [0, 1, 2, 3, 4, 5, 6, 7] };
    const session = await openSession(unembedGraph(config, sourceOf(shape, words)), { intraOpNumThreads: 1 });
    const x = Float32Array.from({ length: 3 * cols }, (_, i) => Math.cos(i * 0.11));
    const norm = new Float32Array(cols).fill(1);
    const found = await session.run({
      ...feedsOf(wordsName, shape, words),
      'model.norm.weight': new Tensor('float32', norm, [cols]),
      x: new Tensor('float32', x, [3, cols]),
    });
    logits.push(found.logits?.data);
    await session.release();
  }
  expect(logits[0]).toEqual(logits[1]);
  expect(logits[0]).not.toEqual(new Float32Array(3 * rows));
});
