// What scores mean, in sentences: the terminal prints them, pages show them. Words only; every figure is a result's.

import { layersName } from '../operations/where.ts';
import { itemAt, lookUp } from '../platform/indexing.ts';
import { rangesText } from '../platform/option-values.ts';
import type { EvalResult } from '../results/outputs.ts';
import type { Diagnosis, RunResult } from '../results/run.ts';
import type { CellResult, Difference, Study } from '../results/study.ts';
import type { Comparison, Score } from '../scores/registry.ts';
import type { TaskScore } from '../scores/tasks.ts';
import { bySeries, type Cells, cellName, gridCells, keptName, keptText, pcaOf, unitName } from './cells.ts';
import { areMany, type Units, unitsText } from './findings.ts';
import { counted, integer, listed, percent, perplexity, sentence, short, signed } from './format.ts';
import { sizeText, storesOtherwise, valueText } from './scores.ts';

/**
 * Mean KL from the 16-bit weights of Llama-3-8B on wikitext-2, nats per token, of its quantisations without an importance
 * matrix: the scoreboard in the README of llama.cpp's perplexity tool.
 */
const quantisations = [
  ['q8_0', 0.0014],
  ['q6_K', 0.0055],
  ['q4_K_M', 0.031],
  ['q3_K_M', 0.1],
  ['q2_K', 0.445],
] as const;

/** All of the yardstick, for a table's note. */
export const yardstickText =
  'For comparison, the mean KL that llama.cpp publishes for its quantisations of Llama-3-8B: ' +
  `${quantisations.map(([name, kl]) => `${name} ${kl}`).join(', ')}. Another model and another text: a yardstick, not a baseline.`;

/** The quantisation whose KL is nearest by its logarithm; outside their range only on which side of it the loss lies. */
function nearestText(kl: number): string {
  const [[finest, least]] = quantisations;
  const [coarsest, most] = itemAt(quantisations, quantisations.length - 1);
  if (kl < least) return `That is below llama.cpp's ${finest} (${least} on Llama-3-8B).`;
  if (kl > most) return `llama.cpp's coarsest, ${coarsest}, costs ${most} on Llama-3-8B.`;
  const distance = (each: number) => Math.abs(Math.log(each / kl));
  const [name, nearest] = quantisations.reduce((best, one) => (distance(one[1]) < distance(best[1]) ? one : best));
  return `llama.cpp's ${name} costs ${nearest} on Llama-3-8B.`;
}

/**
 * A variant is of the first class whose limits it meets: mean KL below `kl`, nats per token, and at least a share `sameTop`
 * of predictions with the original's first token. The limits of KL lie between those of {@link quantisations}.
 */
const severities = [
  { name: 'negligible', kl: 0.01, sameTop: 0.95, words: 'hardly distinguishable from the original' },
  { name: 'small', kl: 0.05, sameTop: 0.9, words: 'a small loss' },
  { name: 'noticeable', kl: 0.2, sameTop: 0.8, words: 'a noticeable loss' },
  { name: 'severe', kl: 1, sameTop: 0.5, words: 'a severe loss' },
] as const satisfies readonly { name: string; kl: number; sameTop: number; words: string }[];
const broken = { name: 'broken', words: 'the model is broken' } as const;

type Limits = Pick<Comparison, 'kl' | 'sameTop'>;

const meets = ({ kl, sameTop }: Limits, limits: Limits) => kl < limits.kl && sameTop >= limits.sameTop;

const limitsText = ({ kl, sameTop }: Limits) => `under KL ${kl} with at least ${percent(sameTop, 0)} top-1 agreement`;

function classOf(scores: Limits) {
  return severities.find((limits) => meets(scores, limits)) ?? broken;
}

/** Whether a variant loses so much, a broken one included, that milder ones are worth trying. */
export function isSevere(scores: Limits): boolean {
  return ['severe', 'broken'].includes(classOf(scores).name);
}

export function isBroken(scores: Limits): boolean {
  return classOf(scores) === broken;
}

/**
 * The loss of a variant in sentences: "KL 9.07 nats/token: the model is broken.", then what survives, and a yardstick.
 * @param vocabulary tokens to choose from: a model that only guesses has nothing to lose
 */
export function lossWords(scores: Comparison, text: Units, vocabulary?: number): string[] {
  const { kl, sameTop, nll, deltaNll } = scores;
  if (kl === 0 && sameTop === 1) return ['KL 0: the predictions are exactly those of the original.'];
  const verdict = guesses({ nll: nll - deltaNll }, vocabulary) ? '' : severityWords(scores, text);
  return [
    `KL ${short(kl)} nats/token${verdict}.`,
    survivingText(sameTop),
    nearestText(kl),
    ...perplexityWords(scores, text),
  ];
}

/** ": a small loss". No interval, no verdict: of few documents only that the model breaks on them, which needs none. */
function severityWords(scores: Comparison, text: Units): string {
  const { intervals, sameTop } = scores;
  const { name, words } = classOf(scores);
  if (!areMany(text)) {
    const those = unitsText(text);
    return name === 'broken' ? ` on ${those}: ${words} there` : `: ${those} ${areFewText(text)} for a verdict`;
  }
  if (name !== 'negligible') return `: ${words}`;
  if ((intervals.deltaNll?.[0] ?? 0) > 0) return ': a very small loss, but a measurable one';
  const most = classOf({ kl: intervals.kl?.[1] ?? scores.kl, sameTop });
  return `: ${most.name === name ? words : `${most.words} at most`}`;
}

const areFewText = ({ documents }: Units) => `${documents === 1 ? 'is' : 'are'} too few`;

/** How perplexity moved, where the class of the loss does not say it: by how much, if no interval says whether at all. */
function perplexityWords({ nll, deltaNll, intervals }: Comparison, text: Units): string[] {
  if (!areMany(text))
    return [
      `Perplexity ${perplexity(Math.exp(nll - deltaNll))} → ${perplexity(Math.exp(nll))} (Δnll ${signed(deltaNll)}).`,
    ];
  const [low, high] = intervals.deltaNll ?? [Number.NaN, Number.NaN];
  if (high < 0) return [`Perplexity is lower than the original's: Δnll ${short(deltaNll)}.`];
  return low <= 0 ? ['Perplexity does not change measurably.'] : [];
}

function survivingText(sameTop: number): string {
  if (sameTop === 1) return 'All top-1 predictions survive.';
  const share = sameTop >= 0.9995 ? 'More than 99.9 %' : belowLimits(sameTop, sameTop > 0.99 ? 1 : 0);
  return `${share} of top-1 predictions survive.`;
}

/** In percent, with as many more digits as it takes not to be rounded up to the limit of a class. */
function belowLimits(sameTop: number, digits: number): string {
  const rounded = Number((sameTop * 100).toFixed(digits));
  const crosses = severities.some((one) => sameTop < one.sameTop && rounded >= one.sameTop * 100);
  return crosses && digits < 6 ? belowLimits(sameTop, digits + 1) : percent(sameTop, digits);
}

/** Whether a model predicts the text worse than the uniform distribution: what an edit costs it is no loss. */
function guesses({ nll }: Pick<Score, 'nll'>, vocabulary: number | undefined): vocabulary is number {
  return vocabulary !== undefined && nll > Math.log(vocabulary);
}

/** A warning if the model guesses. @param edited whether an edit of it is measured */
function guessingWords(
  name: string,
  { nll }: Pick<Score, 'nll'>,
  vocabulary: number | undefined,
  edited = true,
): string[] {
  if (!guesses({ nll }, vocabulary)) return [];
  return [
    `${sentence(name)} is worse than uniform guessing: perplexity ${perplexity(Math.exp(nll))} with ${integer(vocabulary)} tokens ` +
      `to choose from. Is it trained, and on such text?${edited ? ' What an edit changes in it is no loss.' : ''}`,
  ];
}

/** Whether a run breaks its model, which did not guess before. */
export function breaksModel({ model, original, cell }: Pick<RunResult, 'model' | 'original' | 'cell'>): boolean {
  return isBroken(cell.scores) && !guesses(original.scores, model.vocabulary);
}

/** Accuracy on questions, next to the original's if there is one; empty without questions. */
function answerWords(own: TaskScore | undefined, original?: TaskScore): string[] {
  if (!own) return [];
  const before = original ? `${percent(original.accuracy)} → ` : '';
  const level = isChance(own) ? `, not distinguishable from chance (${percent(own.chance)})` : '';
  return [
    `Questions answered correctly: ${before}${percent(own.accuracy)}${level}.`,
    ...(original && isChance(original) ? ['Nor is the original: these questions cannot show a loss.'] : []),
  ];
}

const isChance = ({ interval, chance }: TaskScore) => interval[0] <= chance;

type Verdicted = Pick<RunResult, 'model' | 'original' | 'cell' | 'text' | 'diagnosis' | 'undiagnosed'> &
  Partial<Pick<RunResult, 'precision'>>;

/** The findings of a run. */
export function runVerdict(run: Verdicted): string[] {
  const { model, original, cell, text, diagnosis, undiagnosed } = run;
  return [
    ...guessingWords('the original', original.scores, model.vocabulary),
    ...lossWords(cell.scores, text, model.vocabulary),
    ...int8Words(run.precision),
    ...(diagnosis ? diagnosisWords(diagnosis, run) : []),
    ...(undiagnosed === undefined ? [] : [`Which layer breaks it was not measured: ${undiagnosed}.`]),
    ...answerWords(cell.tasks, original.tasks),
  ];
}

/** What small losses in 8 bits may be: activations that an edit changes are rounded to other integers. */
function int8Words(precision: string | undefined): string[] {
  if (precision !== 'int8') return [];
  return [
    'Original and variant are computed in int8, whose own KL from fp32 the command prints: measure losses near it in fp32.',
  ];
}

/** Which part of an edit breaks the model, and whether the rest works. */
function diagnosisWords(
  { documents, tokens, layers, projections, rest }: Diagnosis,
  { cell, text }: Verdicted,
): string[] {
  const most = <T extends { readonly kl: number }>(parts: readonly T[]) =>
    parts.reduce<T | undefined>((worst, part) => (worst && worst.kl >= part.kl ? worst : part), undefined);
  const [layer, projection] = [most(layers), most(projections)];
  const worst = projection
    ? `${projection.projection} of layer ${projection.layer} alone costs KL ${short(projection.kl)}`
    : layer && `layer ${layer.layer} alone costs KL ${short(layer.kl)}`;
  if (!worst) return [];
  const whole = projection && layer && layers.length > 1 ? `, all of the layer ${short(layer.kl)}` : '';
  const read = cell.byDocument.tokens.slice(0, documents).reduce((sum, one) => sum + one, 0);
  const some = `${read === tokens ? 'the first' : 'the beginnings of the first'} ${unitsText({ ...text, documents })}`;
  const where = documents === text.documents && read === tokens ? '' : `On ${some}, ${counted(tokens, 'token')}: `;
  const without = layers.filter((one) => !rest?.layers.includes(one.layer)).map((one) => one.layer);
  return [
    `${where}${where ? worst : sentence(worst)}${whole}.`,
    ...(rest?.works
      ? [
          `Without ${layersName(without)} the cut costs KL ${short(rest.kl)} there${pcaOf(cell) ? `: try --layers ${rangesText(rest.layers)}` : ''}.`,
        ]
      : []),
    ...(rest && !rest.works
      ? [`Without its worst layers, ${rangesText(without)}, it still breaks the model there: KL ${short(rest.kl)}.`]
      : []),
  ];
}

/** The findings of an evaluation: with a base the loss, without one only warnings. */
export function evalVerdict({ model, scores, tasks }: EvalResult): string[] {
  if (!('kl' in scores))
    return [
      ...guessingWords('the model', scores, model.vocabulary, false),
      ...(tasks && isChance(tasks) ? answerWords(tasks) : []),
    ];
  const base = { nll: scores.nll - scores.deltaNll };
  return [
    ...guessingWords('the base', base, model.vocabulary),
    ...lossWords(scores, scores, model.vocabulary),
    ...answerWords(tasks),
  ];
}

/** The findings of a study; empty until it has a cell. */
export function studyVerdict(study: Study, cells: Cells): string[] {
  const { model, text, sensitivity, context } = study;
  if (isOfGuesses(study)) return guessingWords('the original', study.original.scores, model.vocabulary);
  const found = sensitivity ? sensitivityWords(study, cells) : sweepWords(study, cells);
  return [
    ...(areMany(text) || found.length === 0
      ? []
      : [`Point estimates: ${unitsText(text)} ${areFewText(text)} for intervals.`]),
    ...found,
    ...int8Words(context.precision),
  ];
}

/** Whether a study's original only guesses. */
export function isOfGuesses(study: Study): study is Study & { readonly original: NonNullable<Study['original']> } {
  return study.original !== null && guesses(study.original.scores, study.model.vocabulary);
}

function sweepWords(study: Study, cells: Cells): string[] {
  const shown = gridCells(study, cells);
  const [mildest] = shown.toSorted((a, b) => a.scores.kl - b.scores.kl);
  if (!mildest) return [];
  const brokenCells = shown.filter(({ scores }) => isBroken(scores));
  const controls = controlsWords(study, cells);
  if (brokenCells.length === shown.length && shown.length > 1)
    return [
      `${study.complete ? 'Every cell' : `Each of the ${shown.length} cells here`} breaks the model: the mildest is ${cellName(mildest, study)} (KL ${valueText('kl', mildest)} nats/token).`,
      ...controls,
    ];
  return [...cheapestWords(shown, study), ...breakingWords(brokenCells, shown, study), ...controls];
}

/** On which side of 0 a difference lies; undefined where its interval does not say, or is not to be trusted. */
export function sideOf({ interval, deltaNll }: Difference, text: Units): 'below' | 'above' | undefined {
  if (!areMany(text) || interval === null || (interval[0] <= 0 && interval[1] >= 0)) return undefined;
  return deltaNll > 0 ? 'above' : 'below';
}

/** What controls change, in the order of the sentences about them. */
const controlNames: Readonly<Record<string, string>> = {
  'random-subspace': 'random directions of the same rank',
  noise: 'noise of the same norm',
  'other-layer': 'a basis shared with another layer',
  'other-layer of a fit': 'the directions of another layer',
};

/** What the controls showed: which cells lose less than what stands in for them. */
function controlsWords(study: Study, cells: Cells): string[] {
  const compared = study.controls.flatMap(({ control, cell, of, difference }) => {
    const against = lookUp(cells, of);
    const isOfFit = control === 'other-layer' && against?.recipe.some(({ kind }) => kind === 'fit');
    const name = controlNames[isOfFit ? `${control} of a fit` : control];
    return against && name && difference && cells.has(cell)
      ? [{ name, against, side: sideOf(difference, study.text) }]
      : [];
  });
  if (compared.length === 0) return [];
  if (!areMany(study.text)) return [`${unitsText(study.text)}: too few to tell cells from their controls.`];
  const sentences = Object.values(controlNames).flatMap((name) => {
    const own = compared.filter((one) => one.name === name);
    const count = (side: 'below' | 'above' | undefined) => own.filter((one) => one.side === side).length;
    const others = [
      [count('below'), 'more'],
      [count(undefined), 'not measurably less or more'],
    ] as const;
    const rest = others.flatMap(([many, words]) => (many > 0 ? `, ${many} ${words}` : ''));
    return own.length > 0
      ? `${count('above')} of ${own.length} ${own.length === 1 ? 'cell' : 'cells'} lose less than ${name}${rest.join('')}.`
      : [];
  });
  const controlled = [...new Set(compared.map(({ against }) => against))];
  const beats = controlled.filter((cell) =>
    compared.every(({ against, side }) => against !== cell || side === 'above'),
  );
  const which =
    beats.length > 0 && beats.length <= mostNamed
      ? listed(beats.map((cell) => cellName(cell, study)))
      : `${beats.length} of ${controlled.length}`;
  return [...sentences, `Cells that lose less than each of their controls: ${which}.`];
}

/**
 * The cell that saves most bytes in the mildest class of loss that has any. A matched partner does not compete: its
 * rule makes it a little cheaper than its cell. `what` says among which cells, and by which limits.
 */
export function cheapest(
  shown: readonly CellResult[],
  { complete }: Pick<Study, 'complete'>,
): { readonly cell: CellResult; readonly what: string } | undefined {
  const own = shown.filter((cell) => !pcaOf(cell)?.match);
  const limits = severities.find((one) => own.some(({ scores }) => meets(scores, one)));
  if (!limits) return undefined;
  const saved = savedIn(own);
  const [cell] = own.filter(({ scores }) => meets(scores, limits)).toSorted((a, b) => saved(b) - saved(a));
  const aside = own.length < shown.length ? ', partners aside,' : '';
  const some = own.length > 1 ? `of the ${own.length} cells here` : 'cell so far';
  const among = complete ? 'cell' : some;
  return cell && { cell, what: `cheapest ${among}${aside} ${limitsText(limits)}` };
}

/** What a cell saves: bytes, or parameters where the bytes of some are not known. */
function savedIn(cells: readonly CellResult[]): (cell: CellResult) => number {
  const areKnown = cells.every(({ footprint }) => !footprint || footprint.bytes);
  return ({ footprint }) => {
    const size = areKnown ? footprint?.bytes : footprint?.parameters;
    return size ? size.dense - size.reduced : Number.NEGATIVE_INFINITY;
  };
}

function cheapestWords(shown: readonly CellResult[], study: Study): string[] {
  const found = cheapest(shown, study);
  if (!found) return [];
  const [strictest] = severities;
  const { cell, what } = found;
  const size = cell.footprint ? `${sizeText(cell)}, ` : '';
  const none =
    savedIn([cell])(cell) <= 0 ? ` No such cell saves ${storesOtherwise(cell) ? 'bytes' : 'parameters'}.` : '';
  return [
    ...(shown.some(({ scores }) => meets(scores, strictest))
      ? []
      : [`${noCell(shown, study)} stays ${limitsText(strictest)}.`]),
    `${sentence(what)}: ${cellName(cell, study)} (${size}KL ${valueText('kl', cell)} nats/token).${none}`,
  ];
}

/** Of a study that lacks cells, only of those that are there. */
function noCell(shown: readonly CellResult[], { complete }: Study): string {
  const some = shown.length > 1 ? `None of the ${shown.length} cells here` : 'No cell so far';
  return complete ? 'No cell' : some;
}

/** Lines of the charts by the budget from which down they break the model; nothing where too many do, or single cells. */
export function breakingPoints(shown: readonly CellResult[], study: Study): ReadonlyMap<string, readonly string[]> {
  const limits = new Map<string, string[]>();
  if (shown.some((cell) => isBroken(cell.scores) && pcaOf(cell) === undefined)) return limits;
  const graded = shown.filter((cell) => {
    const operation = pcaOf(cell);
    return operation && !operation.match;
  });
  for (const [name, line] of bySeries(graded, study)) {
    const where = breakingPoint(line);
    if (where) limits.set(where, [...(limits.get(where) ?? []), name]);
  }
  return [...limits.values()].flat().length > mostNamed ? new Map() : limits;
}

const mostNamed = 3;

/** From which budget down each line of the charts breaks the model, or how many cells do. */
function breakingWords(brokenCells: readonly CellResult[], shown: readonly CellResult[], study: Study): string[] {
  if (brokenCells.length === 0) return shown.length > 1 ? [`${noCell(shown, study)} breaks the model.`] : [];
  const limits = breakingPoints(shown, study);
  if (limits.size === 0)
    return [
      `${brokenCells.length} of ${counted(shown.length, 'cell')} break the model` +
        `${brokenCells.length > mostNamed ? '' : `: ${listed(brokenCells.map((cell) => cellName(cell, study)))}`}.`,
    ];
  return [...limits].map(
    ([where, series]) => `${where}, ${listed(series)} break${series.length > 1 ? '' : 's'} the model.`,
  );
}

/** "At variance 0.5 and below" for cells from the least to the most kept, of which the first ones are broken. */
function breakingPoint(line: readonly CellResult[]): string | undefined {
  const kept = (cell: CellResult) => pcaOf(cell)?.variance ?? pcaOf(cell)?.rank ?? 0;
  const ordered = line.toSorted((a, b) => kept(a) - kept(b));
  const fine = ordered.findIndex(({ scores }) => !isBroken(scores));
  const last = fine < 0 ? ordered.length - 1 : fine - 1;
  const operation = ordered[last] && pcaOf(ordered[last]);
  return (
    operation &&
    `At ${operation.rank === undefined ? 'variance ' : ''}${keptName(operation)}${last > 0 ? ' and below' : ''}`
  );
}

/** What an operation costs on one layer or projection alone. */
export interface SingleEffect {
  readonly layers: readonly number[];
  readonly targets: readonly string[];
  readonly unit?: string | undefined;
  /** Nats per token. */
  readonly deltaNll: number;
}

/** The single effects of a sensitivity study at one of its thresholds, without those that are not measured yet. */
export function singleEffects({ sensitivity }: Study, cells: Cells, threshold: number): SingleEffect[] {
  return (sensitivity?.rows ?? []).flatMap(({ layers, targets, unit, cells: ids }) => {
    const cell = lookUp(cells, ids[threshold]);
    return cell ? { layers, targets, unit, deltaNll: cell.scores.deltaNll } : [];
  });
}

/**
 * The fewest single effects that make up more than half of the sum of those above 0, the largest first, with their share
 * of it; and what the sum is called.
 */
export function largestEffects(effects: readonly SingleEffect[]) {
  const total = effects.reduce((sum, { deltaNll }) => sum + Math.max(deltaNll, 0), 0);
  const worst: SingleEffect[] = [];
  let held = 0;
  for (const effect of effects.toSorted((a, b) => b.deltaNll - a.deltaNll)) {
    if (held > total / 2 || effect.deltaNll <= 0) break;
    worst.push(effect);
    held += effect.deltaNll;
  }
  const all = effects.reduce((sum, { deltaNll }) => sum + deltaNll, 0);
  const sumName = `the summed single effects${short(all) === short(total) ? '' : ' above 0'}`;
  return { worst, held, total, share: total > 0 ? held / total : 0, sumName };
}

function sensitivityWords(study: Study, cells: Cells): string[] {
  const { kept = [], joint = [], rows = [], by = 'layer' } = study.sensitivity ?? {};
  return kept.flatMap((budget, i) => {
    const effects = singleEffects(study, cells, i);
    const all = lookUp(cells, joint[i]);
    const { worst, held, total, share, sumName } = largestEffects(effects);
    const [first] = worst;
    if (!first || effects.length < 2) return [];
    const at = keptText(budget);
    const names = worst.map((effect) => unitName(by, effect));
    const missing = rows.length - effects.length;
    const single = `${sumName}${missing > 0 ? `, ${missing} of ${rows.length} missing` : ''}`;
    const who =
      worst.length > 3
        ? `${worst.length} of ${effects.length} units hold ${percent(share, 0)} of ${single} (Δnll ${short(held)} of ${short(total)}), the worst is ${names[0]} (Δnll ${short(first.deltaNll)})`
        : `${listed(names)} hold${worst.length > 1 ? '' : 's'} ${percent(share, 0)} of ${single} (Δnll ${short(held)} of ${short(total)})`;
    return [
      `${at ? `At ${at} ${who}` : sentence(who)}.`,
      ...(all
        ? [
            `All at once: Δnll ${short(all.scores.deltaNll)}, KL ${short(all.scores.kl)}${severityWords(all.scores, study.text)}.`,
          ]
        : []),
    ];
  });
}
