// From logits to the next token: repetition penalty, temperature, top-k, top-p, and a seeded random draw.
import { itemAt } from '../platform/indexing.ts';
import { requireFinite } from '../scores/logits.ts';

export interface Sampling {
  /** 0 is greedy: the most likely token, with ties to the lowest id. */
  readonly temperature: number;
  /** Keep the most likely tokens whose probabilities first sum to this; 1 keeps all. */
  readonly topP: number;
  /** Keep this many of the most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Logits of tokens that occurred are divided by this if positive, multiplied if negative; 1 does nothing (CTRL). */
  readonly repetitionPenalty: number;
}

/** Greedy decoding. */
export const greedy: Sampling = { temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1 };

/**
 * The next token. The order of the steps is that of transformers: penalty, temperature, top-k, top-p.
 * @param logits (vocab), left as they are
 * @param seen ids so far, for the repetition penalty
 */
export function sample(
  logits: Float32Array,
  seen: readonly number[],
  sampling: Sampling,
  random: () => number,
): number {
  const scores = penalise(logits, seen, sampling.repetitionPenalty);
  requireFinite(scores[argmax(scores)]);
  if (sampling.temperature === 0) return argmax(scores);
  const candidates = likeliest(softmax(scores, sampling.temperature), sampling);
  const total = candidates.reduce((sum, { probability }) => sum + probability, 0);
  let left = random() * total;
  for (const { id, probability } of candidates) {
    left -= probability;
    if (left < 0) return id;
  }
  return itemAt(candidates, candidates.length - 1).id;
}

/** Index of the largest value, the first of equals. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

function penalise(logits: Float32Array, seen: readonly number[], penalty: number): Float32Array {
  if (penalty === 1) return logits;
  const out = logits.slice();
  for (const id of new Set(seen)) {
    const logit = logits[id] as number;
    out[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
  return out;
}

function softmax(scores: Float32Array, temperature: number): Float64Array {
  const largest = scores[argmax(scores)] as number;
  const weights = Float64Array.from(scores, (score) => Math.exp((score - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Tokens that top-k and top-p leave, most likely first, lower ids first among equals. */
function likeliest(probabilities: Float64Array, { topK, topP }: Sampling): { id: number; probability: number }[] {
  // A token below this cannot belong to the nucleus: all such together fall short of what the nucleus may leave out.
  const least = topP < 1 && topK === 0 ? (1 - topP) / probabilities.length : 0;
  const candidates: { id: number; probability: number }[] = [];
  for (let id = 0; id < probabilities.length; id++) {
    const probability = probabilities[id] as number;
    if (probability >= least && probability > 0) candidates.push({ id, probability });
  }
  candidates.sort((a, b) => b.probability - a.probability || a.id - b.id);
  const kept = topK > 0 ? candidates.slice(0, topK) : candidates;
  const mass = topK > 0 ? kept.reduce((sum, { probability }) => sum + probability, 0) : 1;
  let sum = 0;
  const end = kept.findIndex(({ probability }) => {
    sum += probability;
    return sum >= topP * mass;
  });
  return topP < 1 && end >= 0 ? kept.slice(0, end + 1) : kept;
}
