import type { BasisResult, DictionaryReport } from '../../analyses/basis/result.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import { coherenceRows, shareColumns } from '../basis-columns.ts';
import { basisWords, layerRule, readWords } from '../findings.ts';
import { counted, integer, labelled, percent, table, wrap } from '../format.ts';
import { screenWidth } from '../screen.ts';
import { isolated, tokenText } from '../tokens.ts';
import { type LineChart, lineChart } from './line-chart.ts';
import { calibrationLines, modelText } from './text.ts';

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
      ...calibrationLines(result.calibration, width),
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

function componentTable(result: BasisResult, width: number): string {
  const { components, method } = result;
  const columns = shareColumns(result).all;
  const head = ['', method === 'frequency' ? 'from; nearest' : 'nearest tokens', ...columns.map(({ label }) => label)];
  const rows = components
    .slice(0, shown)
    .map((component) => [
      String(component.component),
      [
        ...(component.from === undefined
          ? []
          : [`${tokenText({ token: component.from, shown: component.fromShown })};`]),
        ...component.nearest.slice(0, 4).map(tokenText),
      ].join(' '),
      ...columns.map(({ of }) => (of(component) * 100).toFixed(2)),
    ]);
  const text = table(head, `rl${'r'.repeat(columns.length)}`, rows, width);
  return head.some((label) => label.startsWith("probe'")) ? `${text}\nprobe' is the operated model's` : text;
}

function reconstructionTable({ reconstruction }: BasisResult): string {
  const rows = reconstruction.map(({ components, error }) => [integer(components), percent(error, 2)]);
  return table(['components', 'squared error'], 'rr', rows);
}

function dictionaryText(dictionary: DictionaryReport): string {
  const { sparsity, random } = dictionary;
  const rows = coherenceRows(dictionary).map(({ name, atoms, random: chance, show }) => [
    name,
    show(atoms),
    show(chance),
  ]);
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
  const { components } = result;
  const { matrices, probes } = shareColumns(result);
  const lastOf = probes.map(({ variant, columns }) => {
    const last = itemAt(columns, columns.length - 1);
    return { ...last, name: probes.length > 1 ? `${last.name}, ${variant}` : last.name };
  });
  return [
    reconstructionChart(result),
    {
      title: 'Shares along the components',
      x: { label: 'component' },
      y: { label: 'share, %', log: true },
      series: [...matrices, ...lastOf].map(({ name, of }) => ({
        name,
        points: components.map((one) => ({ x: one.component, y: of(one) * 100 })),
      })),
    },
  ];
}
