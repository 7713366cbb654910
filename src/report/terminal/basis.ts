import type { BasisResult, Component, DictionaryReport } from '../../analyses/basis/result.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import { basisWords, layerRule, readWords } from '../findings.ts';
import { counted, integer, labelled, percent, table, wrap } from '../format.ts';
import { screenWidth } from '../screen.ts';
import { isolated, tokenText } from '../tokens.ts';
import { type LineChart, lineChart } from './line-chart.ts';
import { modelText } from './text.ts';

/** Components in the table; basis.json holds all. */
const shown = 16;

/**
 * @param full whether all tables are wanted
 * @param output the folder that the result was written to
 */
export function basisText(result: BasisResult, full: boolean, output?: string, width = screenWidth()): string {
  const { model, recipe, components, text } = result;
  const more = components.length > shown ? `, the first ${shown} of ${integer(components.length)}` : '';
  const title = `Basis of ${result.rules.matrix}: ${result.rules.basis}${more}. Share in %; uniform baseline ${percent(1 / result.hidden, 2)}`;
  const parts = [
    [
      modelText(model),
      recipe && labelled('Operation', describeRecipe(recipe, model.layers), width),
      labelled('Text', readWords(text, text.positions), width),
    ]
      .filter(Boolean)
      .join('\n'),
    labelled('Result', basisWords(result).join(' '), width),
    `${wrap(title, width)}\n${componentTable(result, width)}`,
    ...(full
      ? [
          `Reconstruction error\n${reconstructionTable(result)}`,
          result.dictionary && dictionaryText(result.dictionary),
          lineChart(reconstructionChart(result)),
        ]
      : []),
    `${rulesText(result, width)}${full ? '' : '\n--full prints all tables.'}`,
    output !== undefined && `Written    ${output}`,
  ];
  return isolated(parts.filter(Boolean).join('\n\n'));
}

function componentTable({ components, points, method }: BasisResult, width: number): string {
  const chosen = probedPoints(points);
  const variants = components[0]?.probe.map(({ variant }) => variant) ?? [];
  const head = [
    '',
    method === 'frequency' ? 'from; nearest' : 'nearest tokens',
    'embed',
    'lens',
    ...variants.flatMap((variant) =>
      chosen.map((point) => `${variant === 'operated' ? "probe' " : 'probe '}${itemAt(points, point)}`),
    ),
  ];
  const rows = components
    .slice(0, shown)
    .map(({ component, from, fromShown, nearest, shares, probe }) => [
      String(component),
      [
        ...(from === undefined ? [] : [`${tokenText({ token: from, shown: fromShown })};`]),
        ...nearest.slice(0, 4).map(tokenText),
      ].join(' '),
      cell(shares.embed),
      cell(shares.unembed),
      ...probe.flatMap((one) => chosen.map((point) => cell(itemAt(one.points, point)))),
    ]);
  const text = table(head, `rl${'r'.repeat(head.length - 2)}`, rows, width);
  return variants.includes('operated') ? `${text}\nprobe' is the operated model's` : text;
}

/** The layers whose probes are shown: after the first block, in the middle, the last. */
export function probedPoints(points: readonly string[]): number[] {
  return [...new Set([1, Math.floor(points.length / 2), points.length - 1])];
}

const cell = (share: number) => (share * 100).toFixed(2);

function reconstructionTable({ reconstruction }: BasisResult): string {
  const rows = reconstruction.map(({ components, error }) => [integer(components), percent(error, 2)]);
  return table(['components', 'squared error'], 'rr', rows);
}

function dictionaryText({ sparsity, limits, coherence, random }: DictionaryReport): string {
  const mean = (of: (draw: (typeof random)[number]) => number) =>
    random.reduce((sum, draw) => sum + of(draw), 0) / random.length;
  const rows = [
    ['largest |cosine|', coherence.largest.toFixed(3), mean((draw) => draw.largest).toFixed(3)],
    ['mean |cosine|', coherence.mean.toFixed(3), mean((draw) => draw.mean).toFixed(3)],
    ...limits.flatMap((limit, i) => [
      [`pairs within ${limit}`, percent(itemAt(coherence.pairs, i)), percent(mean((draw) => itemAt(draw.pairs, i)))],
      [
        `atoms all within ${limit}`,
        integer(itemAt(coherence.independent, i)),
        mean((draw) => itemAt(draw.independent, i)).toFixed(1),
      ],
    ]),
  ];
  return [
    `Error by atoms per token\n${table(
      ['atoms', 'squared error'],
      'rr',
      sparsity.map(({ atoms, error }) => [integer(atoms), percent(error, 2)]),
    )}`,
    `Coherence of the atoms (random: mean of ${random.length} draws)\n${table(['', 'atoms', 'random'], 'lrr', rows)}`,
  ].join('\n\n');
}

function rulesText({ rules, seed, sparsity, precision }: BasisResult, width: number): string {
  const atoms = sparsity === undefined ? '' : `, ${counted(sparsity, 'atom')} per token`;
  return wrap(
    `${layerRule} Columns centred; squared error over the squared norm${atoms}. Lens: the unembedding with the final norm's ` +
      `weight in it. Probe: the ridge regression that predicts the token itself: ${rules.positions}, ${precision}; ` +
      `${rules.split}. Seed ${seed}.`,
    width,
  );
}

function reconstructionChart({ method, reconstruction }: BasisResult): LineChart {
  return {
    title: 'Reconstruction error',
    x: { label: 'components', log: true },
    y: { label: 'squared error' },
    series: [{ name: method, points: reconstruction.map(({ components: x, error: y }) => ({ x, y })) }],
  };
}

/** Reconstruction over size, and the shares of each map along the components. */
export function basisCharts(result: BasisResult): LineChart[] {
  const { components, points } = result;
  const last = points.length - 1;
  const curve = (name: string, of: (one: Component) => number) => ({
    name,
    points: components.map((one) => ({ x: one.component, y: of(one) * 100 })),
  });
  const probes = components[0]?.probe.map(({ variant }, i) => {
    const named = (components[0]?.probe.length ?? 0) > 1 ? `, ${variant}` : '';
    return curve(`probe at ${itemAt(points, last)}${named}`, (one) => one.probe[i]?.points[last] ?? 0);
  });
  return [
    reconstructionChart(result),
    {
      title: 'Shares along the components',
      x: { label: 'component' },
      y: { label: 'share, %', log: true },
      series: [
        curve('embedding', ({ shares }) => shares.embed),
        curve('lens', ({ shares }) => shares.unembed),
        ...(probes ?? []),
      ],
    },
  ];
}
