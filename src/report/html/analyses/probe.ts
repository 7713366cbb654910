// Figures of probe.json: how well each point predicts its token, the probe's similarity to the embedding, and where its weight lies.
import type { ProbeResult, ProbeTask } from '../../../analyses/probe/result.ts';
import { layerRule, top1Of } from '../../findings.ts';
import { counted, percent } from '../../format.ts';
import { probeTasks } from '../../probe-columns.ts';
import type { Figure, Section } from '../figure.ts';
import type { Head } from '../header.ts';
import { bandsFigure, taskFigure } from './evaluations.ts';
import { resemblanceFigure } from './similarity.ts';
import { subspacesFigure, weightFigure } from './weights.ts';

export async function probeSections(result: ProbeResult): Promise<Section[]> {
  const input: Figure[] = [];
  const previous: Figure[] = [];
  for (const task of probeTasks) (task.label === 'input' ? input : previous).push(await taskFigure(result, task));
  return [
    {
      id: 'probe-input',
      title: 'Predicting the input token',
      lead: lead(result),
      figures: [...input, await bandsFigure(result)],
    },
    { id: 'probe-previous', title: 'Predicting the previous token', figures: previous },
    {
      id: 'probe-likeness',
      title: 'Is the probe similar to the embedding?',
      figures: [await resemblanceFigure(result, 'embed'), await resemblanceFigure(result, 'unembed')],
    },
    {
      id: 'probe-place',
      title: 'Where the input is stored',
      figures: [
        await weightFigure(result, 'embed'),
        await weightFigure(result, 'unembed'),
        await subspacesFigure(result),
      ],
    },
  ];
}

function lead({ rules, text, seed, precision }: ProbeResult): string {
  return (
    `Ridge regressions in closed form, float64, that predict a position’s token from the residual stream: ${rules.positions}. ` +
    `${counted(text.positions, 'position')}; ${rules.split}. Residuals in ${precision}, seed ${seed}. ${layerRule}`
  );
}

export function probeGlance({ variants }: ProbeResult): Head['glance'] {
  return variants.flatMap((variant) => {
    const name = variants.length > 1 ? `, ${variant.variant} model` : '';
    const last = (task: Partial<ProbeTask>) => top1Of(variant, task).at(-1)?.top1?.value;
    const card = (task: Partial<ProbeTask>, what: string) => {
      const [found, chance] = [last(task), last({ ...task, map: 'shuffled' })];
      if (found === undefined) return [];
      const baseline = chance === undefined ? '' : `; shuffled-label baseline ${percent(chance)}`;
      return [[percent(found), `${what} recovered from the last layer${name}${baseline}`] as const];
    };
    return [
      ...card({}, 'input tokens'),
      ...card({ split: 'types' }, 'input tokens of types not seen in training'),
      ...card({ label: 'previous' }, 'previous tokens'),
    ];
  });
}
