// What a study compares: matched pairs, controls, the directions of k and v.
import { itemAt } from '../../platform/indexing.ts';
import type { AngleResult, PairResult, Study } from '../../results/study.ts';
import { type Cells, cellName, fitControlWords, fitPairWords, pairsTitle, roundingWords } from '../cells.ts';
import { short, signed, withInterval } from '../format.ts';
import { withIntervalMark } from '../scores.ts';
import { verdict } from '../terminal/study.ts';
import type { Series } from './axes.ts';
import type { Figure, Section } from './figure.ts';
import { forestSvg } from './forest.ts';
import { panelSvg } from './panels.ts';
import { controlsTable } from './study-tables.ts';
import { type DataTable, number } from './table.ts';

/** Rows that one chart of differences takes; the table has them all. */
const mostRows = 60;

const outcomes = {
  cell: { name: 'the shared (or spread) cell is better', colour: 's0', shape: 'circle' },
  partner: { name: 'its partner is better', colour: 's1', shape: 'square' },
  open: { name: 'no measurable difference, or too few documents to tell', colour: 's7', shape: 'diamond' },
} as const satisfies Record<string, Series>;

export async function comparisonsSection(study: Study, cells: Cells): Promise<Section> {
  const figures = [
    await pairsFigure([{ study, cells }]),
    study.controls.length > 0 ? controlsFigure(study, cells) : undefined,
    study.angles.length > 0 ? await anglesFigure(study.angles) : undefined,
  ];
  return {
    id: 'comparisons',
    title: study.pairs.length > 0 ? pairsTitle(study) : 'Comparisons',
    figures: figures.filter((each) => each !== undefined),
  };
}

/** A study, and the prefix of its cells' names where there are several. */
export interface Paired {
  readonly label?: string;
  readonly study: Study;
  readonly cells: Cells;
}

/** A pair whose cells are both there. */
function known({ label, study, cells }: Paired) {
  return study.pairs.flatMap((pair) => {
    const [cell, partner] = [cells.get(pair.cell), cells.get(pair.partner)];
    if (!cell || !partner || !pair.difference) return [];
    const names = pair.rule === 'allocate' ? (['global', 'uniform'] as const) : (['shared', 'separate'] as const);
    return [
      {
        ...pair,
        label,
        name: cellName(cell, study),
        cell,
        partner,
        better: verdict(pair.difference, pair.met, names, study.text),
        difference: pair.difference,
      },
    ];
  });
}

export async function pairsFigure(studies: readonly Paired[]): Promise<Figure | undefined> {
  // Rules together, each from the most kept to the least.
  const order: readonly string[] = ['width', 'parameters', 'error', 'rank', 'variance', 'allocate'];
  const pairs = studies.flatMap((one) => known(one).sort((a, b) => order.indexOf(a.rule) - order.indexOf(b.rule)));
  if (pairs.length === 0) return undefined;
  const rows = pairs.slice(0, mostRows).map(({ label, rule, name, difference, better }) => ({
    name: `${label === undefined ? '' : `${label}, `}equal ${rule}: ${name}`,
    x: difference.deltaNll,
    ...(difference.interval ? { low: difference.interval[0], high: difference.interval[1] } : {}),
    series:
      better === 'shared' || better === 'global'
        ? outcomes.cell
        : better === 'separate' || better === 'uniform'
          ? outcomes.partner
          : outcomes.open,
    tip: `equal ${rule}: ${name}\nΔnll ${withInterval(difference.deltaNll, difference.interval)}\nΔKL ${signed(difference.deltaKl)}`,
  }));
  const svg = await forestSvg({
    about: 'Differences of pairs in nats per token; the table holds the numbers',
    x: { label: 'ΔNLL of the cell minus its partner, nats per token' },
    rows,
    at: 0,
    linearWithin: 0.01,
  });
  const rest =
    pairs.length > mostRows ? `The first ${mostRows} of ${pairs.length} are shown; the table lists all. ` : '';
  return {
    title: 'Pairs on the same documents: a cell minus its partner',
    caption:
      `Below 0 the cell is better, above 0 its partner (separate, or with uniform ranks). Linear within ±0.01, logarithmic beyond. ` +
      `${rows.some((row) => 'low' in row) ? 'Error bars: 95 % intervals of the paired difference. ' : ''}${rest}` +
      'Equal width: the same width in every layer. Equal parameters: at most as many parameters, rank × (in + Σ out). Equal error: at most the same ' +
      `Frobenius error over the projections that share a PCA. Equal variance: the same threshold.${fitPairWords(pairs)}`,
    scored: true,
    ...(pairs.some(({ rule }) => rule === 'variance' || rule === 'rank')
      ? {
          notShown:
            'Pairs of equal variance or equal rank do not have equal budgets: the table has the widths of both. ' +
            'At equal width a shared fit never has the larger weight error, at equal rank of each matrix never the smaller: these are different questions.',
        }
      : {}),
    panels: [{ svg }],
    layout: 'one',
    legend: Object.values(outcomes),
    table: pairsTable(pairs),
  };
}

function pairsTable(pairs: ReturnType<typeof known>): DataTable {
  const intervals = pairs.map(({ difference }) => difference.interval);
  const isLabelled = pairs.some(({ label }) => label !== undefined);
  return {
    name: 'pairs',
    about: 'Pairs and their differences',
    head: [
      ...(isLabelled ? ['study'] : []),
      'equal',
      'cell',
      '>width',
      '>partner’s',
      withIntervalMark('ΔNLL', intervals),
      `>${withIntervalMark(
        'ΔKL',
        pairs.map(({ difference }) => difference.intervalKl),
      )}`,
      'better',
    ],
    rows: pairs.map(({ label = '', rule, name, cell, partner, difference, better }) => [
      ...(isLabelled ? [label] : []),
      rule,
      name,
      number(cell.footprint?.width ?? undefined, (width) => width.toFixed(1)),
      number(partner.footprint?.width ?? undefined, (width) => width.toFixed(1)),
      number(difference.deltaNll, (value) => withInterval(value, difference.interval), difference.interval),
      number(difference.deltaKl, (value) => withInterval(value, difference.intervalKl), difference.intervalKl),
      better,
    ]),
  };
}

/** How many pairs of each rule went which way, in the order of the rules. */
export function pairCounts(
  study: Study,
  cells: Cells,
): { rule: string; count: number; cell: number; partner: number }[] {
  const pairs = known({ study, cells });
  const rules: PairResult['rule'][] | string[] = [...new Set(pairs.map(({ rule }) => rule))];
  return rules.map((rule) => {
    const own = pairs.filter((pair) => pair.rule === rule);
    const cell = own.filter(({ better }) => better === 'shared' || better === 'global').length;
    const partner = own.filter(({ better }) => better === 'separate' || better === 'uniform').length;
    return { rule, count: own.length, cell, partner };
  });
}

function controlsFigure(study: Study, cells: Cells): Figure {
  return {
    title: 'Controls',
    caption:
      `none: unchanged weights, must be exactly 0. full-rank: all components, so ${roundingWords(study)}. ` +
      'random-subspace: the same number of random directions of the row space. noise: Gaussian noise with the norm of each projection’s error. ' +
      'other-layer: k shares a basis with the v of the next layer. Seed 0. ' +
      `If a control does as well as its cell, the cell is not evidence.${fitControlWords(study, cells)}`,
    scored: true,
    panels: [],
    table: controlsTable(study, cells),
    open: true,
  };
}

async function anglesFigure(angles: readonly AngleResult[]): Promise<Figure> {
  const own: Series = { name: 'k and v', colour: 's0', shape: 'circle' };
  const random: Series = { name: 'random subspaces', colour: 'c0' };
  const layers = angles.map(({ layer }) => layer);
  const panels = [];
  for (const variance of [...new Set(angles.map((angle) => angle.variance))]) {
    const at = angles.filter((angle) => angle.variance === variance);
    const svg = await panelSvg({
      about: `Agreement of the directions of k and v over the layers at variance ${variance}; the table holds the numbers`,
      x: { label: 'layer', format: 'd', domain: [Math.min(...layers), Math.max(...layers)] },
      y: { label: 'mean cos²', domain: [0, 1], ticks: 3 },
      lines: [
        {
          series: own,
          marks: at.map(({ layer, meanSquaredCosine, dimensions }) => ({
            x: layer,
            y: meanSquaredCosine,
            tip: `layer ${layer}, ${dimensions.join(' : ')} dimensions\nmean cos² ${short(meanSquaredCosine)}`,
          })),
        },
      ],
      bands: [
        {
          series: random,
          edge: at.map(({ layer, random: { mostMeanSquaredCosine } }) => ({
            x: layer,
            low: 0,
            high: mostMeanSquaredCosine,
          })),
          tip: 'up to the largest of the random draws',
        },
      ],
      size: [128, 92],
    });
    panels.push({ title: `variance ${variance}`, svg });
  }
  return {
    title: 'Do k and v read the same directions of the residual stream?',
    caption: `Mean squared cosine of the principal angles between their leading row spaces, by layer; 1 means the same space. Band: up to the largest of ${itemAt(angles, 0).random.draws} pairs of random subspaces of the same dimensions, seed 0.`,
    notShown: 'Agreement of directions does not show how the model uses them; the loss from sharing is measured above.',
    panels,
    layout: 'small',
    legend: [own, random],
    table: anglesTable(angles),
  };
}

function anglesTable(angles: readonly AngleResult[]): DataTable {
  return {
    name: 'angles',
    about: 'Principal angles between k and v',
    head: ['>layer', '>variance', 'k : v', '>mean cos²', '>random', '>most random', '>largest cos', '>largest random'],
    rows: angles.map(({ layer, variance, dimensions, meanSquaredCosine, largestCosine, random }) => [
      number(layer, String),
      number(variance, String),
      dimensions.join(' : '),
      number(meanSquaredCosine, short),
      number(random.meanSquaredCosine, short),
      number(random.mostMeanSquaredCosine, short),
      number(largestCosine, short),
      number(random.largestCosine, short),
    ]),
  };
}
