// The scoring rule, as captions state it.
import type { SamplingInfo } from '../../results/shapes.ts';
import type { ScoredText } from '../../scores/likelihood.ts';
import { counted, integer, sentence } from '../format.ts';
import { hasIntervals, type Scored } from '../scores.ts';
import { promptWords, scoredUnits, textNotes } from '../terminal/text.ts';

/** "60 documents, 6,811 tokens of pocket's held-out stories" */
export function textFact(scored: ScoredText): string {
  const { cut, maxTokens, tokens, text } = scored;
  const some = cut > 0 ? `, ${integer(cut)} of them cut to ${integer(maxTokens)} tokens` : '';
  return `${scoredUnits(scored)}${some}, ${counted(tokens, 'token')} of ${text}`;
}

/** Which text was scored, and what a reader should know of it. */
export function textFacts(text: ScoredText, scored: readonly Scored['scores'][]): (readonly [string, string])[] {
  const notes = textNotes(text, hasIntervals(scored)).join(' ');
  return [['Text', textFact(text)], ...(notes ? [['Note', notes] as const] : [])];
}

/** How scores and intervals are computed. */
export function scoringFacts(
  { rule, intervalRule }: ScoredText,
  scored: readonly Scored['scores'][],
): (readonly [string, string])[] {
  return [
    ['Scoring', `${sentence(rule)}.`],
    ...(hasIntervals(scored) ? [['Intervals', `${intervalRule}.`] as const] : []),
  ];
}

/** How texts were sampled, how prompts were wrapped, and notes on the model's files. */
export function samplingRule(sampling: SamplingInfo, notes: readonly string[] = []): string {
  const { temperature, topP, topK, repetitionPenalty, seed, maxNewTokens } = sampling;
  const how = [
    `temperature ${temperature}`,
    `top-p ${topP}`,
    topK > 0 && `top-k ${topK}`,
    repetitionPenalty !== 1 && `repetition penalty ${repetitionPenalty}`,
    `seed ${seed}`,
  ];
  const rule = temperature === 0 ? 'Greedy' : `Drawn with ${how.filter(Boolean).join(', ')}`;
  return [`${rule}, at most ${counted(maxNewTokens, 'new token')}.`, ...promptWords(sampling), ...notes].join(' ');
}
