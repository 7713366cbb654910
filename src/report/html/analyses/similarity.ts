// Similarity of the token probe's matrix to the embedding or the unembedding: four measures over depth, each with its chance level.
import type { Chance, Likeness, ProbeResult, Resemblance } from '../../../analyses/probe/result.ts';
import type { VocabularyMatrix } from '../../../analyses/vocabulary.ts';
import { integer } from '../../format.ts';
import { similarityColumns, similarityText } from '../../probe-columns.ts';
import { exact } from '../../values.ts';
import type { Series } from '../axes.ts';
import type { Figure } from '../figure.ts';
import type { Band } from '../panels.ts';
import { type Cell, number } from '../table.ts';
import { depthPanel, variantSeries } from './depth.ts';

const permutedSeries: Series = { name: 'rows permuted', colour: 'c1' };
const randomSeries: Series = { name: 'random matrices of the same spectrum', colour: 'c0' };

export async function resemblanceFigure(result: ProbeResult, matrix: VocabularyMatrix): Promise<Figure> {
  const panels = [];
  for (const { key, title } of similarityColumns)
    panels.push(
      await depthPanel({
        title,
        points: result.points,
        y: { label: 'similarity' },
        show: similarityText,
        curves: result.variants.map(({ variant, points }) => ({
          series: variantSeries[variant],
          values: points.map(({ resemblance }) => exact(resemblance[matrix][key].value)),
        })),
        bands: [
          ...bandOf(result, permutedSeries, matrix, key, ({ permuted }) => permuted),
          ...bandOf(result, randomSeries, matrix, key, ({ random }) => random),
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
      head: ['model', 'layer', ...similarityColumns.map(({ title }) => `>${title}`)],
      rows: result.variants.flatMap(({ variant, points }) =>
        points
          .map(({ point, resemblance }): Cell[] => [
            variant,
            point,
            ...similarityColumns.map(({ key }) =>
              number(
                resemblance[matrix][key].value,
                (value) => `${similarityText(value)} ${chanceText(resemblance[matrix][key])}`,
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
  key: keyof Resemblance,
  of: (likeness: Likeness) => Chance | null,
): Band[] {
  const edge = (original?.points ?? []).flatMap(({ resemblance }, x) => {
    const chance = of(resemblance[matrix][key]);
    return chance ? [{ x, low: chance.least, high: chance.most }] : [];
  });
  const title = similarityColumns.find((column) => column.key === key)?.title;
  return edge.length > 0
    ? [{ series, edge, tip: `${series.name}\n${title}, layers ${points[0]} to ${points.at(-1)}` }]
    : [];
}

function chanceText({ permuted, random }: Likeness): string {
  const range = ({ least, most }: Chance) => `${similarityText(least)} – ${similarityText(most)}`;
  return `[${permuted ? `${range(permuted)}; ` : ''}${range(random)}]`;
}
