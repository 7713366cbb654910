// The statistics of a lens as columns and maps, for a terminal, for pages and for charts.
import type { LensOfText, SpelledCell } from '../analyses/lens/result.ts';
import { againstLast, alone, entriesOf, ofCells } from '../analyses/lens/statistics/registry.ts';
import { type PromptWords, type Statistic, type Uniform, uniformOf } from '../analyses/lens/statistics/statistic.ts';
import type { Mean } from '../analyses/shapes.ts';
import type { Column } from './columns.ts';
import { figure, listed, probabilityText, sentence } from './format.ts';
import type { Scale } from './html/axes.ts';
import { spelling } from './tokens.ts';
import {
  exact,
  ofCosine,
  ofDivergence,
  ofMedian,
  ofRank,
  ofShare,
  roundedBits,
  share,
  sharesUp,
  type Value,
  withoutNoise,
} from './values.ts';

type Profile = LensOfText['variants'][number];
type Step = Profile['steps'][number];
type Change = NonNullable<Profile['changes']>[number];

const thousandths = (value: number) => value.toFixed(3);
const twoDigits = (value: number) => (value < 100 ? value.toPrecision(2) : value.toFixed(0));

/** How numbers of a sort are shown: means with their intervals, and values of one position. */
interface Look {
  readonly of: (mean: Mean | null) => Value | undefined;
  readonly show: (value: number) => string;
  readonly scale?: Omit<Scale, 'label'>;
  readonly isInBits?: true;
  readonly ofCell?: (value: number) => number;
  readonly showCell: (value: number) => string;
  /** In a map, where there is little room. */
  readonly showBrief: (value: number) => string;
}

const bits: Look = {
  of: ofDivergence,
  show: figure,
  isInBits: true,
  showCell: figure,
  showBrief: (value) => value.toFixed(value < 0.995 ? 2 : value < 9.95 ? 1 : 0),
};
const looks: Readonly<Record<Statistic['values'], Look>> = {
  entropy: bits,
  divergence: { ...bits, of: (mean) => withoutNoise(ofDivergence(mean)), ofCell: roundedBits },
  share: { of: ofShare, show: share, scale: sharesUp, showCell: probabilityText, showBrief: probabilityText },
  rank: { of: ofRank, show: figure, scale: { log: true }, showCell: String, showBrief: String },
};

function columnsOf<K extends string>(statistics: Readonly<Record<K, Statistic>>) {
  return entriesOf(statistics).flatMap(([key, { label, shortLabel = label, values, uniform, text }]) => {
    const { of, show, scale } = looks[values];
    if (!text) return [];
    return {
      ...text,
      label: shortLabel,
      y: { label: text.unit, ...scale },
      show,
      ...(text.showsInterval && { showHalf: twoDigits }),
      of: (means: Readonly<Record<K, Mean | null>>) => of(means[key]),
      uniform,
    };
  });
}

/** Statistics of the lens at a point compared with the last layer's. */
export const pointColumns = columnsOf(againstLast);

/** A column of tables, which has no chart. */
interface OwnColumn extends Omit<Column<Profile['points'][number]>, 'y'> {
  readonly uniform?: (of: Uniform) => number;
}

/** What else there is at a point, for tables alone. */
export const ownColumns: readonly OwnColumn[] = [
  { title: 'median norm', label: 'norm', show: figure, of: ({ norm }) => ofMedian(norm) },
  { title: 'longest', label: 'longest', show: figure, of: ({ norm }) => (norm ? exact(norm.largest) : undefined) },
  ...columnsOf(alone),
];

/** Statistics of a prompt's cells. */
export const cellColumns = entriesOf(ofCells).map(([key, { label, shortLabel = label, values, uniform, prompt }]) => {
  const { ofCell = (value) => value, showCell, showBrief, scale, isInBits } = looks[values];
  const { token, tip, map, formula = label, onTerminal, uniformWords = (shown) => shown }: PromptWords = prompt;
  return {
    label,
    shortLabel,
    token,
    tip,
    map,
    formula,
    onTerminal,
    isInBits,
    isLog: scale?.log ?? false,
    measured: (cell: SpelledCell) => cell[key],
    of: (cell: SpelledCell) => ofCell(cell[key]),
    show: (value: number) => (Number.isNaN(value) ? '–' : showCell(value)), // not known of an older result
    showBrief,
    uniform: (vocabulary: number) => uniformWords(figure(uniform(uniformOf(vocabulary, 0)))),
  };
});
type CellColumn = (typeof cellColumns)[number];

/** "Entropy and KL in bits. Rank (final): of the last layer’s top token; rank (input): of the current input token." */
export function cellsText(columns: readonly CellColumn[]): string {
  const inBits = columns.filter((column) => column.isInBits).map(({ formula }) => formula);
  const tokens = together(columns, ({ token }) => token && `of ${token}`);
  return `${sentence(listed(inBits))} in bits. ${sentence(tokens.map(([labels, token]) => `${labels}: ${token}`).join('; '))}.`;
}

/** "entropy 10.00 bits, rank (final) and rank (input) 512.5": for the uniform distribution. */
export function uniformText(columns: readonly CellColumn[], vocabulary: number): string {
  return together(columns, ({ uniform }) => uniform(vocabulary))
    .map((pair) => pair.join(' '))
    .join(', ');
}

/** The labels of all columns that a text is of, and the text. */
function together(columns: readonly CellColumn[], of: (column: CellColumn) => string | undefined): [string, string][] {
  const texts = [...new Set(columns.flatMap((column) => of(column) ?? []))];
  return texts.map((text) => [listed(columns.filter((column) => of(column) === text).map(({ label }) => label)), text]);
}

/** A map of layers and tokens, coloured by one of their values. */
export interface LensMap {
  /** What the colour is, in a terminal. */
  readonly words: string;
  readonly title: string;
  readonly reading: string;
  /** For the uniform distribution. */
  readonly uniform: (vocabulary: number) => string;
  readonly of: (cell: SpelledCell) => number | undefined;
  /** What a cell shows on a page; without it, its likeliest token. */
  readonly text?: (cell: SpelledCell) => string;
  readonly log: boolean;
}

/** The map of each colour, in a page's order. */
export const lensMaps: ReadonlyMap<string, LensMap> = new Map([
  [
    'probability',
    {
      words: 'its probability',
      title: 'Likeliest next token at each layer',
      reading: `The lens’s likeliest token; colour: its probability. ${spelling}`,
      uniform: (vocabulary) => figure(uniformOf(vocabulary, 0).probability),
      of: ({ top }) => top[0]?.probability,
      log: false,
    },
  ],
  ...cellColumns.flatMap(({ map, isLog, measured, showBrief, uniform }): [string, LensMap][] => {
    if (!map) return [];
    const { colour, ...words } = map;
    const value = (cell: SpelledCell) => Math.max(measured(cell), 0);
    return [[colour, { ...words, uniform, of: value, text: (cell) => showBrief(value(cell)), log: isLog }]];
  }),
]);

/** Statistics of a step from one layer to the next; `shuffled` takes the layer below at another position. */
export const stepColumns: readonly (Column<Step> & { readonly shuffled: (step: Step) => Value | undefined })[] = [
  {
    title: 'Cosine',
    label: 'cosine',
    y: { label: 'with the layer below' },
    show: thousandths,
    showHalf: thousandths,
    of: ({ cosine }) => ofCosine(cosine),
    shuffled: ({ shuffled }) => ofCosine(shuffled.cosine),
  },
  {
    title: 'KL from the lens below',
    label: 'KL',
    y: { label: 'bits' },
    show: thousandths,
    showHalf: thousandths,
    of: ({ kl }) => ofDivergence(kl),
    shuffled: ({ shuffled }) => ofDivergence(shuffled.kl),
  },
  {
    title: 'Linear CKA',
    label: 'CKA',
    y: { label: 'with the layer below' },
    show: thousandths,
    showHalf: thousandths,
    of: ({ cka }) => ofShare(cka),
    shuffled: ({ shuffled }) => exact(shuffled.cka),
  },
];

/** Statistics of an operated model compared with the original at a point. */
export const changeColumns: readonly Column<Change>[] = [
  {
    title: 'KL of the lenses',
    label: 'KL of the lens',
    y: { label: 'bits' },
    show: figure,
    showHalf: twoDigits,
    of: ({ kl }) => withoutNoise(ofDivergence(kl)),
  },
  {
    title: 'The same token first',
    label: 'same top',
    y: { label: 'of positions', ...sharesUp },
    show: share,
    of: ({ sameTop }) => ofShare(sameTop),
  },
  {
    title: 'Cosine',
    label: 'cosine',
    y: { label: 'with the original' },
    show: figure,
    showHalf: twoDigits,
    of: ({ cosine }) => ofCosine(cosine),
  },
  {
    title: '‖difference‖ / ‖original‖',
    label: '‖difference‖ / ‖original‖',
    y: { label: 'of the residual' },
    show: figure,
    showHalf: twoDigits,
    of: ({ relativeError }) => ofMedian(relativeError),
  },
];
