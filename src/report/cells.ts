// A study's cells for tables and charts: which, what they are called, and where they lie on an axis.
import type { GroupReport, LayerReport } from '../operations/pca/report.ts';
import type { PcaOperation } from '../operations/pca/spec.ts';
import { widthText } from '../operations/pca/words.ts';
import { recipeLabel } from '../operations/recipe.ts';
import { kindOf } from '../operations/registry.ts';
import { lookUp } from '../platform/indexing.ts';
import type { CellResult, Sample, SensitivityResult, Study } from '../results/study.ts';
import { counted, short } from './format.ts';
import { pointOf, scores, scoresIn, storesOtherwise } from './scores.ts';
import type { HeatMap } from './terminal/heat-map.ts';
import type { LineChart } from './terminal/line-chart.ts';

export const parametersAxis = 'parameters when factored, as a share of dense';

export type Cells = ReadonlyMap<string, CellResult>;

/** What cells are laid out along. */
export interface CellAxis {
  readonly key: 'variance' | 'rank' | 'width' | 'parameters' | 'bytes';
  readonly label: string;
  readonly of: (cell: CellResult) => number | undefined;
}

const axes: readonly CellAxis[] = [
  { key: 'variance', label: 'variance kept (share)', of: ofItsOwn(({ variance }) => variance) },
  { key: 'rank', label: 'rank kept', of: ofItsOwn(({ rank }) => rank) },
  { key: 'width', label: 'width, components per layer', of: (cell) => scores.width.of(cell) ?? undefined },
  { key: 'parameters', label: parametersAxis, of: scores.size.of },
  { key: 'bytes', label: 'saved of the weights, MB', of: savedMegabytes },
];

/** Unlike shares, comparable between cells that change other matrices. */
function savedMegabytes({ footprint }: CellResult): number | undefined {
  return footprint?.bytes && (footprint.bytes.dense - footprint.bytes.reduced) / 1e6;
}

/** The PCA of a cell whose recipe is a single PCA. */
export function pcaOf({ recipe }: Pick<CellResult, 'recipe'>): PcaOperation | undefined {
  const [operation] = recipe;
  return recipe.length === 1 && operation?.kind === 'pca' ? (operation as PcaOperation) : undefined;
}

/** The layers of a cell's report, of a PCA or a fit; empty for another kind. */
export function layersOf({ reports }: Pick<CellResult, 'reports'>): readonly LayerReport[] {
  return reports.flatMap((report) => (report.kind === 'pca' || report.kind === 'fit' ? report.layers : []));
}

/** Explanations of the columns and names that these cells have. */
export function cellNotes(cells: readonly CellResult[]): string[] {
  const sizes = scoresIn('cells', cells).flatMap(({ of, label = '' }) =>
    of === scores.size.of || of === scores.bytes.of ? label : [],
  );
  const share = `a share of the dense ones${sizes.includes('bytes') ? ' in the checkpoint’s dtype' : ''}`;
  const matched = new Set(cells.flatMap((cell) => pcaOf(cell)?.match?.rule ?? []));
  return [
    ...(cells.some(pcaOf) ? ['cell: one operation, with the share of the variance or the rank that it keeps'] : []),
    ...(cells.some(({ footprint }) => typeof footprint?.width === 'number')
      ? [`width: ${widthText(cells.flatMap(layersOf))}`]
      : []),
    ...(sizes.length > 0
      ? [
          `${sizes.join(', ')}: ${[share, storedWords(cells.flatMap(({ recipe }) => recipe))].filter(Boolean).join(', ')}`,
        ]
      : []),
    ...(matched.size > 0
      ? [
          `${[...matched].map((rule) => `= ${rule}`).join(', ')}: the separate partner of a shared cell, matched in that respect`,
        ]
      : []),
  ];
}

/** The axes that some cells lie along, and differ in; bytes where they say more than parameters. */
export function variedAxes(cells: readonly CellResult[]): CellAxis[] {
  return axes.filter(
    ({ key, of }) =>
      new Set(cells.map(of).filter((x) => x !== undefined)).size > 1 &&
      (key !== 'bytes' || cells.some(storesOtherwise)),
  );
}

/** Perplexity and KL over variance, width and parameters, one line per mode, over the axes that the cells vary. */
export function studyCharts(study: Study, cells: Cells): LineChart[] {
  const shown = gridCells(study, cells);
  return variedAxes(shown).flatMap(({ label, of: x }) => {
    const placed = shown.filter((cell) => x(cell) !== undefined);
    return scoresIn('chart').map((score) => ({
      title: score.title ?? '',
      x: { label },
      y: { label: score.unit, log: true },
      series: [...bySeries(placed, study)].map(([name, own]) => ({
        name,
        points: own.map((cell) => ({ x: x(cell) as number, ...pointOf(score, cell) })).sort((a, b) => a.x - b.x),
      })),
    }));
  });
}

/** Cells by the line of a chart that they are on, in the order in which the lines begin. */
export function bySeries(cells: readonly CellResult[], { model }: Pick<Study, 'model'>): Map<string, CellResult[]> {
  const lines = new Map<string, CellResult[]>();
  for (const cell of cells) {
    const name = seriesName(cell, model.layers);
    lines.set(name, [...(lines.get(name) ?? []), cell]);
  }
  return lines;
}

/** The budget that a cell states itself; a matched partner follows that of its cell. */
function ofItsOwn(kept: (operation: PcaOperation) => number | undefined) {
  return (cell: CellResult) => {
    const operation = pcaOf(cell);
    return operation && !operation.match ? kept(operation) : undefined;
  };
}

/** Units of which a layer has several, by layer; undefined for others. */
export function unitGrid({ by, rows }: Pick<SensitivityResult, 'by' | 'rows'>) {
  if (by !== 'head' && by !== 'kv-head' && by !== 'neuron-group') return undefined;
  const layers = [...new Set(rows.flatMap((row) => row.layers))];
  return layers.map((layer) => ({ layer, units: rows.filter((row) => row.layers[0] === layer) }));
}

/** Δnll of each unit alone, by threshold, with everything at once in the last row. */
export function sensitivityMap({ by, kept, rows, joint }: SensitivityResult, cells: Cells): HeatMap {
  const effect = (id: string | undefined) => lookUp(cells, id)?.scores.deltaNll;
  const grid = unitGrid({ by, rows });
  if (grid)
    return {
      title: 'Δnll in nats per token, one unit operated on at a time',
      rowLabel: 'layer',
      rows: grid.map(({ layer }) => String(layer)),
      columnLabel: unitWords[by],
      columns: Array.from({ length: Math.max(...grid.map(({ units }) => units.length)) }, (_, i) => String(i)),
      values: grid.map(({ units }) => units.map((row) => effect(row.cells[0]))),
      log: true,
    };
  return {
    title: 'Δnll in nats per token, one unit operated on at a time',
    rowLabel: by === 'both' ? 'unit' : by,
    rows: [...rows.map(({ layers, targets, unit }) => unit ?? unitLabel(by, layers, targets)), 'all at once'],
    columnLabel: 'kept',
    columns: kept.map(keptName),
    values: [...rows.map((row) => row.cells.map(effect)), joint.map(effect)],
    log: true,
  };
}

export function inOrder(study: Study, cells: Cells): CellResult[] {
  return study.cells.flatMap((id) => cells.get(id) ?? []);
}

/** What a folder holds next to the cells of its study, which pages and tables leave out; undefined if nothing. */
export function otherCellsText(study: Study, cells: Cells): string | undefined {
  const own = new Set(study.cells);
  const others = [...cells.keys()].filter((id) => !own.has(id)).length;
  if (others === 0) return undefined;
  const [are, them] = others === 1 ? ['is', 'it'] : ['are', 'them'];
  return `${counted(others, 'more cell')} in the folder ${are} not in this command's grid and not shown; a command whose grid has ${them} too shows all`;
}

/** "10 cells, 8 of them controls": those that are there. */
export function cellCountText(study: Study, cells: Cells): string {
  const there = inOrder(study, cells).length;
  const controls = there - gridCells(study, cells).length;
  return counted(there, 'cell') + (controls > 0 ? `, ${controls} of them controls` : '');
}

/** Cells without the controls. */
export function gridCells(study: Study, cells: Cells): CellResult[] {
  const controls = new Set(study.controls.map(({ cell }) => cell));
  return inOrder(study, cells).filter(({ id }) => !controls.has(id));
}

/** Pairs of equal variance or rank cost differently, so they are not called matched. */
export function pairsTitle({ pairs }: Pick<Study, 'pairs'>): string {
  const isMatched = pairs.length === 0 || pairs.some(({ rule }) => rule !== 'variance' && rule !== 'rank');
  return isMatched ? 'Matched comparisons' : 'Compared at the same threshold';
}

/** A cell in a few words. */
export function cellName({ recipe }: Pick<CellResult, 'recipe'>, { model }: Pick<Study, 'model'>): string {
  return recipeLabel(recipe, model.layers);
}

/** The line of a chart that a cell belongs to: its operation without the budget. */
function seriesName({ recipe }: Pick<CellResult, 'recipe'>, all: number): string {
  const [operation, ...more] = recipe;
  const name = operation && more.length === 0 ? kindOf(operation).series?.(operation, all) : undefined;
  return name ?? recipeLabel(recipe, all);
}

/** "ended at the first token (<|im_end|>, p 0.31 at temperature 1)": results hold it as the model gives it. */
export function endText({ token, logprob }: NonNullable<Sample['end']>): string {
  return `ended at the first token (${token}, p ${short(Math.exp(logprob), 2)} at temperature 1)`;
}

/** What a model wrote; in brackets why it wrote nothing. */
export function completionText({ completion, pieces, end }: Pick<Sample, 'completion' | 'pieces' | 'end'>): string {
  if (end) return `(${endText(end)})`;
  return pieces.length > 0 ? completion : '(no new token)';
}

/** Relative error of each projection over several groups, such as its heads. */
export function projectionErrors(groups: readonly GroupReport[]): ReadonlyMap<string, number> {
  const sums = new Map<string, { squaredError: number; squaredNorm: number }>();
  for (const { relativeError, squaredNorm } of groups) {
    for (const [projection, norm] of Object.entries(squaredNorm)) {
      const sum = sums.get(projection) ?? { squaredError: 0, squaredNorm: 0 };
      sum.squaredError += (relativeError[projection] as number) ** 2 * norm;
      sum.squaredNorm += norm;
      sums.set(projection, sum);
    }
  }
  const error = (sum: { squaredError: number; squaredNorm: number }) =>
    sum.squaredNorm > 0 ? Math.sqrt(sum.squaredError / sum.squaredNorm) : 0;
  return new Map([...sums].map(([projection, sum]) => [projection, error(sum)]));
}

type Kept = Readonly<Partial<Record<'variance' | 'rank' | 'ratio' | 'energy' | 'bits', number | undefined>>>;

/** How much an operation keeps, as short as can be. */
export function keptName(kept: Kept): string {
  return kept.variance === undefined ? keptText(kept) || 'none' : String(kept.variance);
}

/** "variance 0.5", "4 bits"; empty where there is nothing to choose. */
export function keptText({ bits, ...others }: Kept): string {
  if (bits !== undefined) return `${bits} bits`;
  return Object.entries(others)
    .flatMap(([key, value]) => (value === undefined ? [] : `${key} ${value}`))
    .join();
}

/** What units are called. */
export const unitWords = {
  layer: 'layer',
  projection: 'projection',
  both: 'layer and projection',
  head: 'head',
  'kv-head': 'KV head',
  'neuron-group': 'group of neurons',
  attention: 'attention',
  mlp: 'MLP',
  block: 'block',
} as const satisfies Record<SensitivityResult['by'], string>;

/** A unit of a sensitivity study: "layer 0", "q", "q of layer 0", "head 2.5". */
export function unitName(
  by: SensitivityResult['by'],
  {
    layers,
    targets,
    unit,
  }: Pick<SensitivityResult['rows'][number], 'layers' | 'unit'> & { readonly targets: readonly string[] },
): string {
  if (unit !== undefined) return `${by === 'neuron-group' ? 'neurons' : unitWords[by]} ${unit}`;
  const [layer, projection] = [`layer ${layers.join()}`, targets.join()];
  return by === 'layer' ? layer : by === 'projection' ? projection : `${projection} of ${layer}`;
}

/** The cells of a sensitivity study by the unit that each operates on, with the budget where there are several. */
export function unitNames({ by, kept, rows, joint }: SensitivityResult): Map<string, string> {
  const at = (i: number) => (kept.length > 1 && kept[i] ? ` at ${keptName(kept[i])}` : '');
  const named = (name: string, ids: readonly string[]) => ids.map((id, i) => [id, `${name}${at(i)}`] as const);
  return new Map([...rows.flatMap((row) => named(unitName(by, row), row.cells)), ...named('all at once', joint)]);
}

/** {@link unitName} in the rows of a map, without words. */
function unitLabel(by: SensitivityResult['by'], layers: readonly number[], targets: readonly string[]): string {
  if (by === 'layer') return layers.join();
  return by === 'projection' ? targets.join() : `${layers.join()} ${targets.join()}`;
}

/** What equal error is for pairs of fits; empty, or a text that begins with a blank. */
export function fitPairWords(
  pairs: readonly { readonly rule: string; readonly cell: CellResult | undefined }[],
): string {
  const isOfFits = pairs.some(({ rule, cell }) => rule === 'error' && cell?.recipe.some(({ kind }) => kind === 'fit'));
  return isOfFits ? ' For fits, equal error means at most the same loss of the objective.' : '';
}

/** What the controls of fits are; empty, or a text that begins with a blank. */
export function fitControlWords({ controls }: Pick<Study, 'controls'>, cells: Cells): string {
  const own = controls.flatMap(({ control, cell }) =>
    cells.get(cell)?.recipe.some(({ kind }) => kind === 'fit') ? [control] : [],
  );
  if (own.length === 0) return '';
  const other = ' Of a fit, other-layer is along the directions of the next layer’s outputs.';
  if (!own.includes('first-half')) return other;
  return (
    `${other} first-half, second-half: the same fit to one half of the calibration text; their distance says how much the choice of text matters. ` +
    'permuted: to its tokens in random order; where that is no worse, the fit needs the text’s words and not their context.'
  );
}

/** How edited weights could be stored in less room. */
export function storedWords(recipe: CellResult['recipe']): string {
  return [...new Set(recipe.flatMap((operation) => kindOf(operation).stored ?? []))].join(' and ');
}

/** A note where the units and all at once are different fits: a projection alone shares its PCA with no other. */
export function ownFitWords({ joint, rows }: SensitivityResult, cells: Cells): string | undefined {
  const modeOf = (id = '') => {
    const cell = cells.get(id);
    return cell && pcaOf(cell)?.mode;
  };
  const whole = modeOf(joint[0]);
  if (rows.every((row) => row.cells.every((id) => modeOf(id) === whole))) return undefined;
  return `All at once is ${whole}. Projections that share a PCA there are each fitted alone here, so their single effects are those of another fit.`;
}

/** What a variant that keeps all components differs by. */
export function roundingWords({ context }: Pick<Study, 'context'>): string {
  return context.precision === 'int8' ? "rounding to the dtype and int8's own" : 'rounding to the dtype alone';
}
