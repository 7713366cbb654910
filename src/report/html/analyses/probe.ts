// Figures of probe.json: how well each point predicts its token, the probe's similarity to the embedding, and where its weight lies.
import type { ProbeResult } from '../../../analyses/probe/result.ts';
import { layerRule, readingAt } from '../../findings.ts';
import { counted, percent } from '../../format.ts';
import type { Figure, Section } from '../figure.ts';
import type { Head } from '../header.ts';
import { resemblanceFigure } from './likeness.ts';
import { bandsFigure, readingFigure, readingTasks } from './readings.ts';
import { partsFigure, weightFigure } from './weights.ts';

export async function probeSections(result: ProbeResult): Promise<Section[]> {
  const input: Figure[] = [];
  const previous: Figure[] = [];
  for (const task of readingTasks) (task.label === 'input' ? input : previous).push(await readingFigure(result, task));
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
      figures: [await weightFigure(result, 'embed'), await weightFigure(result, 'unembed'), await partsFigure(result)],
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
  return variants.flatMap(({ variant, points }) => {
    const last = points.at(-1);
    const found = readingAt(last?.readings ?? [], {
      map: 'probe',
      label: 'input',
      split: 'positions',
      target: 'embedding',
    });
    const chance = readingAt(last?.readings ?? [], {
      map: 'shuffled',
      label: 'input',
      split: 'positions',
      target: 'embedding',
    });
    if (!found || !chance) return [];
    const name = variants.length > 1 ? `, ${variant} model` : '';
    return [
      [
        percent(found.top1.value),
        `input tokens recovered from the last layer${name}; shuffled-label baseline ${percent(chance.top1.value)}`,
      ] as const,
    ];
  });
}
