// The walk that lens, unlikely, probe and basis read from: what one model's chunks hold, and a file that becomes shorter.
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type LensSource, lensSources } from '../../../src/analyses/lens/source.ts';
import { record } from '../../../src/analyses/recorded-residuals.ts';
import { Checkpoint } from '../../../src/checkpoint/reader.ts';
import { cacheFolder } from '../../../src/platform/cache.ts';
import { SurgeryError } from '../../../src/platform/errors.ts';
import { itemAt } from '../../../src/platform/indexing.ts';
import type { LensChunk } from '../../../src/runtime/sequence.ts';
import { Runtime } from '../../../src/runtime/session.ts';
import { leastMemory } from '../../../src/runtime/walk/walk.ts';
import { largestDifference } from '../../support/goldens.ts';
import { pocket, temporaryFolder } from '../../support/paths.ts';
import { copyModel } from '../../support/safetensors.ts';

const tmp = temporaryFolder();
const documents = [150, 3, 1].map((length) => Array.from({ length }, (_, i) => (i === 0 ? 1 : 300 + ((i * 37) % 700))));

/** Copies of a document's chunks. */
async function chunksOf(source: LensSource, ids: readonly number[]): Promise<LensChunk[]> {
  const all: LensChunk[] = [];
  for await (const { ids: read, points, logits } of source.chunks(ids))
    all.push({ ids: read, points: points.map((rows) => rows.slice()), logits: logits.slice() });
  return all;
}

test('chunks hold the tokens, every point of the stream, and what the unembedding makes of each', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const { hiddenSize, vocabSize } = checkpoint.config;
  const { models, close } = await lensSources(checkpoint, documents, {
    recipe: [{ kind: 'zero', blocks: [2] }],
    sublayers: true,
    threads: 1,
  });
  const [original, operated] = [itemAt(models, 0), itemAt(models, 1)];
  expect(original.points.slice(0, 4)).toEqual(['embed', '0 attn', '0', '1 attn']);
  const runtime = await Runtime.open(checkpoint, { threads: 1 });
  for (const ids of documents) {
    const chunks = await chunksOf(original, ids);
    expect(chunks.map(({ ids: { length } }) => length)).toEqual(ids.length > 128 ? [128, 22] : [ids.length]);
    expect(chunks.flatMap((chunk) => chunk.ids)).toEqual(ids);
    const logits = itemAt(chunks, chunks.length - 1).logits.slice(-vocabSize);
    expect(largestDifference(logits, await runtime.sequence(ids.length).readToEnd(ids))).toBeLessThan(2e-4);
    const changed = await chunksOf(operated, ids);
    const at = (all: readonly LensChunk[], point: string) =>
      itemAt(itemAt(all, 0).points, original.points.indexOf(point));
    expect(at(chunks, '3')).toHaveLength(itemAt(chunks, 0).ids.length * hiddenSize);
    expect(at(changed, '1')).toEqual(at(chunks, '1'));
    // A block that does nothing.
    expect(at(changed, '2 attn')).toEqual(at(changed, '1'));
    expect(at(changed, '2')).toEqual(at(changed, '1'));
    expect(at(changed, '3')).not.toEqual(at(chunks, '3'));
  }
  await runtime.close();
  await close();
});

test('what the analysis keeps counts as memory too', async () => {
  const checkpoint = await Checkpoint.open(pocket);
  const { hiddenSize } = checkpoint.config;
  const [ids = []] = documents;
  const least = leastMemory(checkpoint);
  const kept = 4 * 7 * ids.length * hiddenSize;
  const open = (memory: number) => lensSources(checkpoint, [ids], { threads: 1, memory });
  await expect(open(least + kept - 1)).rejects.toThrow(/of memory are too few/);
  await (await open(least + kept)).close();
});

test.each(['lens', 'probe'])(
  'a file that becomes shorter in the middle of the walk is one line: %s',
  async (analysis) => {
    const folder = join(tmp, analysis);
    copyModel(pocket, folder);
    const checkpoint = await Checkpoint.open(folder);
    const path = join(folder, 'model.safetensors');
    const cut = (done: number) => {
      if (done === 1) truncateSync(path, Math.floor(statSync(path).size / 3));
    };
    const walked =
      analysis === 'lens'
        ? lensSources(checkpoint, documents, { threads: 1 }, cut)
        : record(checkpoint, { documents, bosId: 1 }, { threads: 1 }, cut);
    const error: unknown = await walked.catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(SurgeryError);
    expect(String(error)).toMatch(
      /model\.safetensors ended at byte \d+, inside tensor model\.[a-z0-9_.]+, while it was read: did it change\?$/,
    );
    if (analysis === 'probe') expect(readdirSync(cacheFolder('residuals'))).toEqual([]);
  },
);
