// A study as text for a terminal: cells, matched pairs, controls, angles, sensitivity.

import { kinds } from '../../operations/registry.ts';
import { itemAt, lookUp } from '../../platform/indexing.ts';
import type { CellResult, Difference, SensitivityResult, Study } from '../../results/study.ts';
import type { TaskScores } from '../../scores/tasks.ts';
import {
  type Cells,
  cellName,
  cellNotes,
  fitControlWords,
  fitPairWords,
  gridCells,
  inOrder,
  keptText,
  ownFitWords,
  pairsTitle,
  parametersAxis,
  pcaOf,
  roundingWords,
  sensitivityMap,
  studyCharts,
  unitName,
  unitWords,
} from '../cells.ts';
import { trusted, trustedCells, type Units, unitsText } from '../findings.ts';
import { counted, integer, labelled, percent, printable, short, signed, table, withInterval, wrap } from '../format.ts';
import {
  brief,
  csvColumns,
  hasIntervals,
  headOf,
  type Scored,
  scoresIn,
  scoreText,
  valueText,
  withIntervalMark,
} from '../scores.ts';
import { sideOf, studyVerdict, yardstickText } from '../verdict.ts';
import { heatMap } from './heat-map.ts';
import { lineChart } from './line-chart.ts';
import { calibrationLines, cutText, leakText, resultText, textNotes } from './text.ts';

export function studyText(
  whole: Study,
  all: Cells,
  folder: string,
  seconds?: Readonly<Record<string, number>>,
): string {
  const [study, cells] = [trusted(whole, whole.text), trustedCells(all, whole.text)];
  const { model, text, original } = study;
  const scored = [...cells.values()].map(({ scores }) => scores);
  const leak = leakText(study.calibration);
  const there = study.cells.filter((id) => cells.has(id)).length;
  return [
    [
      wrap(
        `Model      ${model.ref}, ${counted(model.layers, 'layer')}, ${integer(model.parameters)} parameters, ${model.dtype}`,
      ),
      wrap(`Text       ${unitsText(text)}${cutText(text)}, ${counted(text.tokens, 'token')} of ${text.text}`),
      wrap(`Rule       ${text.rule}${hasIntervals(scored) ? `; intervals: ${text.intervalRule}` : ''}`),
      ...calibrationLines(study.calibration),
      ...[...textNotes(text, []), ...(study.notes ?? [])].map((note) => labelled('Note', printable(note))),
      original && `Original   nll ${valueText('nll', original)}, perplexity ${valueText('perplexity', original)}`,
      resultText(studyVerdict(study, cells)),
    ]
      .filter(Boolean)
      .join('\n'),
    there < study.cells.length &&
      `${there} of ${counted(study.cells.length, 'cell')} are there; the others are another part's.`,
    ...(study.sensitivity ? [sensitivityText(study.sensitivity, cells)] : sweepTexts(study, cells)).map((part) =>
      part && leak ? `${part}\n${wrap(leak)}` : part,
    ),
    seconds && secondsText(seconds),
    `Written    ${folder}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/**
 * The original and every cell, a line each of comma-separated values (RFC 4180) under a line of names. The study's model and text stand in every line, so that the lines of several studies can be joined.
 */
export function studyCsv(study: Study, cells: Cells): string {
  const shown = inOrder(study, cells);
  const { model, text, context, original } = study;
  const parameters = fieldsOf(shown).map(
    (field) => [snakeCase(field), (cell: CellResult) => fieldText(cell, field)] as const,
  );
  const measured = csvColumns();
  const about = {
    model: model.ref,
    model_sha256: model.sha256,
    text: text.text,
    documents: text.documents,
    tokens: text.tokens,
    rule: text.rule,
    documents_sha256: context.documents,
    ...(study.calibration
      ? {
          calibration: study.calibration.text,
          calibration_rule: study.calibration.rule,
          calibration_sha256: study.calibration.documentsSha256,
          calibration_leak: study.calibration.leak,
        }
      : {}),
    precision: context.precision,
    surgery: context.versions.surgery,
    onnxruntime: context.versions.onnxruntime,
  };
  const line = (own: readonly unknown[], scored: Scored) =>
    [...own, ...measured.map(([, of]) => of(scored)), ...Object.values(about)].map(csvField).join(',');
  const names = ['id', 'kind', ...[...parameters, ...measured].map(([name]) => name), ...Object.keys(about)];
  return [
    names.join(','),
    ...(original ? [line(['original', 'original', ...parameters.map(() => '')], original)] : []),
    ...shown.map((cell) =>
      line([cell.id, cell.recipe.map(({ kind }) => kind).join(' '), ...parameters.map(([, of]) => of(cell))], cell),
    ),
  ].join('\n');
}

/** Parameters of the kinds that cells are of, in the kinds' own order. */
function fieldsOf(cells: readonly CellResult[]): string[] {
  const used = new Set(cells.flatMap(({ recipe }) => recipe.map(({ kind }) => kind)));
  const all = Object.values(kinds).filter(({ name }) => used.has(name));
  return [...new Set(all.flatMap(({ fields }) => Object.keys(fields)))];
}

/** A parameter's value as its option is written; for several operations, one after the other. */
function fieldText({ recipe }: CellResult, key: string): string {
  const values = recipe.map((operation) => (operation as unknown as Readonly<Record<string, unknown>>)[key]);
  return values
    .filter((value) => value !== undefined)
    .map((value) => {
      if (typeof value === 'boolean') return value ? 'on' : 'off';
      if (Array.isArray(value)) return value.join(' ');
      return typeof value === 'object' && value ? Object.values(value).join(' of ') : String(value);
    })
    .join('; ');
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A CSV field, quoted where it holds a separator, a quote or a line break. */
function csvField(value: unknown): string {
  const text = String(value ?? '');
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function sweepTexts(study: Study, cells: Cells): (string | false | undefined)[] {
  const charts = studyCharts(study, cells).filter(({ x }) => x.label !== parametersAxis);
  return [
    cellsText(study, cells),
    tasksText(study, cells),
    ...charts.map((chart) => lineChart(chart)),
    study.pairs.length > 0 && pairsText(study, cells),
    study.controls.length > 0 && controlsText(study, cells),
    study.angles.length > 0 && anglesText(study),
    wrap(yardstickText),
  ];
}

function cellsText(study: Study, cells: Cells): string {
  const shown = gridCells(study, cells);
  const columns = scoresIn('terminal', shown).map(brief);
  const rows = shown.map((cell) => [cellName(cell, study), ...columns.map((score) => scoreText(score, cell))]);
  const align = columns.map(({ showsInterval }) => (showsInterval ? 'l' : 'r')).join('');
  const notes = cellNotes(shown).join('; ');
  return table(['cell', ...columns.map(headOf)], `l${align}`, rows) + (notes && `\n${wrap(`${notes}.`)}`);
}

function tasksText(study: Study, cells: Cells): string | undefined {
  const { original, tasks } = study;
  if (!original?.tasks || !tasks) return undefined;
  const row = (name: string, { correct, questions, accuracy, interval }: TaskScores) => [
    name,
    `${correct} of ${questions}`,
    percent(accuracy),
    `[${interval.map((end) => percent(end)).join(', ')}]`,
  ];
  const rows = gridCells(study, cells).flatMap((cell) => (cell.tasks ? [row(cellName(cell, study), cell.tasks)] : []));
  return `${table(['tasks', 'right', 'accuracy', '95 % (Wilson)'], 'lrrl', [row('original', original.tasks), ...rows])}\n${wrap(
    `${tasks.file}: ${tasks.rule}; chance is ${percent(original.tasks.chance)}.`,
  )}`;
}

function pairsText(study: Study, cells: Cells): string {
  const rows = study.pairs.flatMap(({ rule, cell, partner, difference, met }) => {
    const [a, b] = [cells.get(cell), cells.get(partner)];
    if (!a || !b || !difference) return [];
    return [
      [
        rule,
        cellName(a, study),
        `${widthOf(a)}:${widthOf(b)}`,
        withInterval(difference.deltaNll, difference.interval),
        signed(difference.deltaKl),
        verdict(difference, met, rule === 'allocate' ? ['global', 'uniform'] : ['shared', 'separate'], study.text),
      ],
    ];
  });
  const intervals = study.pairs.map(({ difference }) => difference?.interval);
  return `${pairsTitle(study)}\n${table(['equal', 'cell', 'width', withIntervalMark('Δnll', intervals), 'ΔKL', 'better'], 'llllrl', rows)}\n${wrap(
    'A shared cell minus its separate partner, or ranks allocated over the layers minus uniform ones (allocate), on the same ' +
      'documents: above 0, the partner is better. equal: the quantity matched in every layer. variance: the threshold, at unequal budgets; width: its components; parameters: rank × (in + ' +
      'Σ out); error: the Frobenius error over the projections that share a PCA. Both treat q in the same way where it shares none. At equal width a shared fit never has the larger weight ' +
      'error, at equal rank of each matrix never the smaller (Eckart–Young, means aside): these are different questions. ' +
      `“–”: no measurable difference, as the interval contains 0 or is over too few documents.${fitPairWords(study.pairs.map(({ rule, cell }) => ({ rule, cell: cells.get(cell) })))}`,
  )}`;
}

const widthOf = ({ footprint }: CellResult) => footprint?.width?.toFixed(0) ?? '–';

/** Which of a pair is better; “–” where no interval says it. */
export function verdict(
  difference: Difference,
  met: boolean | null,
  [cell, partner]: readonly [string, string],
  text: Units,
): string {
  if (met === false) return 'not met';
  const side = sideOf(difference, text);
  return side === undefined ? '–' : side === 'above' ? partner : cell;
}

function controlsText(study: Study, cells: Cells): string {
  const columns = scoresIn(
    'controls',
    study.controls.flatMap(({ cell }) => cells.get(cell) ?? []),
  ).map(brief);
  const intervals = study.controls.map(({ difference }) => difference?.interval);
  const rows = study.controls.flatMap(({ control, cell, of, difference }) => {
    const [own, against] = [cells.get(cell), lookUp(cells, of)];
    if (!own) return [];
    return [
      [
        control,
        controlledName(study, own, against),
        ...columns.map((score) => scoreText(score, own)),
        difference ? withInterval(difference.deltaNll, difference.interval) : '',
      ],
    ];
  });
  return `${table(
    ['control', 'of', ...columns.map(headOf), withIntervalMark('Δnll to it', intervals)],
    `ll${'r'.repeat(columns.length)}l`,
    rows,
  )}\n${wrap(
    `none: unchanged weights, must be exactly 0; full-rank: all components, so ${roundingWords(study)}; ` +
      'random-subspace: the same number of random directions of the row space (seed 0); noise: Gaussian noise with the norm of each ' +
      'projection’s error (seed 0); other-layer: k shares a basis with the v of the next layer. ' +
      `If a control is no worse than its cell, the cell is no evidence.${fitControlWords(study, cells)}`,
  )}`;
}

/** The cell that a control belongs to, or what it rebuilds if it belongs to none. */
export function controlledName(study: Study, own: CellResult, against: CellResult | undefined): string {
  return against ? cellName(against, study) : (pcaOf(own)?.mode ?? '');
}

function anglesText({ angles }: Study): string {
  const rows = angles.map(({ layer, variance, dimensions, meanSquaredCosine, largestCosine, random }) => [
    String(layer),
    String(variance),
    dimensions.join(' : '),
    short(meanSquaredCosine),
    `${short(random.meanSquaredCosine)} (${short(random.mostMeanSquaredCosine)})`,
    short(largestCosine),
    short(random.largestCosine),
  ]);
  return `${table(['layer', 'kept', 'k : v', 'mean cos²', 'by chance', 'largest', 'by chance'], 'rrlrlrr', rows)}\n${wrap(
    `Principal angles between the leading row spaces of k and v. By chance: mean (and largest) of ${itemAt(angles, 0).random.draws} pairs of ` +
      'random subspaces of the same dimensions, seed 0; for the largest cosine, the largest of all pairs.',
  )}`;
}

function sensitivityText(sensitivity: SensitivityResult, cells: Cells): string {
  const rows = sensitivity.additivity.flatMap((one, i) => {
    const kept = sensitivity.kept[i];
    if (!one || !kept) return [];
    return [[keptText(kept) || '–', signed(one.sum), signed(one.joint), withInterval(one.difference, one.interval)]];
  });
  const intervals = sensitivity.additivity.map((one) => one?.interval);
  const joint = lookUp(cells, sensitivity.joint[0]);
  const whole = joint && pcaOf(joint);
  const ownFit = ownFitWords(sensitivity, cells);
  return [
    whole && wrap(`Operation  ${whole.mode}, mean ${whole.mean === 'keep' ? 'kept' : 'dropped'}`),
    heatMap(sensitivityMap(sensitivity, cells)),
    rankedText(sensitivity, cells),
    `${table(['kept', 'sum of the single effects', 'all at once', withIntervalMark('all − sum', intervals)], 'lrrl', rows)}\n${wrap(
      'Δnll in nats per token. If all at once equals the sum, the units do not interact; if it exceeds the sum, they amplify each other.',
    )}${ownFit ? `\n${wrap(ownFit)}` : ''}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** Units that the ranked table lists. */
const mostRanked = 10;

/** The units that are cut, the worst first, with their intervals; nothing for layers and projections, which the map has. */
function rankedText({ by, rows }: SensitivityResult, cells: Cells): string | undefined {
  const measured = rows.flatMap((row) => {
    const cell = row.unit === undefined ? undefined : lookUp(cells, row.cells[0]);
    return cell ? [{ name: unitName(by, row), scores: cell.scores }] : [];
  });
  if (measured.length === 0) return undefined;
  const ranked = measured.toSorted((a, b) => b.scores.deltaNll - a.scores.deltaNll).slice(0, mostRanked);
  const intervals = ranked.map(({ scores }) => scores.intervals.deltaNll);
  const rest = measured.length > mostRanked ? `\n${wrap(`The ${mostRanked} largest of ${measured.length}.`)}` : '';
  return `${table(
    [unitWords[by], withIntervalMark('Δnll', intervals), 'KL'],
    'llr',
    ranked.map(({ name, scores }) => [
      name,
      withInterval(scores.deltaNll, scores.intervals.deltaNll),
      short(scores.kl),
    ]),
  )}${rest}`;
}

function secondsText({ total = 0, score = 0, ...rest }: Readonly<Record<string, number>>): string {
  const stages = Object.entries({ ...rest, score, total }).filter(([, value]) => value >= 0.05);
  return labelled('Seconds', stages.map(([stage, value]) => `${stage} ${value.toFixed(1)}`).join(', '));
}
