// Where the input is stored: the token probe's weight along ordered bases, and probes restricted to subspaces.
import type { ProbeResult } from '../../../analyses/probe/result.ts';
import type { VocabularyMatrix } from '../../../analyses/vocabulary.ts';
import { intervalText, readingAt } from '../../findings.ts';
import { percent } from '../../format.ts';
import { share, sharesUp, type Value } from '../../values.ts';
import type { Series } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { shadesSvg } from '../shades.ts';
import { type Cell, number } from '../table.ts';
import { depthPanel, valueCell } from './depth.ts';

/** Multiple of the chance level at which a cell has its full colour. */
const full = 3;

type Variant = ProbeResult['variants'][number];

const aspects = [
  { of: 'weight', title: 'squared weight' },
  { of: 'signal', title: 'output' },
] as const;

/** Rows of a map: the points from the last down, then the matrices themselves. */
function rowsOf({ ownShares }: ProbeResult, { points }: Variant, basis: VocabularyMatrix, of: 'weight' | 'signal') {
  const own = ownShares[basis];
  return [
    ...points.map(({ point, weights }) => ({ name: point, shares: weights[basis][of] })).toReversed(),
    { name: 'embedding', shares: own.embed },
    { name: 'unembedding', shares: own.unembed },
  ];
}

export async function weightFigure(result: ProbeResult, basis: VocabularyMatrix): Promise<Figure> {
  const runs = result.ownShares[basis].embed.length;
  const sets = aspects.flatMap(({ of, title }) =>
    result.variants.map((variant) => ({
      variant: variant.variant,
      of: title,
      rows: rowsOf(result, variant, basis, of),
      name: result.variants.length > 1 ? `${title}, ${variant.variant}` : title,
    })),
  );
  const shade = (value: number) => Math.min((value * runs) / full, 1);
  const panels = [];
  for (const { name, rows } of sets) {
    const svg = await shadesSvg({
      about: `Share of the token probe’s ${name}, by layer and by eighth of the components; the table holds the numbers`,
      rowLabel: 'layer',
      columnLabel: `components, in ${runs} runs from the largest`,
      width: 42,
      cells: rows.flatMap(({ name: row, shares }) =>
        shares.map((value, i) => ({
          row,
          column: `${i + 1}`,
          text: (value * 100).toFixed(1),
          shade: shade(value),
          tip: `${row}, run ${i + 1} of ${runs}\n${percent(value)} of the ${name}`,
        })),
      ),
    });
    panels.push({ title: `Share of ${name}`, svg });
  }
  return {
    title: `The token probe along the principal components of ${result.rules.matrices[basis]}`,
    caption:
      `Shares in % over ${runs} runs of neighbouring components, the largest first; uniform baseline: ${percent(1 / runs)} each. Last two rows: the embedding’s and the ` +
      'unembedding’s own shares of squared norm. Large weight where the embedding has little means that the input is stored apart from the prediction. ' +
      `Output: weight × the residual’s variance. Full colour: ${full} times the chance level or more.`,
    notShown:
      'A ridge regression puts little weight where the residual varies little, and much on small directions that distinguish tokens: weight is not information content. The subspaces below are better evidence.',
    panels,
    table: {
      name: `probe-weight-${basis}`,
      about: 'Shares by run of components',
      head: ['model', 'share of', 'layer', ...Array.from({ length: runs }, (_, i) => `>${i + 1}/${runs}`)],
      rows: sets.flatMap(({ variant, of, rows }) =>
        rows.map(({ name, shares }): Cell[] => [
          variant,
          of,
          name,
          ...shares.map((one) => number(one, (value) => percent(value))),
        ]),
      ),
    },
  };
}

const partSeries: Readonly<Record<'leading' | 'trailing' | 'random' | 'all', Series>> = {
  all: { name: 'the whole space', colour: 's6', shape: 'square' },
  leading: { name: 'leading directions', colour: 's0', shape: 'circle' },
  trailing: { name: 'trailing directions', colour: 's1', shape: 'triangle-up' },
  random: { name: 'random directions', colour: 'c0', shape: 'triangle-down', dashed: true },
};
const parts = ['random', 'all', 'trailing', 'leading'] as const;

function partValues({ points }: Variant, part: (typeof parts)[number], dimensions: number): (Value | undefined)[] {
  return points.map(({ readings, parts: all }) =>
    part === 'all'
      ? readingAt(readings, { map: 'probe', label: 'input', split: 'positions', target: 'embedding' })?.top1
      : all.find((one) => one.part === part && one.dimensions === dimensions)?.reading.top1,
  );
}

/** Probes restricted to a subspace, one panel per size. */
export async function partsFigure(result: ProbeResult): Promise<Figure> {
  const sizes = [...new Set(result.variants[0]?.points[0]?.parts.map(({ dimensions }) => dimensions) ?? [])].sort(
    (a, b) => a - b,
  );
  const panels = [];
  for (const dimensions of sizes) {
    for (const variant of result.variants) {
      const curves = parts.map((part) => ({ series: partSeries[part], values: partValues(variant, part, dimensions) }));
      const title = `${dimensions} directions${result.variants.length > 1 ? `, ${variant.variant}` : ''}`;
      panels.push(
        await depthPanel({
          title,
          points: result.points,
          y: { label: 'top-1 accuracy', ...sharesUp },
          show: share,
          curves,
        }),
      );
    }
  }
  return {
    title: 'Predicting the input from a subspace',
    caption:
      `Probes of the embedding, refitted within the leading or the trailing singular vectors of ${result.rules.matrices.unembed}, or within as many random directions, which serve as the baseline. ` +
      `Top-1 accuracy: how often the right token’s embedding is the nearest.${intervalText(result.text, `Error bars and brackets: ${result.rules.intervals}`)}`,
    notShown:
      'Subspaces hold overlapping information: high accuracy in one half does not imply low accuracy in the other, and accuracies do not add up.',
    panels,
    legend: [partSeries.all, partSeries.leading, partSeries.trailing, partSeries.random],
    table: {
      name: 'probe-parts',
      about: 'Top-1 accuracy within each subspace, the last layer first',
      head: ['model', 'directions', 'layer', ...parts.toReversed().map((part) => `>${partSeries[part].name}`)],
      rows: result.variants.flatMap((variant) =>
        sizes.flatMap((dimensions) =>
          variant.points
            .map(({ point }, i): Cell[] => [
              variant.variant,
              String(dimensions),
              point,
              ...parts.toReversed().map((part) => valueCell(partValues(variant, part, dimensions)[i], share)),
            ])
            .toReversed(),
        ),
      ),
    },
  };
}
