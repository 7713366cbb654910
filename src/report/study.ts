// A study → what a person reads in a terminal: cells, matched pairs, controls, angles, sensitivity.
import type { TaskScores } from '../measure/tasks.ts';
import type { Difference, SensitivityResult, Study } from '../study/results.ts';
import { type Cells, cellName, gridCells, inOrder, parametersAxis, sensitivityMap, studyCharts } from './cells.ts';
import { counted, figure, integer, percent, short, signed, table, withInterval, wrap } from './format.ts';
import { heatMap } from './heat.ts';
import { lineChart } from './plot.ts';
import { scoredUnits } from './text.ts';

/** Mean KL over Llama-2-7B's 16-bit weights on wikitext-2, as llama.cpp's perplexity tool documents it. */
const yardstick = 'q8_0 0.0004, q6_K 0.002, q4_K_M 0.013, q2_K 0.11';

export function studyText(
  study: Study,
  cells: Cells,
  folder: string,
  seconds?: Readonly<Record<string, number>>,
): string {
  const { model, text, original } = study;
  const there = study.cells.filter((id) => cells.has(id)).length;
  const cut = text.cut > 0 ? `, ${integer(text.cut)} of them cut to ${integer(text.maxTokens)}` : '';
  return [
    [
      wrap(`Model      ${model.ref}, ${model.layers} layers, ${integer(model.parameters)} parameters, ${model.dtype}`),
      wrap(`Text       ${scoredUnits(text)}${cut}, ${counted(text.tokens, 'token')} of ${text.text}`),
      wrap(`Rule       ${text.rule}; intervals: ${text.intervalRule}`),
      ...(study.notes ?? []).map((note) => wrap(`Note       ${note}`)),
      original && `Original   nll ${figure(original.scores.nll)}, perplexity ${figure(original.scores.perplexity)}`,
    ]
      .filter(Boolean)
      .join('\n'),
    there < study.cells.length &&
      `${there} of ${counted(study.cells.length, 'cell')} are there; the others are another part's.`,
    ...(study.kind === 'sweep' ? sweepParts(study, cells) : []),
    study.sensitivity && sensitivityText(study, study.sensitivity, cells),
    seconds && secondsText(seconds),
    `Written    ${folder}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** Every cell in a line of comma-separated values, under a line of names. */
export function studyCsv(study: Study, cells: Cells): string {
  const columns = [
    ...[
      'id',
      'mode',
      'variance',
      'rank',
      'mean',
      'center',
      'balance',
      'allocate',
      'targets',
      'layers',
      'match',
      'control',
    ],
    ...['mean_rank', 'kv_width', 'parameters_dense', 'parameters_factored', 'relative_error', 'relative_error_kv'],
    ...['nll', 'perplexity', 'delta_nll', 'delta_nll_low', 'delta_nll_high', 'kl', 'kl_low', 'kl_high'],
    ...['kl_median', 'kl_p99', 'kl_p999', 'kl_max', 'delta_p_mean', 'delta_p_rms', 'same_top', 'task_accuracy'],
  ];
  const rows = inOrder(study, cells).map(({ id, operation: o, extent, scores: s, tasks }) => [
    ...[id, o.mode, o.variance, o.rank, o.mean, o.center ? 'on' : 'off', o.balance, o.allocate, o.targets.join(' ')],
    ...[o.layers.join(' '), o.match ? `${o.match.rule} of ${o.match.of}` : '', o.control],
    ...[extent?.rank, extent?.width, extent?.parameters.dense, extent?.parameters.factored],
    ...[extent?.relativeError, extent?.relativeErrorKv],
    ...[s.nll, s.perplexity, s.deltaNll, s.intervals.deltaNll?.[0], s.intervals.deltaNll?.[1]],
    ...[s.kl, s.intervals.kl?.[0], s.intervals.kl?.[1]],
    ...[s.klQuantiles.median, s.klQuantiles.p99, s.klQuantiles.p999, s.klQuantiles.max],
    ...[s.deltaP.mean, s.deltaP.rms, s.sameTop, tasks?.accuracy],
  ]);
  return [columns, ...rows].map((row) => row.map((value) => value ?? '').join(',')).join('\n');
}

function sweepParts(study: Study, cells: Cells): (string | false | undefined)[] {
  const charts = studyCharts(study, cells).filter(({ x }) => x.label !== parametersAxis);
  return [
    cellsText(study, cells),
    tasksText(study, cells),
    ...charts.map((chart) => lineChart(chart)),
    study.pairs.length > 0 && pairsText(study, cells),
    study.controls.length > 0 && controlsText(study, cells),
    study.angles.length > 0 && anglesText(study),
    wrap(
      `For comparison, the mean KL that llama.cpp publishes for its quantisations of Llama-2-7B: ${yardstick}. Another model ` +
        'and another text: a yardstick, not a baseline.',
    ),
  ];
}

function cellsText(study: Study, cells: Cells): string {
  const rows = gridCells(study, cells).map(({ operation, extent, scores }) => [
    cellName(operation, study),
    extent ? extent.width.toFixed(1) : '',
    extent ? percent(extent.parameters.factored / extent.parameters.dense, 0) : '',
    short(scores.perplexity),
    withInterval(scores.deltaNll, scores.intervals.deltaNll),
    short(scores.kl),
  ]);
  return `${table(['cell', 'width', 'size', 'ppl', 'Δnll [95 %]', 'KL'], 'lrrrlr', rows)}\n${wrap(
    'width: components for k and v a layer; size: parameters as factors, of the dense ones; = width, = size, = error: the ' +
      'separate partner of the shared cell above it.',
  )}`;
}

function tasksText(study: Study, cells: Cells): string | undefined {
  const { original, tasks } = study;
  if (!original?.tasks || !tasks) return undefined;
  const row = (name: string, { correct, questions, accuracy, interval }: TaskScores) => [
    ...[name, `${correct} of ${questions}`, percent(accuracy)],
    `[${interval.map((end) => percent(end)).join(', ')}]`,
  ];
  const rows = gridCells(study, cells).flatMap((cell) =>
    cell.tasks ? [row(cellName(cell.operation, study), cell.tasks)] : [],
  );
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
        rule === 'parameters' ? 'size' : rule,
        cellName(a.operation, study),
        `${a.extent?.width.toFixed(0)} : ${b.extent?.width.toFixed(0)}`,
        withInterval(difference.deltaNll, difference.interval),
        signed(difference.deltaKl),
        verdict(difference, met, rule === 'allocate' ? ['global', 'uniform'] : ['shared', 'separate']),
      ],
    ];
  });
  return `${table(['equal', 'cell', 'width', 'Δnll [95 %]', 'ΔKL', 'better'], 'llllrl', rows)}\n${wrap(
    'A shared cell less its separate partner, or ranks spread over the layers less uniform ones (allocate), on the same ' +
      'documents: above 0, the partner is better. equal: what both have in common in every layer. variance: the threshold, at unequal cost; width: components for k and v; size: parameters, rank × (in + ' +
      'Σ out); error: the Frobenius error over what shares a PCA. Where q shares none, it is operated on alike. At equal width sharing never has the larger weight ' +
      'error, at equal rank of each matrix never the smaller (Eckart–Young, means aside): these are different questions. ' +
      '“–”: the interval holds 0.',
  )}`;
}

/** Which of a pair is better, if that can be told. */
export function verdict(
  { interval, deltaNll }: Difference,
  met: boolean | null,
  [cell, partner]: readonly [string, string],
): string {
  if (met === false) return 'not met';
  if (interval === null || (interval[0] <= 0 && interval[1] >= 0)) return '–';
  return deltaNll > 0 ? partner : cell;
}

function controlsText(study: Study, cells: Cells): string {
  const rows = study.controls.flatMap(({ control, cell, of, difference }) => {
    const [own, against] = [cells.get(cell), cells.get(of ?? '')];
    if (!own) return [];
    return [
      [
        control,
        against ? cellName(against.operation, study) : control === 'none' ? '' : own.operation.mode,
        short(own.scores.perplexity),
        short(own.scores.kl),
        difference ? withInterval(difference.deltaNll, difference.interval) : '',
      ],
    ];
  });
  return `${table(['control', 'of', 'ppl', 'KL', 'Δnll to it [95 %]'], 'llrrl', rows)}\n${wrap(
    'none: the weights put in place of themselves, exactly 0 if all is well; full-rank: all components, so the rounding to the ' +
      'dtype alone; random-subspace: as many random directions of the row space (seed 0); noise: normal noise as large as the error ' +
      'of each projection (seed 0); other-layer: k shares with the v of the next layer. Where a control is no worse than its cell, ' +
      'the cell shows nothing.',
  )}`;
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
    `Principal angles between the leading row spaces of k and v. By chance: ${angles[0]?.random.draws ?? 0} pairs of random ` +
      'subspaces of the same dimensions, seed 0: their mean (and their largest); the largest cosine of all.',
  )}`;
}

function sensitivityText(study: Study, sensitivity: SensitivityResult, cells: Cells): string {
  const rows = sensitivity.additivity.flatMap((one, i) => {
    const kept = sensitivity.kept[i];
    if (!one || !kept) return [];
    return [
      [
        'variance' in kept ? `variance ${kept.variance}` : `rank ${kept.rank}`,
        signed(one.sum),
        signed(one.joint),
        withInterval(one.difference, one.interval),
      ],
    ];
  });
  const [some] = inOrder(study, cells);
  return [
    some && wrap(`Operation  ${some.operation.mode}, mean ${some.operation.mean === 'keep' ? 'kept' : 'dropped'}`),
    heatMap(sensitivityMap(sensitivity, cells)),
    `${table(['kept', 'sum of the parts', 'all at once', 'all less sum [95 %]'], 'lrrl', rows)}\n${wrap(
      'Δnll in nats. Where all at once is the sum, the parts do not act on each other; above it, they make each other worse.',
    )}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

function secondsText({ total = 0, score = 0, ...rest }: Readonly<Record<string, number>>): string {
  const stages = Object.entries({ ...rest, score, total }).filter(([, value]) => value > 0);
  const samples = (rest.generate ?? 0) + (rest.answer ?? 0);
  const share = score > 0 ? (total - samples) / score : 0;
  return wrap(
    `Seconds    ${stages.map(([stage, value]) => `${stage} ${value.toFixed(1)}`).join(', ')}. Without samples and tasks ` +
      `${share.toFixed(2)} × the scoring alone.`,
  );
}
