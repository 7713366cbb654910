// What int8 costs the model of a command, printed before anything is computed with it.
import { percent, perplexity, short } from '../report/format.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { type Int8Cost, int8Cost } from '../scores/int8-cost.ts';
import type { OpenModel } from './model.ts';
import type { MemoryOptions, ModelOptions, RuntimeOptions } from './options.ts';

/** What int8 costs, from the cache or measured now. */
export async function costOfInt8(
  { checkpoint, info }: OpenModel,
  settings: Pick<RuntimeOptions, 'threads'> & MemoryOptions,
  progress: Progress,
): Promise<Int8Cost> {
  const { threads, memory } = settings;
  const known = await int8Cost(checkpoint, { threads, memory });
  if (typeof known !== 'function') return known;
  return (await progress.step(`Measuring what int8 costs ${info.ref}, once`, 'blocks', known)).value;
}

/** The cost in words. */
const int8Words = ({ kl, sameTop, perplexity: { fp32, int8 } }: Int8Cost) =>
  `KL ${short(kl)} nats/token from fp32 on the built-in passages, perplexity ${perplexity(fp32)} → ${perplexity(int8)}, ` +
  `${percent(sameTop)} same top token`;

/** Prints what int8 costs if the command uses it. With --quiet it is neither measured nor printed. */
export async function sayInt8(
  options: Pick<RuntimeOptions, 'precision' | 'threads'> & MemoryOptions & Pick<ModelOptions, 'quiet'>,
  model: OpenModel,
  progress: Progress,
): Promise<void> {
  if (options.precision !== 'int8' || options.quiet) return;
  progress.say(`int8 is not exact: ${model.info.ref} has ${int8Words(await costOfInt8(model, options, progress))}`);
}
