// Spectra as small multiples, one panel per layer, and the ranks kept.

import type { SpectrumCurve } from '../../operations/pca/curves.ts';
import type { LayerReport } from '../../operations/pca/report.ts';
import { keptText } from '../../operations/pca/words.ts';
import { itemAt } from '../../platform/indexing.ts';
import { rangesText } from '../../platform/option-values.ts';
import type { CellResult } from '../../results/study.ts';
import { layersOf, pcaOf, projectionErrors } from '../cells.ts';
import { percent } from '../format.ts';
import { errorText, worseMark, worseNote } from '../scores.ts';
import { groupClass } from '../terminal/text.ts';
import type { Series } from './axes.ts';
import type { Figure, Section } from './figure.ts';
import { type Line, type Mark, panelSvg } from './panels.ts';
import { type Cell, type DataTable, number } from './table.ts';

const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross'] as const;

/**
 * Spectra, and the ranks of the cells that are PCAs.
 * @param kept ranks to be marked on the spectra
 */
export async function weightsSection(
  curves: readonly SpectrumCurve[],
  cells: readonly CellResult[],
  kept: readonly LayerReport[] = [],
): Promise<Section> {
  const shown = cells.flatMap((cell) => {
    const operation = pcaOf(cell);
    return operation ? [{ operation, layers: layersOf(cell) }] : [];
  });
  const thresholds = [...new Set(shown.flatMap(({ operation: { variance } }) => variance ?? []))];
  const sets = shown.map(({ operation, layers }) => ({
    panel: [operation.mode, operation.allocate === 'global' && 'spread'].filter(Boolean).join(', '),
    line: `${keptText(operation)}${operation.mean === 'drop' ? ', mean dropped' : ''}`,
    layers,
  }));
  const figures = [await spectraFigure(curves, thresholds, kept), await ranksFigure(sets)];
  return { id: 'weights', title: 'Weights', figures: figures.filter((each) => each !== undefined) };
}

/** Points of a curve that the table shows, by the share of the components: about 2, 7, 13, 23, 49 and 76 %. */
const sampledShares = [2, 4, 6, 9, 15, 20].map((point) => (point / 24) ** 1.5);

/**
 * How the variance of each group adds up over its components, by layer, with the thresholds as lines.
 * @param kept ranks that were chosen, to be marked on the curves
 */
async function spectraFigure(
  curves: readonly SpectrumCurve[],
  thresholds: readonly number[],
  kept: readonly LayerReport[] = [],
): Promise<Figure | undefined> {
  if (curves.length === 0) return undefined;
  const series = groupSeries(curves.map(({ group }) => group));
  const places = [...new Set(curves.map(({ layers }) => layers.join()))];
  const panels = [];
  for (const place of places) {
    const own = curves.filter(({ layers }) => layers.join() === place);
    const lines: Line[] = own.flatMap((curve) => {
      const of = series.get(groupClass(curve.group));
      return of ? [lineOf(curve, of), ...keptMarks(curve, of, kept)] : [];
    });
    const name = own[0] && own[0].layers.length > 1 ? `layers ${rangesText(own[0].layers)}` : `layer ${place}`;
    const svg = await panelSvg({
      about: `Cumulative explained variance in ${name}; the numbers are in the table`,
      x: { label: '', domain: [0, 1], format: '.0%', ticks: 3 },
      y: { label: '', domain: [0, 1], format: '.0%', ticks: 3 },
      lines,
      rules: thresholds.map((y) => ({ y })),
      size: [128, 92],
    });
    panels.push({ title: name, svg });
  }
  const marks = kept.length > 0 ? ' Points: ranks kept.' : '';
  return {
    title: 'Spectra: variance explained by the leading components',
    caption:
      'x: fraction of components, largest first; y: cumulative explained variance. ' +
      `Dotted: ${thresholds.length === 1 ? 'the threshold' : 'the thresholds'}${thresholds.length > 0 ? ` ${thresholds.join(', ')}` : ' (none)'}.${marks} ` +
      'PCA of the weights in float64, columns centred unless the operation says otherwise; no text is involved.',
    notShown:
      'Variance of a weight matrix is not importance to the model. A steep curve shows that few directions hold most of the norm, not that the others can be removed.',
    panels,
    layout: 'small',
    legend: [...series.values()],
    table: spectraTable(curves),
  };
}

/** Ranks by layer, one panel per mode and group, one line per threshold. */
interface RankSet {
  readonly panel: string;
  readonly line: string;
  readonly layers: readonly LayerReport[];
}

async function ranksFigure(sets: readonly RankSet[]): Promise<Figure | undefined> {
  const names = [...new Set(sets.map(({ line }) => line))];
  const series = new Map(
    names.map((name, i): [string, Series] => [
      name,
      { name, colour: `q${i % 6}`, shape: shapes[i % shapes.length] ?? 'circle' },
    ]),
  );
  const drawn = sets.flatMap(({ panel, line, layers }) =>
    [...new Set(layers.flatMap(({ groups }) => groups.map(({ name }) => groupClass(name))))].map((group) => ({
      line,
      panel: `${panel}: ${group}`,
      marks: rankMarks(layers, group, line),
    })),
  );
  const spread = drawn.filter(({ marks }) => marks.length > 0);
  if (spread.length === 0) return undefined;
  const xs = spread.flatMap(({ marks }) => marks.map(({ x }) => x));
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const panels = [];
  for (const name of new Set(spread.map(({ panel }) => panel))) {
    const own = spread.filter(({ panel }) => panel === name);
    const svg = await panelSvg({
      about: `Rank by layer, ${name}; the numbers are in the table`,
      x: {
        label: 'layer',
        format: 'd',
        ...(first < last ? { domain: [first, last], ticks: Math.min(last - first, 5) } : { ticks: 1 }),
      },
      y: {
        label: 'rank',
        domain: [0, Math.max(...own.flatMap(({ marks }) => marks.map(({ y }) => y)), 1) * 1.05],
        ticks: 4,
      },
      lines: own.flatMap(({ line, marks }) => {
        const of = series.get(line);
        return of ? [{ series: of, marks }] : [];
      }),
      size: [340, 170],
    });
    panels.push({ title: name, svg });
  }
  return {
    title: 'Ranks by layer',
    caption:
      'Components kept in each group: the fewest whose cumulative share of variance reaches the threshold, or the given rank. ' +
      'For heads decomposed separately, the mean. Without matched partners and controls.',
    panels,
    layout: 'few',
    legend: [...series.values()],
    table: ranksTable(sets),
  };
}

/** A colour for each class of groups, in the order of their appearance. */
function groupSeries(groups: readonly string[]): Map<string, Series> {
  return new Map(
    [...new Set(groups.map(groupClass))].map((name, i) => [
      name,
      { name, colour: `s${i % 8}`, shape: shapes[i % shapes.length] ?? 'circle' },
    ]),
  );
}

function lineOf({ group, of, ranks, explained }: SpectrumCurve, series: Series): Line {
  const marks: Mark[] = ranks.map((rank, i) => ({ x: rank / of, y: itemAt(explained, i), tip: '' }));
  return { series, curve: `${group}, ${of} components`, marks: [{ x: 0, y: 0, tip: '' }, ...marks] };
}

/** The ranks kept of a curve's group, each as a point of its own. */
function keptMarks({ group, layers, of }: SpectrumCurve, series: Series, kept: readonly LayerReport[]): Line[] {
  const found = kept
    .filter(({ layer }) => layer === layers[0])
    .flatMap(({ groups }) => groups.filter(({ name, of: all }) => name === group && all === of));
  return found.map(({ rank, explained }) => ({
    series,
    marks: [{ x: rank / of, y: explained, tip: `${group}: rank ${rank} of ${of}\nexplains ${percent(explained)}` }],
  }));
}

function rankMarks(layers: readonly LayerReport[], group: string, line: string): Mark[] {
  return layers.flatMap(({ layer, groups }) => {
    const own = groups.filter(({ name }) => groupClass(name) === group);
    if (own.length === 0) return [];
    const mean = own.reduce((sum, { rank }) => sum + rank, 0) / own.length;
    const what =
      own.length > 1 ? `mean rank ${mean.toFixed(1)} of ${own.length} heads` : `rank ${mean} of ${own[0]?.of}`;
    return [{ x: layer, y: mean, tip: `${line}\nlayer ${layer}: ${what}` }];
  });
}

function spectraTable(curves: readonly SpectrumCurve[]): DataTable {
  return {
    name: 'spectra',
    about: 'Cumulative explained variance of about the share of components in the title, in brackets of how many',
    head: ['layer', 'group', '>components', ...sampledShares.map((share) => `>≈ ${percent(share, 0)}`)],
    rows: curves.map(({ group, layers, of, ranks, explained }) => [
      rangesText(layers),
      group,
      number(of, String),
      ...sampledShares.map((share): Cell => {
        const distance = (rank: number) => Math.abs(rank - share * of);
        const nearest = ranks.reduce((best, rank) => (distance(rank) < distance(best) ? rank : best), 1);
        const at = ranks.indexOf(nearest);
        return number(explained[at], (value) => `${percent(value)} (${ranks[at]})`);
      }),
    ]),
  };
}

function ranksTable(sets: readonly RankSet[]): DataTable {
  const reports = sets.flatMap(({ layers }) => layers.flatMap(({ groups }) => groups));
  const projections = [...projectionErrors(reports).keys()];
  const errorHeads = projections.map((projection) => `>error of ${projection}`);
  const head = ['mode', 'kept', '>layer', 'group', '>rank', '>of', '>explained', ...errorHeads];
  const rows = sets.flatMap(({ panel, line, layers }) =>
    layers.flatMap(({ layer, groups }) =>
      [...new Set(groups.map(({ name }) => groupClass(name)))].map((name): Cell[] => {
        const own = groups.filter((group) => groupClass(group.name) === name);
        const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
        const errors = projectionErrors(own);
        return [
          panel,
          line,
          number(layer, String),
          own.length > 1 ? `${name}, ${own.length} heads` : name,
          number(mean(own.map(({ rank }) => rank)), (rank) =>
            Number.isInteger(rank) ? String(rank) : rank.toFixed(1),
          ),
          number(own[0]?.of, String),
          number(mean(own.map(({ explained }) => explained)), (share) => percent(share)),
          ...projections.map((projection) => number(errors.get(projection), (error) => errorText(error))),
        ];
      }),
    ),
  );
  const isMarked = rows.some((row) => row.some((cell) => typeof cell !== 'string' && cell.text.endsWith(worseMark)));
  const about = 'Ranks by layer, and the relative Frobenius error of each projection in its group';
  return { name: 'ranks', about: isMarked ? `${about}. ${worseNote}` : about, head, rows };
}
