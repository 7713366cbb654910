// What analyses found, in sentences: the terminal prints them first, pages show them at the top. Words only; every figure is a result's.
import type { BasisResult } from '../analyses/basis/result.ts';
import type { LensOfText, LensResult, PromptLens } from '../analyses/lens/result.ts';
import type { OutlierLayer, OutliersResult } from '../analyses/outliers/result.ts';
import type { ProbeResult, ProbeTask } from '../analyses/probe/result.ts';
import type { Finding } from '../analyses/results.ts';
import type { TextRead } from '../analyses/shapes.ts';
import type { UnlikelyResult } from '../analyses/unlikely/result.ts';
import { isPlainObject } from '../platform/arguments.ts';
import { itemAt } from '../platform/indexing.ts';
import { matrixWords } from './basis-columns.ts';
import { counted, figure, integer, listed, percent, sentence, short, signed } from './format.ts';
import { evaluationOf } from './probe-columns.ts';
import { tokensOf, tokenText } from './tokens.ts';

/** What layers are called. */
export const layerRule = 'Layers: embed is the embedding, a number the residual stream after that block.';

/** The sentences of a result, the answer first. */
export function findingWords(finding: Finding): string[] {
  switch (finding.kind) {
    case 'lens':
      return lensWords(finding.result);
    case 'unlikely':
      return unlikelyWords(finding.result);
    case 'probe':
      return probeWords(finding.result);
    case 'basis':
      return basisWords(finding.result);
    case 'outliers':
      return outliersWords(finding.result);
  }
}

/** "12 documents of stories.txt, 3 of them cut to 512 tokens, 480 positions" */
export function readWords({ text, documents, chunk, cut, maxTokens }: TextRead, positions: number): string {
  const whole = cut === undefined || chunk === 'stream';
  const most = whole ? ` of at most ${integer(maxTokens)} tokens` : '';
  const each = documents > 1 ? 'each ' : '';
  const some =
    !whole && cut > 0
      ? `, ${cut === documents ? each : `${integer(cut)} of them `}cut to ${integer(maxTokens)} tokens`
      : '';
  return `${unitsText({ documents, chunk })}${most} of ${text}${some}, ${counted(positions, 'position')}`;
}

/** What intervals are over. */
export type Units = Pick<TextRead, 'documents' | 'chunk'>;

/** "200 documents", or "81 windows" of a stream. */
export function unitsText({ documents, chunk }: Units): string {
  return counted(documents, chunk === 'stream' ? 'window' : 'document');
}

/** Documents from which on an interval over them means something. */
const fewestDocuments = 10;

/** Said of results side by side that are of too few documents for intervals; nothing if none is. */
export function withoutIntervalsWords(all: readonly { readonly label: string; readonly text: Units }[]): string[] {
  const few = all.filter(({ text }) => !areMany(text)).map(({ label }) => label);
  return few.length > 0 ? [`Too few documents for intervals, fewer than ${fewestDocuments}: ${listed(few)}.`] : [];
}

/** Said where there are too few documents for intervals, which are then left out; else nothing. */
export function fewDocumentsWords(text: Units): string | undefined {
  return areMany(text) ? undefined : `${unitsText(text)}: too few for intervals.`;
}

/** Whether intervals over so many documents mean something: no statement rests on others. */
export const areMany = ({ documents }: Pick<Units, 'documents'>) => documents >= fewestDocuments;

/** A sentence on the intervals that are shown of a text; nothing where they are left out. */
export function intervalText(text: Units, words: string): string {
  return fewDocumentsWords(text) === undefined ? ` ${words}.` : '';
}

/** A result as screens and pages show it: without intervals over too few documents, which its files still hold. */
export function trusted<T>(result: T, text: Pick<Units, 'documents'>): T {
  return areMany(text) ? result : (withoutIntervals(result) as T);
}

/** {@link trusted} of a study's cells. */
export function trustedCells<T>(cells: ReadonlyMap<string, T>, text: Pick<Units, 'documents'>): ReadonlyMap<string, T> {
  return areMany(text) ? cells : new Map([...cells].map(([id, cell]) => [id, trusted(cell, text)]));
}

const intervalKeys = ['interval', 'intervalKl'];

/** Those of questions stay: they are over questions, not documents. */
function withoutIntervals(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutIntervals);
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value).map(([key, one]): [string, unknown] => {
    if (key === 'tasks') return [key, one];
    if (key === 'intervals' && isPlainObject(one))
      return [key, Object.fromEntries(Object.keys(one).map((name) => [name, null]))];
    return [key, intervalKeys.includes(key) ? null : withoutIntervals(one)];
  });
  return Object.fromEntries(entries);
}

export function lensWords(result: LensResult): string[] {
  return [
    ...result.prompts.flatMap((prompt) => promptWords(result, prompt)),
    ...(result.text ? lensOfTextWords(trusted(result.text, result.text)) : []),
  ];
}

function promptWords({ points, prompts }: LensResult, prompt: PromptLens): string[] {
  const last = tokensOf(prompt).at(-1);
  const [original, operated] = prompt.variants.map(({ cells }) => cells.map((row) => row.at(-1)));
  const final = original?.at(-1);
  const top = final?.top[0];
  if (!original || !last || !top) return [];
  const which = prompts.length > 1 ? `Prompt ${prompts.indexOf(prompt) + 1}: after` : 'After';
  const first = points[firstOfRest(original.map((cell) => cell?.rankFinal === 1))];
  const near = points[firstOfRest(original.map((cell) => cell !== undefined && cell.rankFinal <= 10))];
  const other = operated?.at(-1);
  const otherTop = other?.top[0];
  const change = other?.change;
  return [
    `${which} “${tokenText(last)}” the model predicts “${tokenText(top)}” (${percent(top.probability)}).`,
    `The lens ranks it first ${first === points.at(-1) ? `only at the last layer, ${first}` : `from layer ${first} on`}` +
      `${near === first ? '' : `, ${first === points.at(-1) ? 'and ' : ''}among the first ten from layer ${near} on`}.`,
    ...(otherTop
      ? [
          `The operated model predicts “${tokenText(otherTop)}” (${percent(otherTop.probability)})` +
            `${change ? `; KL from the original ${figure(Math.max(change.kl, 0))} bits, change of the log-probability of “${tokenText(top)}” ${bits(change.logProbability)} bits` : ''}.`,
        ]
      : []),
  ];
}

/** "layers embed, 2–6": runs of neighbours by their ends. */
function layersText(some: readonly { readonly point: string }[], all: readonly { readonly point: string }[]): string {
  const names = all.map(({ point }) => point);
  const runs: string[][] = [];
  for (const { point } of some) {
    const run = runs.at(-1);
    const isNext = run && names.indexOf(point) === names.indexOf(itemAt(run, run.length - 1)) + 1;
    if (isNext) run.push(point);
    else runs.push([point]);
  }
  const words = runs.flatMap((run) => (run.length > 2 ? [`${run[0]}–${run.at(-1)}`] : run));
  return `layer${some.length === 1 ? '' : 's'} ${words.join(', ')}`;
}

/** "+0.420", "−11.6", "−0.00620", 0. */
const bits = (value: number) => signed(value, 3).replace('-', '−');

/** The first index from which on all are true; of the last one if that is false too. */
export function firstOfRest(all: readonly boolean[]): number {
  return Math.min(all.lastIndexOf(false) + 1, all.length - 1);
}

function lensOfTextWords({ variants }: LensOfText): string[] {
  const [original, operated] = variants;
  if (!original) return [];
  const shares = original.points.map(({ sameTop }) => sameTop?.mean ?? Number.NaN);
  const after = original.points[1];
  const half = original.points[firstOfRest(shares.map((share) => share >= 0.5))]?.point;
  // Without an interval only the side is known, not whether the difference is significant.
  const below = original.points.filter(({ sameTop, shuffled }) => {
    const most = sameTop?.interval?.[1] ?? sameTop?.mean;
    return most !== undefined && shuffled.sameTop && most < shuffled.sameTop.mean;
  });
  const level = original.points.filter(
    (one) =>
      !below.includes(one) &&
      one.sameTop &&
      one.shuffled.sameTop &&
      (one.sameTop.interval?.[0] ?? one.sameTop.mean) <= one.shuffled.sameTop.mean,
  );
  const measured = level.some(({ sameTop }) => sameTop?.interval);
  const baseline = original.unigram.sameTop;
  const change = operated?.changes?.at(-1);
  return [
    `The lens ranks the final token first at half of the positions or more from layer ${half} on.`,
    ...(after?.sameTop
      ? [
          `After the first block (layer ${after.point}) it does at ${percent(after.sameTop.mean)}` +
            `${baseline ? `; token frequencies alone at ${percent(baseline.mean)}` : ''}.`,
        ]
      : []),
    ...(level.length > 0
      ? [
          `${measured ? 'Not measurably' : 'No'} more often than the lens of a shuffled position: ${layersText(level, original.points)}.`,
        ]
      : []),
    ...(below.length > 0
      ? [`Less often than the lens of a shuffled position: ${layersText(below, original.points)}.`]
      : []),
    ...(change?.kl && change.sameTop
      ? [
          `The operated model differs at the last layer by KL ${figure(Math.max(change.kl.mean, 0))} bits; ` +
            `its top token is the original's at ${percent(change.sameTop.mean)} of positions.`,
        ]
      : []),
  ];
}

type Energies = UnlikelyResult['variants'][number]['points'];

/** Names of the bands, the likeliest first: the same at every point. */
export function bandNames({ points }: { readonly points: Energies }): string[] {
  return itemAt(points, 0).bands.map(({ band }) => band);
}

/** The least likely tokens' energy before the last layer, and the layers where it exceeds both baselines. */
export function exceeding(points: Energies) {
  const all = points.slice(0, -1).flatMap(({ point, mixtures, bands }) => {
    const least = bands.at(-1);
    return least?.energy && least.shuffled && mixtures
      ? [{ point, band: least.band, energy: least.energy, baseline: Math.max(least.shuffled.mean, mixtures.mean) }]
      : [];
  });
  return { all, above: all.filter(({ energy, baseline }) => (energy.interval?.[0] ?? energy.mean) > baseline) };
}

export function unlikelyWords({ variants }: UnlikelyResult): string[] {
  return variants.flatMap(({ variant, points }) => {
    const { all, above } = exceeding(points);
    const [first] = all;
    if (!first) return [];
    const values = all.map(({ energy }) => energy.mean);
    const name = variants.length > 1 ? ` (${variant} model)` : '';
    const range = `${short(Math.min(...values))} to ${short(Math.max(...values))} times`;
    const layers = counted(all.length, 'layer');
    const measured = all.some(({ energy }) => energy.interval);
    return [
      above.length === 0
        ? `No evidence that directions of near-impossible tokens are reused${name}.`
        : `The energy along near-impossible tokens exceeds both baselines at ${above.length} of ${layers}${name}: ${layersText(above, points)}.`,
      `Before the last layer the residual has ${range} a random direction's energy along tokens of final probability ` +
        `${first.band}; at ${all.length - above.length} of ${layers} that is ${measured ? 'not measurably' : 'no'} more than at a shuffled position or along mixtures of tokens.`,
    ];
  });
}

/** What an outlier is, as tables and pages say it. */
export const outliersRule =
  'Largest magnitudes over all documents, positions and coordinates. The output is what down adds to the residual stream. ' +
  'A weight stands in the row of the largest output and the column of the largest input, and adds its value times that input. ' +
  'Norms are medians, at documents’ first positions and at all later ones.';

/** The layer whose weight adds most, in magnitude. */
export function worstOutlier({ layers }: OutliersResult): OutlierLayer | undefined {
  return layers.toSorted((a, b) => Math.abs(b.weight.adds) - Math.abs(a.weight.adds))[0];
}

export function outliersWords(result: OutliersResult): string[] {
  const worst = worstOutlier(result);
  if (!worst) return [];
  const { layer, weight, input, output } = worst;
  const times = (of: { readonly value: number; readonly rms: number }) =>
    `${short(Math.abs(of.value))} (${short(Math.abs(of.value) / of.rms)} times the root mean square)`;
  return [
    `The weight ${layer}.down[${weight.row},${weight.column}] adds most: ${short(weight.adds)} at position ${input.position} of document ${input.document}.`,
    `There layer ${layer} has its largest input of down, ${times(input)}; its largest output is ${times(output)}.`,
  ];
}

/** Top-1 accuracy at each layer. @param wanted differs from the probe of the input token's embedding in this */
export function top1Of({ points }: ProbeResult['variants'][number], wanted: Partial<ProbeTask> = {}) {
  return points.map(({ point, readings }) => ({ point, top1: evaluationOf(readings, wanted)?.top1 }));
}

export function probeWords({ variants }: ProbeResult): string[] {
  return variants.flatMap((variant) => {
    const input = top1Of(variant);
    const [last, shuffled] = [input.at(-1), top1Of(variant, { map: 'shuffled' }).at(-1)];
    if (!last?.top1 || !shuffled?.top1) return [];
    const isChance = (last.top1.interval?.[0] ?? last.top1.value) <= shuffled.top1.value;
    const unseen = top1Of(variant, { split: 'types' }).at(-1)?.top1;
    const first = input[0]?.top1;
    const best = bestOf(input.slice(1));
    const previous = bestOf(top1Of(variant, { label: 'previous' }).slice(1));
    const words =
      `input tokens recovered from the last layer: ${percent(last.top1.value)} of held-out positions; shuffled-label ` +
      `baseline ${percent(shuffled.top1.value)}${isChance ? ': no better than chance' : ''}.`;
    return [
      variants.length > 1 ? sentence(`${variant.variant} model: ${words}`) : sentence(words),
      `${first ? `From the embedding: ${percent(first.value)}; best` : 'Best'} after a block: ${best}.`,
      ...(unseen ? [`Token types not seen in training, from the last layer: ${percent(unseen.value)}.`] : []),
      `Previous token: best after a block ${previous}; shuffled-label baseline ${bestOf(top1Of(variant, { label: 'previous', map: 'shuffled' }).slice(1))}.`,
    ];
  });
}

/** "41.2 % (layer 3)" */
function bestOf(all: ReturnType<typeof top1Of>): string {
  const known = all.flatMap(({ point, top1 }) => (top1 ? [{ point, value: top1.value }] : []));
  const [best] = known.toSorted((a, b) => b.value - a.value);
  return best ? `${percent(best.value)} (layer ${best.point})` : 'not known';
}

/** Bases whose directions are orthonormal: shares along them add up. */
const orthonormal: readonly BasisResult['method'][] = ['pca', 'frequency', 'random'];

export function basisWords({ method, of, reconstruction, components, hidden, points }: BasisResult): string[] {
  const last = reconstruction.at(-1);
  const [first] = components;
  if (!last || !first) return [];
  const own = first.shares[of];
  const baseline = components.length / hidden;
  const sums = first.probe.map(({ variant }, i) => {
    const sum = components.reduce((total, { probe }) => total + (probe[i]?.points.at(-1) ?? Number.NaN), 0);
    const none = sum <= baseline ? ', no more than a map unrelated to the basis' : '';
    const model = first.probe.length > 1 ? ` of the ${variant} model` : '';
    return `The token probe${model} at the last layer (${itemAt(points, points.length - 1)}) has ${percent(sum)} of its weight along them; uniform baseline ${percent(baseline)}${none}.`;
  });
  return [
    `${counted(last.components, 'component')} of ${method} reconstruct ${percent(1 - last.error)} of the ${matrixWords[of]}'s squared norm.`,
    `Component 1 has ${percent(own)} of it (uniform baseline ${percent(1 / hidden, 2)}); nearest: ${first.nearest
      .slice(0, 3)
      .map((one) => `“${tokenText(one)}”`)
      .join(', ')}.`,
    ...(orthonormal.includes(method) ? sums : []),
  ];
}
