// Results as text for a terminal, fitted to its width.

import type { GroupReport, LayerReport } from '../../operations/pca/report.ts';
import { describeRecipe } from '../../operations/recipe.ts';
import { itemAt } from '../../platform/indexing.ts';
import { rangesText } from '../../platform/option-values.ts';
import { programName } from '../../platform/program.ts';
import type { EvalResult, InspectedText, InspectResult, PullResult } from '../../results/outputs.ts';
import type { RunResult } from '../../results/run.ts';
import type { CalibrationInfo, ModelInfo, PromptInfo, SamplingInfo } from '../../results/shapes.ts';
import type { ScoredText } from '../../scores/likelihood.ts';
import type { Comparison, Score } from '../../scores/registry.ts';
import type { TaskScore, TaskScores } from '../../scores/tasks.ts';
import type { Interval } from '../../scores/token-sums.ts';
import { completionText, layersOf, projectionErrors, storedWords } from '../cells.ts';
import { fewDocumentsWords, trusted, unitsText } from '../findings.ts';
import { counted, figure, integer, labelled, percent, printable, sideBySide, size, table, wrap } from '../format.ts';
import {
  errorText,
  headOf,
  precise,
  type Scored,
  scoresIn,
  scoreText,
  storesOtherwise,
  worseMark,
  worseNote,
} from '../scores.ts';
import { type Style, styled } from '../screen.ts';
import { breaksModel, evalVerdict, runVerdict } from '../verdict.ts';
import { bar, sparkline } from './blocks.ts';

export function modelText({ ref, path, architecture, layers, parameters, dtype, notice }: ModelInfo): string {
  return [
    // A terminal that shows both streams has it already, as the first line of the progress.
    ...(notice && !(process.stdout.isTTY && process.stderr.isTTY) ? [wrap(notice)] : []),
    `Model      ${printable(ref)}`,
    ...(path === undefined ? [] : [`Folder     ${printable(path)}`]),
    `Shape      ${architecture}, ${counted(layers, 'layer')}, ${integer(parameters)} parameters, ${dtype}`,
  ].join('\n');
}

export function runText(whole: RunResult): string {
  const run = trusted(whole, whole.text);
  const { cell, original, seconds, dtype, model, tasks } = run;
  return sections([
    [
      modelText(model),
      wrap(`Operation  ${describeRecipe(cell.recipe, model.layers)}, weights in ${dtype}, ${run.precision}`),
      ...calibrationLines(run.calibration),
      resultText(runVerdict(run), breaksModel(run) ? 'red' : 'bold'),
    ]
      .filter(Boolean)
      .join('\n'),
    dtype !== model.dtype &&
      dtype !== 'F32' &&
      wrap(
        `All weights of the written checkpoint are in ${dtype}. The figures below were measured with the weights ` +
          `outside the operation in ${model.dtype}: ${programName()} eval on the written checkpoint gives its own.`,
      ),
    layersText(layersOf(cell)),
    footprintText(cell),
    samplesText(run),
    scoresText(
      run.text,
      [
        ['original', original.scores],
        ['operated', cell.scores],
      ],
      run.calibration,
    ),
    tasks &&
      original.tasks &&
      cell.tasks &&
      tasksText(tasks.file, tasks.rule, { original: original.tasks, operated: cell.tasks }),
    wrap(
      `Seconds    ${Object.entries(seconds)
        .map(([stage, value]) => `${stage} ${value.toFixed(1)}`)
        .join(', ')}`,
    ),
    run.output !== undefined && `Written    ${run.output}`,
  ]);
}

/** "64 documents, 32,768 tokens of wiki.txt (SHA-256 0123456789abcdef…): each document alone, …" */
export function calibrationText({ text, documents, tokens, rule, documentsSha256 }: CalibrationInfo): string {
  return `${counted(documents, 'document')}, ${counted(tokens, 'token')} of ${text} (SHA-256 ${documentsSha256.slice(0, 16)}…): ${rule}`;
}

/** What stands under every table of figures that were measured on text that was calibrated on. */
export function leakText(calibration: CalibrationInfo | undefined): string | undefined {
  return calibration?.leak === undefined
    ? undefined
    : `Leak (--allow-leak): ${calibration.leak}; the figures are no estimate for other text.`;
}

/** What a reader should know of a calibration text before trusting the figures, a sentence each. */
export function calibrationNotes(calibration: CalibrationInfo): string[] {
  const leak = leakText(calibration);
  return [...(leak ? [leak] : []), ...(calibration.notes ?? [])];
}

/** The calibration text and notes on it, as lines above figures. */
export function calibrationLines(calibration: CalibrationInfo | undefined, width?: number): string[] {
  if (!calibration) return [];
  return [
    labelled('Fitted to', calibrationText(calibration), width),
    ...calibrationNotes(calibration).map((note) => labelled('Note', note, width)),
  ];
}

/** The findings in sentences; undefined if there are none. */
export function resultText(sentences: readonly string[], style: Style = 'bold'): string {
  return sentences.length > 0 ? styled(labelled('Result', sentences.join(' ')), style) : '';
}

/** Parameters, or bytes where these say more, of the touched weights, dense and reduced; nothing where they are unknown. */
function footprintText({ footprint, recipe }: RunResult['cell']): string | undefined {
  if (!footprint) return undefined;
  const unit = storesOtherwise({ footprint }) && footprint.bytes ? 'bytes' : 'parameters';
  const { dense, reduced } = footprint[unit] ?? footprint.parameters;
  const keepsMeans = recipe.some((one) => one.kind === 'pca' && one.center && one.mean === 'keep');
  return wrap(
    `The modified projections have ${integer(dense)} ${unit}; ${storedWords(recipe)} they would need ` +
      `${integer(reduced)} (${percent(reduced / dense)})${keepsMeans ? ', the kept means apart' : ''}. The dense rewrite itself saves nothing.`,
  );
}

export function evalText(whole: EvalResult): string {
  const result = trusted(whole, whole.scores);
  const { recipe, base, model, baseScores } = result;
  const isVariant = recipe !== undefined && base?.sha256 === model.sha256;
  const rows: [string, Score | Comparison][] = baseScores
    ? [
        [isVariant ? 'original' : 'base', baseScores],
        [isVariant ? 'operated' : 'model', result.scores],
      ]
    : [[model.ref, result.scores]];
  return sections([
    modelText(result.model),
    [
      result.recipe && wrap(`Operation  ${describeRecipe(result.recipe, result.model.layers)}`),
      ...calibrationLines(result.calibration),
      result.base && `Base       ${result.base.ref}`,
      precisionText(result, rows),
      resultText(evalVerdict(result)),
    ]
      .filter(Boolean)
      .join('\n'),
    scoresText(result.scores, rows, result.calibration),
    result.tasks && tasksText(result.tasks.file, result.tasks.rule, { accuracy: result.tasks }),
  ]);
}

/** Which model ran in int8 and which in fp32; empty if all ran in fp32. */
function precisionText(
  { precision, basePrecision }: EvalResult,
  rows: readonly (readonly [string, unknown])[],
): string {
  if (precision === 'fp32') return '';
  const named = rows.map(([name], i) => `${i === 0 ? basePrecision : precision} for the ${name}`);
  return wrap(`Precision  ${basePrecision ? named.join(', ') : precision}`);
}

/** @param all a line for each tensor; else one for each kind of tensor */
export function weightsText(result: InspectResult, all: boolean): string {
  const tensors = all
    ? result.tensors.map(({ name, shape, dtype, parameters }) => [
        printable(name),
        shape.join(' × '),
        dtype,
        integer(parameters),
      ])
    : tensorKinds(result.tensors);
  const empty = tensors[0]?.slice(2).map(() => '') ?? [];
  tensors.push(['all tensors', ...empty, integer(result.model.parameters)]);
  const [head, align] = all
    ? [['tensor', 'shape', 'dtype', 'parameters'], 'lllr']
    : [['tensor', 'layers', 'shape', 'dtype', 'parameters'], 'llllr'];
  const ranks = result.spectra.map(({ layer, group, explainedVarianceRatio, ranks }) => [
    String(layer),
    group,
    String(explainedVarianceRatio.length),
    ...ranks.map(String),
  ]);
  return sections([
    modelText(result.model),
    table(head, align, tensors),
    `Rank at which the cumulative explained variance reaches a threshold (${result.mode})`,
    table(
      ['layer', 'group', 'of', ...result.thresholds.map((t) => String(t).replace(/^0/, ''))],
      `rlr${'r'.repeat(result.thresholds.length)}`,
      ranks,
    ),
    spectrumChart(result),
  ]);
}

/** A text as it is scored: each document or window under its number and its tokens. */
export function inspectedText({ model, text, documentsSha256, documents }: InspectedText): string {
  const unit = text.chunk === 'stream' ? 'window' : 'document';
  return sections([
    modelText(model),
    [
      labelled('Text', `${unitsText(text)}${cutText(text)}, ${counted(text.tokens, 'scored token')} of ${text.text}`),
      labelled('Rule', text.rule),
      ...textNotes(text, []).map((note) => labelled('Note', note)),
      `SHA-256    ${documentsSha256}`,
    ].join('\n'),
    ...documents.map(
      ({ text: own, ids }, i) =>
        `=== ${unit} ${i + 1} of ${documents.length}, ${counted(ids.length, 'token')}\n${printable(own)}`,
    ),
  ]);
}

/** One row for each tensor name, all layers together: "q_proj  0-29  576 × 576  BF16  9,953,280". */
function tensorKinds(tensors: InspectResult['tensors']): string[][] {
  const kinds = new Map<string, { name: string; layers: number[]; rest: string[]; parameters: number }>();
  for (const { name, layer, shape, dtype, parameters } of tensors) {
    const own = name.replace(/^.*\.\d+\./, '').replace(/^(self_attn|mlp)\.|\.weight$/g, '');
    const rest = [shape.join(' × '), dtype];
    const key = [layer === undefined, own, ...rest].join();
    const kind = kinds.get(key) ?? { name: printable(own), layers: [], rest, parameters: 0 };
    if (layer !== undefined) kind.layers.push(layer);
    kinds.set(key, { ...kind, parameters: kind.parameters + parameters });
  }
  return [...kinds.values()].map(({ name, layers, rest, parameters }) => [
    name,
    rangesText(layers),
    ...rest,
    integer(parameters),
  ]);
}

/** Cumulative explained variance over the components, and the rank at 0.9 as a share of all. */
function spectrumChart({ spectra, thresholds }: InspectResult): string {
  const marked = thresholds.indexOf(0.9);
  const rows = spectra.map(({ layer, group, explainedVarianceRatio, ranks }) => {
    let sum = 0;
    const cumulative = explainedVarianceRatio.map((share) => (sum += share));
    const share = itemAt(ranks, marked) / explainedVarianceRatio.length;
    return [String(layer), group, `│${sparkline(cumulative, 26)}│`, `${bar(share, 20)} ${percent(share, 0)}`];
  });
  return table(['layer', 'group', 'cumulative variance, 0 to 1', 'rank at 0.9, of all'], 'rlll', rows);
}

export function pullText({ ref, path, commit, files, bytes, received }: PullResult): string {
  const rows = files.map((file) => [printable(file.path), size(file.bytes), `${file.hash.slice(0, 16)}…`]);
  return sections([
    [
      `Model      ${printable(ref)}`,
      `Folder     ${printable(path)}`,
      `Commit     ${commit}`,
      `Loaded     ${size(received)} of ${size(bytes)}, ${received < bytes ? 'the rest was there' : 'all checked'}`,
    ].join('\n'),
    table(['file', 'size', 'hash'], 'lrl', rows),
  ]);
}

/** One row per group; all heads of a projection in one row. */
function layersText(layers: readonly LayerReport[]): string | false {
  if (layers.length === 0) return false;
  const hasOutputs = layers.some(({ groups }) => groups.some(({ outputError }) => outputError));
  const rows = layers.flatMap(({ layer, groups }) =>
    classes(groups).map(([name, members], i) => [
      i === 0 ? String(layer) : '',
      members.length > 1 ? `${name}, ${members.length} heads` : name,
      `${span(members.map(({ rank }) => rank))} / ${itemAt(members, 0).of}`,
      percent(mean(members.map(({ explained }) => explained))),
      [...projectionErrors(members)].map(([projection, error]) => `${projection} ${errorText(error)}`).join('  '),
      ...(hasOutputs ? [outputErrorsText(members)] : []),
    ]),
  );
  const isMarked = rows.some(([, , , , errors]) => errors?.includes(worseMark));
  const note = isMarked ? `\n${wrap(worseNote)}` : '';
  const head = ['layer', 'group', 'rank / of', 'explained', 'relative error', ...(hasOutputs ? ['of outputs'] : [])];
  const outputs = hasOutputs
    ? `\n${wrap('relative error: of the weights; of outputs: of what they give on the calibration text, √(tr(E C Eᵀ) / tr(W C Wᵀ)).')}`
    : '';
  return table(head, hasOutputs ? 'rlrrll' : 'rlrrl', rows) + note + outputs;
}

/** The relative error of each projection's outputs; of several heads the least and the most. */
function outputErrorsText(members: readonly GroupReport[]): string {
  const projections = [...new Set(members.flatMap(({ outputError = {} }) => Object.keys(outputError)))];
  return projections
    .map((projection) => {
      const errors = members.flatMap(({ outputError }) => outputError?.[projection] ?? []);
      const ends = [...new Set([Math.min(...errors), Math.max(...errors)].map((error) => errorText(error)))];
      return `${projection} ${ends.join('-')}`;
    })
    .join('  ');
}

/** Groups by their name without a head, in their order. */
function classes(groups: readonly GroupReport[]): (readonly [string, readonly GroupReport[]])[] {
  const names = [...new Set(groups.map(({ name }) => groupClass(name)))];
  return names.map((name) => [name, groups.filter((group) => groupClass(group.name) === name)]);
}

/** A group's name without its head. */
export function groupClass(name: string): string {
  return name.replace(/\.\d+$/, '');
}

function span(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least === most ? String(least) : `${least}-${most}`;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function samplesText({ sampling, notes = [], original, cell, tokensPerSecond }: RunResult): string {
  if (original.samples.length === 0) return '';
  const pairs = original.samples.map((sample, i) =>
    [
      wrap(`Prompt: ${sample.prompt.trim()}`),
      sideBySide(['original', 'operated'], [completionText(sample), completionText(itemAt(cell.samples, i))]),
      speedText([itemAt(tokensPerSecond.original, i), itemAt(tokensPerSecond.variant, i)]),
    ]
      .filter(Boolean)
      .join('\n'),
  );
  const head = [
    `Samples (${samplingText(sampling)}, at most ${sampling.maxNewTokens} new tokens)`,
    ...[...promptWords(sampling), ...notes].map((line) => wrap(printable(line))),
  ];
  return sections([head.join('\n'), ...pairs]);
}

/** "original 20.2, operated 19.8 tokens/s"; no rate of a text of one token or none, which is said of one of the two. */
function speedText(rates: readonly [original: number, operated: number]): string {
  const names = ['original', 'operated'];
  const named = rates.flatMap((rate, i) => (rate > 0 ? `${names[i]} ${rate.toFixed(1)}` : []));
  const without = names.filter((_, i) => rates[i] === 0);
  const none = without.length === 1 ? ` (${without.join()}: no rate of one token or none)` : '';
  return named.length > 0 ? `${named.join(', ')} tokens/s${none}` : '';
}

/** "temperature 0.7, top-p 0.9, seed 0"; settings without effect are left out. */
export function samplingText({ temperature, topP, topK, repetitionPenalty, seed }: SamplingInfo): string {
  const penalty = repetitionPenalty !== 1 && `repetition penalty ${repetitionPenalty}`;
  if (temperature === 0) return ['greedy', penalty].filter(Boolean).join(', ');
  const drawn = [`temperature ${temperature}`, `top-p ${topP}`, topK > 0 && `top-k ${topK}`, penalty, `seed ${seed}`];
  return drawn.filter(Boolean).join(', ');
}

function scoresText(
  text: ScoredText,
  scores: readonly (readonly [string, Score | Comparison])[],
  calibration: CalibrationInfo | undefined,
): string {
  const leak = leakText(calibration);
  const columns = scoresIn(
    'evaluation',
    scores.map(([, score]) => ({ scores: score })),
  ).map(precise);
  const rows = scores.map(([name, score]) => [name, ...columns.map((one) => scoreText(one, { scores: score }))]);
  const rule = `${unitsText(text)}${cutText(text)}, ${counted(text.tokens, 'token')} of ${text.text}: ${text.rule}`;
  const [[base = ''] = []] = scores;
  const differences = scores.flatMap(([name, score]) =>
    'kl' in score ? [differenceText(`${name} − ${base}`, score, text)] : [],
  );
  const head = ['scores', ...columns.map(headOf)];
  return [
    table(head, `l${'r'.repeat(columns.length)}`, rows),
    ...differences,
    ...[
      rule,
      ...textNotes(
        text,
        scores.map(([, score]) => score),
      ),
      ...(leak ? [leak] : []),
    ].map((line) => wrap(line)),
  ].join('\n');
}

/** How prompts were wrapped in the chat template, one sentence each. */
export function promptWords({ system, chat }: PromptInfo): string[] {
  return [
    system !== undefined && `System message: “${system}”.`,
    chat !== undefined && `Conversations of a file (SHA-256 ${chat.slice(0, 16)}…).`,
  ].filter((words) => words !== false);
}

/** ", 3 of them cut to 512" */
export function cutText({ cut, documents, maxTokens }: ScoredText): string {
  const which = documents > 1 ? `${integer(cut)} of them ` : '';
  return cut > 0 ? `, ${which}cut to ${integer(maxTokens)}` : '';
}

/**
 * What a reader should know of the text before trusting the scores, a sentence each.
 * @param scored what is shown of it: differences from an original have intervals
 */
export function textNotes(text: ScoredText, scored: readonly Scored['scores'][]): string[] {
  const few = scored.some(({ intervals }) => intervals) && fewDocumentsWords(text);
  const { unread = 0, isCounted } = text;
  const number = isCounted ? counted(unread, 'token') : `About ${counted(Number(unread.toPrecision(1)), 'token')}`;
  return [
    ...(unread > 0 ? [`${number} ${unread === 1 ? 'was' : 'were'} not read; --chunk stream reads on.`] : []),
    ...(few ? [few] : []),
  ];
}

/** @param what "operated − original" */
function differenceText(
  what: string,
  { deltaNll, intervals, kl, klQuantiles, deltaP }: Comparison,
  text: ScoredText,
): string {
  const between = (ends: Interval) => (ends ? ` [${ends.map(figure).join(', ')}]` : '');
  const rule = intervals.deltaNll || intervals.kl ? ` (${text.intervalRule})` : '';
  return [
    `${what}: ΔNLL ${figure(deltaNll)}${between(intervals.deltaNll)}, KL ${figure(kl)}${between(intervals.kl)}${rule}`,
    `per-token KL: median ${figure(klQuantiles.median)}, p99 ${figure(klQuantiles.p99)}, p99.9 ${figure(klQuantiles.p999)}, ` +
      `max ${figure(klQuantiles.max)}; Δp: mean ${percent(deltaP.mean, 2)}, RMS ${percent(deltaP.rms, 2)}`,
  ]
    .map((line) => wrap(line))
    .join('\n');
}

function tasksText(file: string, rule: string, columns: Readonly<Record<string, TaskScores>>): string {
  const [first] = Object.values(columns);
  if (!first) return '';
  const row = (
    name: string,
    { questions, chance }: TaskScore,
    of: (scores: TaskScores) => TaskScore | undefined,
  ): string[] => [
    name,
    integer(questions),
    ...Object.values(columns).map((scores) => accuracyText(of(scores))),
    percent(chance),
  ];
  const rows = [
    ...Object.entries(first.byTask).map(([name, own]) => row(name, own, (scores) => scores.byTask[name])),
    row('all', first, (scores) => scores),
  ];
  const head = ['tasks', 'questions', ...Object.keys(columns), 'chance'];
  return `${table(head, `lr${'r'.repeat(head.length - 2)}`, rows)}\n${wrap(`${file}: ${rule}; in brackets Wilson's 95 % interval`)}`;
}

/** A share and Wilson's interval. */
function accuracyText(score: { accuracy: number; interval: readonly [number, number] } | undefined): string {
  if (!score) return '';
  return `${percent(score.accuracy)} [${score.interval.map((end) => percent(end, 0).replace(' %', '')).join(', ')}]`;
}

function sections(parts: readonly (string | undefined | false)[]): string {
  return parts.filter(Boolean).join('\n\n');
}
