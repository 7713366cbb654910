// Perplexity and KL of a study's cells over variance, width and parameters, with the controls as bands.
import { lookUp } from '../../platform/indexing.ts';
import type { CellResult, Study } from '../../results/study.ts';
import { bySeries, type CellAxis, type Cells, cellName, cellNotes, gridCells, pcaOf, variedAxes } from '../cells.ts';
import { listed, sentence } from '../format.ts';
import { barsText, directionsText, pointOf, scores, scoresIn, scoreTip, worseNotes } from '../scores.ts';
import { type Series, withMargin } from './axes.ts';
import type { Figure, Section, Tab } from './figure.ts';
import { forestSvg } from './forest.ts';
import { type Band, type Line, panelSvg } from './panels.ts';
import { cellsTable } from './study-tables.ts';

const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross'] as const;

/** Controls of a cell at a threshold. */
const bandControls: Readonly<Record<string, string>> = {
  noise: 'noise',
  'random-subspace': 'random directions',
  'other-layer': 'another layer’s v',
};

const originalSeries: Series = { name: 'original', colour: 'muted', rule: true };

const notMatched: Readonly<Record<CellAxis['key'], string>> = {
  variance:
    'At equal variance, modes do not have equal budgets: the same threshold leaves each with another number of components and ' +
    'of parameters. A lower curve here is not evidence for a mode; only matched pairs are.',
  rank:
    'The same rank in every group is not the same budget: a shared group uses one set of components where separate groups use ' +
    'one each.',
  width:
    'Where there are groups with k or v, width counts the components of these alone. A component of a shared group takes ' +
    'another number of parameters than one of a separate group.',
  parameters:
    'Parameters are those of the factors. The matrices that were run are dense and save nothing. Unless a curve is labelled as ' +
    'matched, its points have different budgets from those of its neighbours.',
  bytes:
    'Bytes are those of the factors, or of the integers with their scales. The matrices that were run are dense and save nothing.',
};

/** The loss of the cells over each axis that some line varies, else one by one. */
export async function lossesSection(study: Study, cells: Cells): Promise<Section> {
  const shown = gridCells(study, cells);
  const series = seriesOf(shown, study);
  const axes = drawnAxes([...bySeries(shown, study).values()]);
  const drawn: AxisTab[] = [];
  for (const axis of axes) drawn.push(await axisTab(study, cells, shown, series, axis));
  const all: Figure = {
    title: 'Every cell of the grid',
    caption: [
      ...cellNotes(shown).map((note) => `${sentence(note)}.`),
      directionsText(scoresIn('cells', shown)),
      ...worseNotes(shown),
    ].join(' '),
    scored: true,
    panels: [],
    table: cellsTable(study, shown),
    open: true,
  };
  const alone = shown.map((cell) => ({ name: cellName(cell, study), cell }));
  const figures = [drawn.length > 0 ? linesFigure(drawn, shown) : await klFigure(alone), all];
  return { id: 'losses', title: 'Loss', figures: figures.filter((each) => each !== undefined) };
}

/** Axes along which at least one line has two points: a line of one shows nothing. */
export function drawnAxes(lines: readonly (readonly CellResult[])[]): CellAxis[] {
  return variedAxes(lines.flat()).filter(({ of }) =>
    lines.some((line) => new Set(line.map(of).filter((x) => x !== undefined)).size > 1),
  );
}

interface AxisTab extends Tab {
  readonly axis: CellAxis;
  readonly hasBands: boolean;
  readonly isCut: boolean;
}

function linesFigure(tabs: readonly AxisTab[], shown: readonly CellResult[]): Figure {
  const bands = tabs.some(({ hasBands }) => hasBands) ? 'Bands: the intervals of the controls (seed 0). ' : '';
  const cut = tabs.some(({ isCut }) => isCut)
    ? 'Controls above ten times the worst cell are cut off; the table of controls shows them. '
    : '';
  return {
    title: `Perplexity and KL over ${listed(tabs.map(({ axis }) => axis.key))}`,
    caption: `${barsText(shown.map((cell) => cell.scores))}${bands}${cut}Log-scale y axis.`,
    scored: true,
    panels: [],
    tabs,
  };
}

async function axisTab(
  study: Study,
  cells: Cells,
  shown: readonly CellResult[],
  series: ReadonlyMap<string, Series>,
  axis: CellAxis,
): Promise<AxisTab> {
  const lines = bySeries(
    shown.filter((cell) => axis.of(cell) !== undefined),
    study,
  );
  const controls = controlCurves(study, cells, axis);
  let isCut = false;
  let hasOriginal = false;
  const panels = [];
  for (const score of scoresIn('chart')) {
    const { title = '', unit } = score;
    const y = (cell: CellResult) => pointOf(score, cell);
    const drawn: Line[] = [...lines].map(([name, own]) => ({
      series: series.get(name) ?? { name, colour: 's6' },
      marks: own
        .flatMap((cell) => {
          const x = axis.of(cell);
          return x === undefined ? [] : [{ x, ...y(cell), tip: tipOf(cell, study) }];
        })
        .sort((a, b) => a.x - b.x),
    }));
    const domain = reach(drawn);
    const bands: Band[] = controls.map(({ series: of, places }) => {
      const edge = places.map(({ x, cell }) => ({ x, ...ends(y(cell)) }));
      isCut ||= edge.some(({ high }) => high > domain[1]);
      return { series: of, edge: cutAt(edge, domain[1]), tip: of.name };
    });
    const original = study.original && score.of(study.original);
    const rules =
      original === undefined || original === null
        ? []
        : [{ y: original, series: originalSeries, tip: `original\n${score.label} ${score.format(original)}` }];
    hasOriginal ||= rules.length > 0;
    const svg = await panelSvg({
      about: `${title} over ${axis.label}, one line per mode; the table of all cells holds the numbers`,
      x: { label: axis.label, ...(axis.key === 'parameters' ? { format: '.0%' } : {}) },
      y: { label: unit, log: true, domain },
      lines: drawn,
      bands,
      rules,
    });
    panels.push({ title, svg });
  }
  const legend = [...lines.keys()].flatMap((name) => series.get(name) ?? []);
  return {
    axis,
    name: sentence(axis.key),
    notShown: notMatched[axis.key],
    panels,
    legend: [...legend, ...controls.map((control) => control.series), ...(hasOriginal ? [originalSeries] : [])],
    hasBands: controls.length > 0,
    isCut,
  };
}

/** Rows that need no legend. */
const unnamed: Series = { name: '', colour: 's0' };

/** Rows that the chart takes. */
const mostRows = 60;

/** The KL of each cell, one below the other, for cells that lie on no line; nothing for a single one. */
export async function klFigure(rows: readonly { name: string; cell: CellResult }[]): Promise<Figure | undefined> {
  const measured = rows.filter(({ cell }) => cell.scores.kl > 0);
  if (measured.length < 2) return undefined;
  const drawn = measured.slice(0, mostRows).map(({ name, cell }) => {
    const { y: x, ...interval } = pointOf(scores.kl, cell);
    return { name, x, ...interval, series: unnamed, tip: `${name}\n${scoreTip(cell)}` };
  });
  const rest = measured.length > mostRows ? ` The first ${mostRows} of ${measured.length}; the table lists all.` : '';
  const svg = await forestSvg({
    about: 'KL from the original, a row for each cell; the table holds the numbers',
    x: { label: 'KL from the original, nats per token', log: true, domain: withMargin(drawn.map(({ x }) => x)) },
    rows: drawn,
  });
  return {
    title: 'KL from the original',
    caption: `${barsText(rows.map(({ cell }) => cell.scores))}Log-scale x axis.${rest}`,
    scored: true,
    panels: [{ svg }],
    layout: 'one',
  };
}

/** A colour and a shape for each line; partners of a mode are dashed. */
function seriesOf(shown: readonly CellResult[], study: Pick<Study, 'model'>): Map<string, Series> {
  return new Map(
    [...bySeries(shown, study)].map(([name, [first]], i) => [
      name,
      {
        name,
        colour: `s${i % 8}`,
        shape: shapes[i % shapes.length] ?? 'circle',
        dashed: first !== undefined && pcaOf(first)?.match !== undefined,
      },
    ]),
  );
}

/** The controls of each mode as curves, at the x of the cells that they belong to. */
function controlCurves(study: Study, cells: Cells, axis: CellAxis) {
  const curves = new Map<string, { series: Series; places: { x: number; cell: CellResult }[] }>();
  for (const { control, cell, of } of study.controls) {
    const [own, against] = [cells.get(cell), lookUp(cells, of)];
    const what = bandControls[control];
    const x = against && axis.of(against);
    if (!own || !against || !what || x === undefined) continue;
    const [line = ''] = bySeries([against], study).keys();
    const name = `control of ${line}: ${what}`;
    const curve = curves.get(name) ?? { series: { name, colour: `c${curves.size % 6}` }, places: [] };
    curve.places.push({ x, cell: own });
    curves.set(name, curve);
  }
  const found = [...curves.values()].filter(({ places }) => places.length > 1);
  for (const { places } of found) places.sort((a, b) => a.x - b.x);
  return found;
}

/** Range of the cells on a logarithmic axis. Controls far above them do not compress it. */
function reach(lines: readonly Line[]): [number, number] {
  const values = lines.flatMap(({ marks }) => marks.flatMap(({ y, low = y, high = y }) => [y, low, high]));
  const placed = values.filter((value) => value > 0 && Number.isFinite(value));
  if (placed.length === 0) return [0.1, 10];
  return [Math.min(...placed) / 1.4, Math.max(...placed) * 10];
}

/** The part of a band below `top`; its edges are straight on a logarithmic axis. */
function cutAt(edge: Band['edge'], top: number): Band['edge'] {
  const whole = edge.flatMap((from, i) => {
    const to = edge[i + 1];
    if (!to) return [from];
    const between = (a: number, b: number, t: number) => Math.exp(Math.log(a) * (1 - t) + Math.log(b) * t);
    const crossings = (['low', 'high'] as const)
      .map((side) => Math.log(top / from[side]) / Math.log(to[side] / from[side]))
      .filter((t) => t > 0 && t < 1)
      .sort((a, b) => a - b);
    const inserted = crossings.map((t) => ({
      x: from.x + t * (to.x - from.x),
      low: between(from.low, to.low, t),
      high: between(from.high, to.high, t),
    }));
    return [from, ...inserted];
  });
  return whole.map(({ x, low, high }) => ({ x, low: Math.min(low, top), high: Math.min(high, top) }));
}

/** As wide as the interval, and wide enough to be seen. */
function ends({ y, low = y, high = y }: { y: number; low?: number; high?: number }) {
  return { low: Math.min(low, y / 1.03), high: Math.max(high, y * 1.03) };
}

function tipOf(cell: CellResult, study: Study): string {
  return `${cellName(cell, study)}\n${scoreTip(cell)}`;
}
