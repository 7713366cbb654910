// How much of the embedding, of the lens and of the token probe lies along the components of a basis.

import type { BasisResult, Component } from '../../../analyses/basis/result.ts';
import { itemAt } from '../../../platform/indexing.ts';
import { counted, percent } from '../../format.ts';
import { probedPoints } from '../../terminal/basis.ts';
import { type Series, withMargin } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { type Line, panelSvg } from '../panels.ts';

const share = (value: number) => percent(value, 2);
const probeColours = ['q1', 'q3', 'q5'] as const;
const shapes = ['diamond', 'triangle-down', 'cross'] as const;

/** Runs of neighbouring components that curves are of. */
const mostRuns = 16;

export async function alongFigure({
  components,
  points,
  hidden,
  text,
  rules,
  precision,
  seed,
}: BasisResult): Promise<Figure> {
  const perRun = Math.ceil(components.length / mostRuns);
  const curve = (series: Series, of: (one: Component) => number | undefined): Line => ({
    series,
    marks: inRuns(components, perRun).map((run) => {
      const [first, last] = [run[0]?.component ?? 0, run.at(-1)?.component ?? 0];
      const mean = run.reduce((sum, one) => sum + (of(one) ?? Number.NaN), 0) / run.length;
      const tip = `${first === last ? `component ${first}` : `components ${first} to ${last}, mean`}: ${share(mean)}`;
      return { x: (first + last) / 2, y: mean, tip };
    }),
  });
  const chosen = probedPoints(points);
  const embed: Series = { name: 'embedding', colour: 's6', shape: 'square' };
  const lens: Series = { name: 'unembedding (lens)', colour: 's1', shape: 'triangle-up' };
  const probes = chosen.map(
    (point, i): Series => ({
      name: `probe at ${itemAt(points, point)}`,
      colour: probeColours[i] ?? 'q0',
      shape: shapes[i] ?? 'circle',
    }),
  );
  const own = [curve(embed, ({ shares }) => shares.embed), curve(lens, ({ shares }) => shares.unembed)];
  const variants = (components[0]?.probe ?? []).map(({ variant }, i) => ({
    title: `The token probe, ${variant} model`,
    lines: probes.map((series, k) => curve(series, ({ probe }) => probe[i]?.points[itemAt(chosen, k)])),
  }));
  const drawn = [{ title: 'The vocabulary’s matrices', lines: own }, ...variants];
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
    legend: [embed, lens, ...probes],
  };
}

function inRuns<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
