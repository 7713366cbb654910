// The statistics of a lens over a text, each described once: tables in a terminal and on pages, and the pages' charts.
import type { LensMeans, LensOfText } from '../analyses/lens/result.ts';
import type { Column } from './columns.ts';
import { figure } from './format.ts';
import {
  exact,
  ofCosine,
  ofDivergence,
  ofMedian,
  ofRank,
  ofShare,
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

/** Statistics at a point, with the value for the uniform distribution. */
export const pointColumns: readonly (Column<LensMeans> & {
  readonly uniform: (of: Profile['uniform']) => number;
})[] = [
  {
    title: 'KL to the last layer',
    label: 'KL',
    y: { label: 'bits' },
    show: figure,
    showHalf: twoDigits,
    of: ({ kl }) => withoutNoise(ofDivergence(kl)),
    uniform: ({ kl }) => kl,
  },
  {
    title: 'Final token ranked first',
    label: 'same top',
    y: { label: 'of positions', ...sharesUp },
    show: share,
    of: ({ sameTop }) => ofShare(sameTop),
    uniform: ({ probability }) => probability,
  },
  {
    title: 'Rank of the final token',
    label: 'rank (final)',
    y: { label: 'mean rank', log: true },
    show: figure,
    of: ({ rankFinal }) => ofRank(rankFinal),
    uniform: ({ rank }) => rank,
  },
  {
    title: 'Rank of the input token',
    label: '(input)',
    y: { label: 'mean rank', log: true },
    show: figure,
    of: ({ rankInput }) => ofRank(rankInput),
    uniform: ({ rank }) => rank,
  },
];

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
