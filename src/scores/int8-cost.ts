// What int8 costs a model: how far its predictions are from those in fp32, measured once and kept in the cache.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Checkpoint } from '../checkpoint/reader.ts';
import { cacheFolder, keep } from '../platform/cache.ts';
import { SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import { checkpointIdentity } from '../runtime/identity.ts';
import { int8Version } from '../runtime/int8/sample.ts';
import { Walk, type WalkOptions } from '../runtime/walk/walk.ts';
import { passages } from '../text/default-passages.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { scoreWalked } from './walked.ts';

const shape = z.strictObject({
  /** Mean KL divergence from fp32, nats per token. */
  kl: z.number(),
  /** Share of tokens whose likeliest next one stays the same. */
  sameTop: z.number(),
  /** Perplexity in fp32 and in int8. */
  perplexity: z.strictObject({ fp32: z.number(), int8: z.number() }),
  /** Tokens of the built-in passages that were scored. */
  tokens: z.number(),
});

/** What int8 costs a model on the built-in passages. */
export type Int8Cost = z.infer<typeof shape>;

/** Measures what the cache does not hold. @param advance called with the blocks done and in all, of both passes */
export type MeasureCost = (advance?: (done: number, total: number) => void) => Promise<Int8Cost>;

/**
 * What int8 costs, if the cache holds it for these weights, and otherwise how to measure it.
 * @param options of the walks
 */
export async function int8Cost(
  checkpoint: Checkpoint,
  options: Pick<WalkOptions, 'threads' | 'memory'> = {},
): Promise<Int8Cost | MeasureCost> {
  const path = join(cacheFolder('int8-cost'), `${int8Version}-${await checkpointIdentity(checkpoint)}.json`);
  const known = await readFile(path, 'utf8').then(
    (text) => shape.safeParse(parsed(text)).data,
    () => undefined,
  );
  return (
    known ??
    (async (advance) => {
      const cost = await measured(checkpoint, options, advance);
      const text = JSON.stringify(cost);
      await keep(path, text.length, (file) => file.writeFile(text));
      return cost;
    })
  );
}

/** A file of the cache may be damaged. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws SurgeryError as the walk does */
async function measured(
  checkpoint: Checkpoint,
  options: Pick<WalkOptions, 'threads' | 'memory'>,
  advance: (done: number, total: number) => void = () => {},
): Promise<Int8Cost> {
  const { contextLength, layers } = checkpoint.config;
  const tokenizer = await Tokenizer.open(checkpoint);
  const documents = passages
    .map((text) => tokenizer.encode(text).slice(0, contextLength))
    .filter(({ length }) => length > 1);
  if (documents.length === 0)
    throw new SurgeryError('text', 'the built-in passages have no two tokens for this model: int8 cannot be measured');
  const walks = (['fp32', 'int8'] as const).map(
    (precision) => new Walk(checkpoint, documents, { ...options, precision }),
  );
  try {
    const streams = [];
    for (const [i, walk] of walks.entries())
      streams.push((await walk.run([], { onBlock: (done) => advance(i * layers + done, 2 * layers) })).original);
    const models = [];
    for (const [i, stream] of streams.entries())
      models.push({ stream, unembedding: await itemAt(walks, i).unembedding() });
    const { original, variants, tokens } = await scoreWalked(itemAt(walks, 0), itemAt(models, 0), models.slice(1));
    const { kl, sameTop, perplexity } = itemAt(variants, 0);
    return { kl, sameTop, perplexity: { fp32: original.perplexity, int8: perplexity }, tokens };
  } finally {
    for (const walk of walks) await walk.close();
  }
}
