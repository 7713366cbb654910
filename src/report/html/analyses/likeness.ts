// Similarity of the token probe's matrix to the embedding or the unembedding: four measures over depth, each with its chance level.
import type { Chance, Likeness, ProbeResult, Resemblance } from '../../../analyses/probe/result.ts';
import type { VocabularyMatrix } from '../../../analyses/vocabulary.ts';
import { integer } from '../../format.ts';
import { exact } from '../../values.ts';
import type { Series } from '../axes.ts';
import type { Figure } from '../figure.ts';
import type { Band } from '../panels.ts';
import { type Cell, number } from '../table.ts';
import { depthPanel, variantSeries } from './depth.ts';

type Variant = ProbeResult['variants'][number];

const measures: Readonly<Record<keyof Resemblance, string>> = {
  rowCosine: 'Mean cosine of a token’s rows',
  cka: 'Linear CKA',
  hiddenSpace: 'Leading subspaces of the residual space',
  tokenSpace: 'Leading subspaces of the tokens’ space',
};
const names = ['rowCosine', 'cka', 'hiddenSpace', 'tokenSpace'] as const;

const permutedSeries: Series = { name: 'rows permuted', colour: 'c1' };
const randomSeries: Series = { name: 'random matrices of the same spectrum', colour: 'c0' };
const plain = (value: number) => value.toFixed(3);

export async function resemblanceFigure(result: ProbeResult, matrix: VocabularyMatrix): Promise<Figure> {
  const panels = [];
  for (const name of names)
    panels.push(
      await depthPanel({
        title: measures[name],
        points: result.points,
        y: { label: 'similarity' },
        show: plain,
        curves: result.variants.map(({ variant, points }) => ({
          series: variantSeries[variant],
          values: points.map(({ resemblance }) => exact(resemblance[matrix][name].value)),
        })),
        bands: [
          ...bandOf(result, permutedSeries, matrix, name, ({ permuted }) => permuted),
          ...bandOf(result, randomSeries, matrix, name, ({ random }) => random),
        ],
      }),
    );
  return {
    title: `Similarity of the token probe’s matrix to ${result.rules.matrices[matrix]}`,
    caption:
      `Rows of the ${integer(result.compared)} most frequent training tokens. Subspaces: mean squared cosine of the principal angles. Shaded: range of all ` +
      `chance draws, of the original; ${result.rules.resemblance}.`,
    notShown:
      'Similar matrices need not read similar information: a ridge regression turns its rows away from directions of high variance. ' +
      'Permuting rows does not change subspaces of the residual space and is left out there.',
    panels,
    legend: [...result.variants.map(({ variant }) => variantSeries[variant]), permutedSeries, randomSeries],
    table: {
      name: `probe-likeness-${matrix}`,
      about: 'Similarity, in brackets the range by chance: rows permuted; random',
      head: ['model', 'layer', ...names.map((name) => `>${measures[name]}`)],
      rows: result.variants.flatMap(({ variant, points }) =>
        points
          .map(({ point, resemblance }): Cell[] => [
            variant,
            point,
            ...names.map((name) =>
              number(
                resemblance[matrix][name].value,
                (value) => `${plain(value)} ${chanceText(resemblance[matrix][name])}`,
              ),
            ),
          ])
          .toReversed(),
      ),
    },
  };
}

function bandOf(
  { variants: [original], points }: ProbeResult,
  series: Series,
  matrix: VocabularyMatrix,
  name: keyof Resemblance,
  of: (likeness: Likeness) => Chance | null,
): Band[] {
  const edge = chancesOf(original, matrix, name, of).flatMap((one, x) =>
    one ? [{ x, low: one.least, high: one.most }] : [],
  );
  return edge.length > 0
    ? [{ series, edge, tip: `${series.name}\n${measures[name]}, layers ${points[0]} to ${points.at(-1)}` }]
    : [];
}

function chancesOf(
  variant: Variant | undefined,
  matrix: VocabularyMatrix,
  name: keyof Resemblance,
  of: (likeness: Likeness) => Chance | null,
) {
  return variant?.points.map(({ resemblance }) => of(resemblance[matrix][name])) ?? [];
}

function chanceText({ permuted, random }: Likeness): string {
  const range = ({ least, most }: Chance) => `${plain(least)} – ${plain(most)}`;
  return `[${permuted ? `${range(permuted)}; ` : ''}${range(random)}]`;
}
