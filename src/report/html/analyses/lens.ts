// Figures of lens.json: a section for each prompt; for a text, the lens at every point, steps between points, and changes.
import type { LensResult } from '../../../analyses/lens/result.ts';
import { counted, percent } from '../../format.ts';
import { promptWords } from '../../terminal/text.ts';
import type { Section } from '../figure.ts';
import type { Head } from '../header.ts';
import { pointsFigure } from './points.ts';
import { promptSection } from './prompt.ts';
import { changesFigure, stepsFigure } from './steps.ts';

export async function lensSections(result: LensResult): Promise<Section[]> {
  const prompts: Section[] = [];
  for (const [i, prompt] of result.prompts.entries()) prompts.push(await promptSection(result, prompt, i));
  if (!result.text) return prompts;
  const { text } = result;
  return [
    ...prompts,
    { id: 'lens-depth', title: 'The lens over depth', figures: [await pointsFigure(text)] },
    { id: 'lens-steps', title: 'Steps between points', figures: [await stepsFigure(text)] },
    ...(text.variants.some(({ changes }) => changes)
      ? [{ id: 'lens-changes', title: 'Changes by the operation', figures: [await changesFigure(text)] }]
      : []),
  ];
}

export function lensGlance({ text }: LensResult): Head['glance'] {
  const [original] = text?.variants ?? [];
  const [first, ...later] = original?.steps ?? [];
  const after = original?.points[1];
  if (!first?.cosine || !after?.sameTop || later.length === 0) return [];
  const others = later.flatMap(({ cosine }) => cosine?.mean ?? []);
  return [
    [
      first.cosine.mean.toFixed(3),
      `cosine from ${first.from} to ${first.to}; of later steps ${Math.min(...others).toFixed(3)} to ${Math.max(...others).toFixed(3)}`,
    ],
    [percent(after.sameTop.mean), `of positions whose final token the lens ranks first at point ${after.point}`],
  ];
}

/** "200 documents of at most 512 tokens of stories.txt, 22,487 positions" */
export function lensRead(result: LensResult): string {
  const { prompts, text, notes = [] } = result;
  return [
    prompts.length > 0 && [counted(prompts.length, 'prompt'), ...promptWords(result), ...notes].join('. '),
    text &&
      `${counted(text.documents, 'document')} of at most ${text.maxTokens} tokens of ${text.text}, ${counted(text.positions, 'position')}`,
  ]
    .filter(Boolean)
    .join('; ');
}
