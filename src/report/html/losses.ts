// Perplexity and KL of a study's cells over variance, width and parameters, with the controls as bands.
import type { CellResult, Study } from '../../results/study.ts';
import { bySeries, type CellAxis, type Cells, cellName, gridCells, pcaOf, variedAxes, widthWords } from '../cells.ts';
import { directionsText, pointOf, scoresIn, scoreTip } from '../scores.ts';
import type { Series } from './axes.ts';
import type { Figure, Section } from './figure.ts';
import { type Band, type Line, panelSvg } from './panels.ts';
import { textRule } from './rules.ts';
import { cellsTable } from './study-tables.ts';

const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross'] as const;

/** Controls of a cell at a threshold. */
const bandControls: Readonly<Record<string, Series>> = {
  noise: { name: 'control: noise', colour: 'c0' },
  'random-subspace': { name: 'control: random directions', colour: 'c1' },
  'other-layer': { name: 'control: another layer’s v', colour: 'c2' },
};

const notMatched: Readonly<Record<CellAxis['key'], string>> = {
  variance:
    'At equal variance, modes do not have equal budgets: at the same threshold, shared groups keep fewer components and fewer ' +
    'parameters than separate ones. A lower curve here is not evidence for a mode; the matched pairs are.',
  rank:
    'The same rank in every group is not the same budget: a shared group uses one set of components where separate groups use ' +
    'one each.',
  width:
    'Where there are groups with k or v, width counts the components of these alone. A component of a shared group takes ' +
    'another number of parameters than one of a separate group.',
  parameters:
    'Parameters are those of the factors. The matrices that were run are dense and save nothing. Unless a curve is labelled as ' +
    'matched, its points have different budgets from those of its neighbours.',
};

/** A figure for each axis along which the cells differ. Nothing where they do not. */
export async function lossesSection(study: Study, cells: Cells): Promise<Section> {
  const shown = gridCells(study, cells);
  const series = seriesOf(shown, study);
  const figures: Figure[] = [];
  for (const axis of variedAxes(shown)) figures.push(await lossFigure(study, cells, shown, series, axis));
  const all: Figure = {
    title: 'Every cell of the grid',
    caption: `${textRule(study.text)} Width: ${widthWords(shown)}. Size: parameters as factors, as a share of the dense ones. “= width”, “= size”, “= error”: the separate partner of a shared cell, matched in that respect. ${directionsText(scoresIn('cells', shown))}`,
    panels: [],
    table: cellsTable(study, shown),
    open: true,
  };
  return { id: 'losses', title: 'Loss', figures: [...figures, all] };
}

async function lossFigure(
  study: Study,
  cells: Cells,
  shown: readonly CellResult[],
  series: ReadonlyMap<string, Series>,
  axis: CellAxis,
): Promise<Figure> {
  const lines = bySeries(
    shown.filter((cell) => axis.of(cell) !== undefined),
    study,
  );
  const controls = controlCurves(study, cells, axis);
  const over = new Set<string>();
  const panels = [];
  for (const score of scoresIn('chart')) {
    const { title = '', unit } = score;
    const y = (cell: CellResult) => pointOf(score, cell);
    const drawn: Line[] = [...lines].map(([name, own]) => ({
      series: series.get(name) ?? { name, colour: 's6' },
      marks: own
        .map((cell) => ({ x: axis.of(cell) ?? 0, ...y(cell), tip: tipOf(cell, study) }))
        .sort((a, b) => a.x - b.x),
    }));
    const domain = reach(drawn);
    const bands: Band[] = controls.map(({ series: of, name, places }) => {
      const edge = places.map(({ x, cell }) => ({ x, ...ends(y(cell)) }));
      if (edge.some(({ high }) => high > domain[1])) over.add(title);
      return { series: of, edge: cutAt(edge, domain[1]), tip: name };
    });
    const original = study.original && score.of(study.original);
    const rules = original === undefined || original === null ? [] : [{ y: original, label: 'original' }];
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
  const bandText = controls.length > 0 ? ' Bands: the intervals of the controls (seed 0).' : '';
  const beyond =
    over.size > 0 ? ' Controls above ten times the worst cell are cut off; the table of controls shows them.' : '';
  const legend = [...lines.keys()].flatMap((name) => series.get(name) ?? []);
  return {
    title: `Perplexity and KL over ${axis.label}`,
    caption: `${textRule(study.text)} Error bars: ${study.text.intervalRule}.${bandText}${beyond} Logarithmic y axis.`,
    notShown: notMatched[axis.key],
    panels,
    legend: [...legend, ...new Set(controls.map((control) => control.series))],
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
  const curves = new Map<string, { series: Series; name: string; places: { x: number; cell: CellResult }[] }>();
  for (const { control, cell, of } of study.controls) {
    const [own, against] = [cells.get(cell), cells.get(of ?? '')];
    const series = bandControls[control];
    const x = against && axis.of(against);
    if (!own || !against || !series || x === undefined) continue;
    const [line = ''] = bySeries([against], study).keys();
    const name = `${series.name}, of ${line}`;
    const curve = curves.get(name) ?? { series, name, places: [] };
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
