// Where the input is stored: the token probe's weight along ordered bases, and probes restricted to subspaces.
import type { PointEvaluation, ProbeResult } from '../../../analyses/probe/result.ts';
import type { VocabularyMatrix } from '../../../analyses/vocabulary.ts';
import { intervalText } from '../../findings.ts';
import { percent } from '../../format.ts';
import {
  type Subspace,
  subspaceColumns,
  subspaceSizes,
  top1,
  weightAspects,
  weightRows,
  withinSubspace,
} from '../../probe-columns.ts';
import { share, sharesUp } from '../../values.ts';
import type { Series } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { shadesSvg } from '../shades.ts';
import { type Cell, number } from '../table.ts';
import { depthPanel, valueCell } from './depth.ts';

/** Multiple of the chance level at which a cell has its full colour. */
const full = 3;

export async function weightFigure(result: ProbeResult, basis: VocabularyMatrix): Promise<Figure> {
  const runs = result.ownShares[basis].embed.length;
  const maps = weightAspects.flatMap(({ of, title }) =>
    result.variants.map((variant) => ({
      variant: variant.variant,
      of: title,
      rows: weightRows(result, variant, basis, of),
      name: result.variants.length > 1 ? `${title}, ${variant.variant}` : title,
    })),
  );
  const shade = (value: number) => Math.min((value * runs) / full, 1);
  const panels = [];
  for (const { name, rows } of maps) {
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
      rows: maps.flatMap(({ variant, of, rows }) =>
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

const looks: Readonly<Record<Subspace, Omit<Series, 'name'>>> = {
  all: { colour: 's6', shape: 'square' },
  leading: { colour: 's0', shape: 'circle' },
  trailing: { colour: 's1', shape: 'triangle-up' },
  random: { colour: 'c0', shape: 'triangle-down', dashed: true },
};
const subspaces = subspaceColumns.map(({ of, title }) => ({ of, series: { name: title, ...looks[of] } }));

/** Probes restricted to a subspace, one panel per size. */
export async function subspacesFigure(result: ProbeResult): Promise<Figure> {
  const sizes = subspaceSizes(result);
  const accuracyOf = (point: PointEvaluation, of: Subspace, dimensions: number) => {
    const found = withinSubspace(point, of, dimensions);
    return found && top1.of(found);
  };
  const panels = [];
  for (const dimensions of sizes) {
    for (const { variant, points } of result.variants) {
      panels.push(
        await depthPanel({
          title: `${dimensions} directions${result.variants.length > 1 ? `, ${variant}` : ''}`,
          points: result.points,
          y: { label: 'top-1 accuracy', ...sharesUp },
          show: share,
          // The baseline lies below the others.
          curves: subspaces.toReversed().map(({ of, series }) => ({
            series,
            values: points.map((point) => accuracyOf(point, of, dimensions)),
          })),
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
    legend: subspaces.map(({ series }) => series),
    table: {
      name: 'probe-parts',
      about: 'Top-1 accuracy within each subspace, the last layer first',
      head: ['model', 'directions', 'layer', ...subspaces.map(({ series }) => `>${series.name}`)],
      rows: result.variants.flatMap((variant) =>
        sizes.flatMap((dimensions) =>
          variant.points
            .map((point): Cell[] => [
              variant.variant,
              String(dimensions),
              point.point,
              ...subspaces.map(({ of }) => valueCell(accuracyOf(point, of, dimensions), share)),
            ])
            .toReversed(),
        ),
      ),
    },
  };
}
