// The scoring rule, as captions state it.
import type { CalibrationInfo, SamplingInfo } from '../../results/shapes.ts';
import type { ScoredText } from '../../scores/likelihood.ts';
import { unitsText } from '../findings.ts';
import { counted, sentence } from '../format.ts';
import { hasIntervals, type Scored } from '../scores.ts';
import {
  calibrationNotes,
  calibrationText,
  cutText,
  leakText,
  promptWords,
  samplingText,
  textNotes,
} from '../terminal/text.ts';
import type { Section } from './figure.ts';

/** "60 documents, 6,811 tokens of pocket's held-out stories" */
export function textFact(scored: ScoredText): string {
  const { cut, tokens, text } = scored;
  const some = cut > 0 ? `${cutText(scored)} tokens` : '';
  return `${unitsText(scored)}${some}, ${counted(tokens, 'token')} of ${text}`;
}

/** Which text was scored, and what a reader should know of it. */
export function textFacts(text: ScoredText, scored: readonly Scored['scores'][]): (readonly [string, string])[] {
  const notes = textNotes(text, scored).join(' ');
  return [['Text', textFact(text)], ...(notes ? [['Note', notes] as const] : [])];
}

/** What operations were fitted to, and what a reader should know of it. */
export function calibrationFacts(calibration: CalibrationInfo | undefined): (readonly [string, string])[] {
  if (!calibration) return [];
  return [
    ['Fitted to', calibrationText(calibration)],
    ...calibrationNotes(calibration).map((note) => ['Note', note] as const),
  ];
}

/** Sections whose figures all say that the scored text was calibrated on, where it was. */
export function withLeak(sections: readonly Section[], calibration: CalibrationInfo | undefined): readonly Section[] {
  const leak = leakText(calibration);
  if (leak === undefined) return sections;
  return sections.map(({ figures, ...section }) => ({
    ...section,
    figures: figures.map((figure) => ({ ...figure, caption: `${figure.caption} ${leak}`.trim() })),
  }));
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
  const how = samplingText(sampling);
  const rule = sampling.temperature === 0 ? sentence(how) : `Drawn with ${how}`;
  return [`${rule}, at most ${counted(sampling.maxNewTokens, 'new token')}.`, ...promptWords(sampling), ...notes].join(
    ' ',
  );
}
