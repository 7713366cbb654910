// A prompt → its continuation, token by token.
import type { Runtime, Weights } from '../runtime/session.ts';
import { type Sampling, sample, seededRandom } from './sampling.ts';

export interface GenerateOptions {
  readonly sampling: Sampling;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Tokens that end the text; they are not part of it. */
  readonly stopIds: readonly number[];
  /** The variant's weights; the original's without them. */
  readonly weights?: Weights;
  /** Called with each new token. */
  readonly onToken?: (id: number) => void;
}

export interface Generated {
  /** The prompt and what follows it. */
  readonly ids: number[];
  readonly promptTokens: number;
  /** New tokens a second, without the time that reading the prompt took; 0 if there are none. */
  readonly tokensPerSecond: number;
}

/**
 * Continues a prompt until a stop token, `maxNewTokens`, or the end of the model's context.
 * The same seed gives the same text, whatever was generated before.
 * @throws SurgeryError `text` if the prompt alone does not fit the context
 */
export async function generate(
  runtime: Runtime,
  prompt: readonly number[],
  options: GenerateOptions,
): Promise<Generated> {
  const { sampling, seed, stopIds, onToken } = options;
  const context = runtime.checkpoint.config.contextLength;
  const capacity = Math.max(prompt.length, Math.min(prompt.length + options.maxNewTokens, context));
  const sequence = runtime.sequence(capacity, options.weights);
  const random = seededRandom(seed);
  const ids = [...prompt];
  let logits = await sequence.readToEnd(prompt);
  const start = performance.now();
  while (ids.length < capacity) {
    const next = sample(logits, ids, sampling, random);
    if (stopIds.includes(next)) break;
    ids.push(next);
    onToken?.(next);
    if (ids.length < capacity) logits = await sequence.readToEnd([next]);
  }
  const seconds = (performance.now() - start) / 1000;
  const created = ids.length - prompt.length;
  return { ids, promptTokens: prompt.length, tokensPerSecond: created > 0 ? created / seconds : 0 };
}
