// Figures of lens.json: a section for each prompt; for a text, the lens at every point, steps between layers, and changes.
import type { LensResult, PromptLens } from '../../../analyses/lens/result.ts';
import { firstOfRest, readWords } from '../../findings.ts';
import { counted, figure, percent } from '../../format.ts';
import { promptWords } from '../../terminal/text.ts';
import { tokensOf } from '../../tokens.ts';
import type { Section } from '../figure.ts';
import type { Head } from '../header.ts';
import { pointsFigure } from './points.ts';
import { promptSection } from './prompt.ts';
import { spelledOut } from './spelled.ts';
import { changesFigure, stepsFigure } from './steps.ts';

export async function lensSections(result: LensResult): Promise<Section[]> {
  const prompts: Section[] = [];
  for (const [i, prompt] of result.prompts.entries()) prompts.push(await promptSection(result, prompt, i));
  if (!result.text) return prompts;
  const { text } = result;
  return [
    ...prompts,
    { id: 'lens-depth', title: 'The lens over depth', figures: [await pointsFigure(text)] },
    { id: 'lens-steps', title: 'Steps between layers', figures: [await stepsFigure(text)] },
    ...(text.variants.some(({ changes }) => changes)
      ? [{ id: 'lens-changes', title: 'Changes by the operation', figures: [await changesFigure(text)] }]
      : []),
  ];
}

export function lensGlance(result: LensResult): Head['glance'] {
  return [...result.prompts.slice(0, 2).flatMap((prompt) => promptGlance(result, prompt)), ...textGlance(result)];
}

/** The model's prediction after the prompt, and the first layer where the lens ranks it first. */
function promptGlance({ points, prompts }: LensResult, prompt: PromptLens): Head['glance'] {
  const last = tokensOf(prompt).at(-1);
  const which = prompts.length > 1 ? `prompt ${prompts.indexOf(prompt) + 1}, ` : '';
  return prompt.variants.flatMap(({ variant, cells }) => {
    const after = cells.map((row) => row.at(-1));
    const top = after.at(-1)?.top[0];
    if (!last || !top) return [];
    const model = prompt.variants.length > 1 ? `, ${variant} model` : '';
    const first = points[firstOfRest(after.map((cell) => cell?.rankFinal === 1))];
    const where = first === points.at(-1) ? `only at the last layer, ${first}` : `from layer ${first} on`;
    return [
      [
        `${spelledOut(top)} ${percent(top.probability)}`,
        `${which}predicted after “${spelledOut(last)}”${model}; first in the lens ${where}`,
      ] as const,
    ];
  });
}

function textGlance({ text }: LensResult): Head['glance'] {
  const [original, operated] = text?.variants ?? [];
  const [first, ...later] = original?.steps ?? [];
  const after = original?.points[1];
  if (!first?.cosine || !after?.sameTop || later.length === 0) return [];
  const others = later.flatMap(({ cosine }) => cosine?.mean ?? []);
  const change = operated?.changes?.at(-1)?.kl;
  return [
    [percent(after.sameTop.mean), `of positions whose final token the lens ranks first at layer ${after.point}`],
    [
      first.cosine.mean.toFixed(3),
      `cosine of layers ${first.from} and ${first.to}; of later neighbours ${Math.min(...others).toFixed(3)} to ${Math.max(...others).toFixed(3)}`,
    ],
    ...(change
      ? [[`${figure(change.mean)} bits`, 'KL from the original at the last layer, operated model'] as const]
      : []),
  ];
}

/** "1 prompt; 200 documents of stories.txt, 22,487 positions", with how the prompts were read. */
export function lensRead(result: LensResult): string {
  const { prompts, text, notes = [] } = result;
  return [
    prompts.length > 0 && [`${counted(prompts.length, 'prompt')}.`, ...promptWords(result), ...notes].join(' '),
    text && readWords(text, text.positions),
  ]
    .filter(Boolean)
    .join(' ');
}
