// How much of the embedding, of the lens and of the token probe lies along the components of a basis.

import type { BasisResult, Component } from '../../../analyses/basis/result.ts';
import { itemAt } from '../../../platform/indexing.ts';
import { type ShareColumn, shareColumns } from '../../basis-columns.ts';
import { counted, percent } from '../../format.ts';
import { type Series, withMargin } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { type Line, panelSvg } from '../panels.ts';

const share = (value: number) => percent(value, 2);
const matrixLooks: readonly Omit<Series, 'name'>[] = [
  { colour: 's6', shape: 'square' },
  { colour: 's1', shape: 'triangle-up' },
];
const probeLooks: readonly Omit<Series, 'name'>[] = [
  { colour: 'q1', shape: 'diamond' },
  { colour: 'q3', shape: 'triangle-down' },
  { colour: 'q5', shape: 'cross' },
];

/** Runs of neighbouring components that curves are of. */
const mostRuns = 16;

export async function alongFigure(result: BasisResult): Promise<Figure> {
  const { components, hidden, text, rules, precision, seed } = result;
  const perRun = Math.ceil(components.length / mostRuns);
  const curve = (series: Series, of: (one: Component) => number): Line => ({
    series,
    marks: inRuns(components, perRun).map((run) => {
      const numbers = run.map(({ component }) => component);
      const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
      const mean = run.reduce((sum, one) => sum + of(one), 0) / run.length;
      const tip = `${first === last ? `component ${first}` : `components ${first} to ${last}, mean`}: ${share(mean)}`;
      return { x: (first + last) / 2, y: mean, tip };
    }),
  });
  const { matrices, probes } = shareColumns(result);
  const linesOf = (columns: readonly ShareColumn[], looks: readonly Omit<Series, 'name'>[]) =>
    columns.map(({ name, of }, i) => curve({ name, ...itemAt(looks, i) }, of));
  const drawn = [
    { title: 'The vocabulary’s matrices', lines: linesOf(matrices, matrixLooks) },
    ...probes.map(({ variant, columns }) => ({
      title: `The token probe, ${variant} model`,
      lines: linesOf(columns, probeLooks),
    })),
  ];
  const all = drawn.flatMap(({ lines }) => lines.flatMap(({ marks }) => marks.map(({ y }) => y)));
  const domain = withMargin([...all, 1 / hidden].filter((value) => Number.isFinite(value) && value > 0));
  const panels = [];
  for (const { title, lines } of drawn) {
    const svg = await panelSvg({
      about: `${title}: shares along the components; the numbers are in the table of components`,
      x: { label: 'component', format: 'd' },
      y: { label: 'share of squared norm', log: true, format: '~p', domain },
      lines,
      rules: [{ y: 1 / hidden, label: 'chance' }],
      size: [340, 190],
    });
    panels.push({ title, svg });
  }
  return {
    title: 'Shares of each map along the components',
    caption:
      `Logarithmic y axis${perRun > 1 ? `, means of ${perRun} neighbouring components` : ''}; dotted: the chance level, a map unrelated to the basis. Probe: the ridge regression that predicts ` +
      `the token itself, from ${counted(text.positions, 'position')}: ${rules.positions}, ${precision}; ${rules.split}. Seed ${seed}. Each component: the table above.`,
    notShown:
      'Directions that are not orthogonal, as those of nmf and of dictionaries, overlap: their shares may sum to more than 1.',
    panels,
    legend: drawn.slice(0, 2).flatMap(({ lines }) => lines.map(({ series }) => series)),
  };
}

function inRuns<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
