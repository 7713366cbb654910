// How likely a model finds each token of a continuation, its own or another model's.

import { itemAt } from '../platform/indexing.ts';
import { logProbability, requireFinite } from '../scores/logits.ts';
import type { Model } from '../scores/model.ts';

/**
 * Log-probability of each token from position `from` on, given all before it: nats, to four decimals. Of the model's own
 * distribution, whatever temperature and nucleus the text was drawn with. One forward pass, apart from all others, so that
 * the figures do not depend on what else is generated.
 * @param ids a prompt and what follows it
 * @param from tokens of the prompt, at least 1
 * @throws SurgeryError `numeric` for logits that are not finite
 */
export async function continuationLogprobs(
  { runtime, weights }: Model,
  ids: readonly number[],
  from: number,
): Promise<number[]> {
  if (ids.length <= from) return [];
  const vocab = runtime.config.vocabSize;
  const found: number[] = [];
  let position = 0;
  for await (const logits of runtime.sequence(ids.length, weights).readAll(ids.slice(0, -1))) {
    for (let at = 0; at < logits.length; at += vocab) {
      position++;
      if (position < from) continue;
      const value = requireFinite(logProbability(logits.subarray(at, at + vocab), itemAt(ids, position)));
      found.push(Math.round(value * 1e4) / 1e4 + 0); // + 0: no −0
    }
  }
  return found;
}
