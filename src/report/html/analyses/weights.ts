// Where the input is kept: the token probe's weight along ordered bases, and what parts of the residual space hold of it.
import type { ProbeResult } from '../../../analyses/probe/result.ts';
import type { VocabularyMatrix } from '../../../analyses/vocabulary.ts';
import { percent } from '../../format.ts';
import { readingAt } from '../../terminal/probe.ts';
import type { Series } from '../axes.ts';
import type { Figure } from '../figure.ts';
import { shadesSvg } from '../shades.ts';
import { type Cell, number } from '../table.ts';
import { depthPanel, share, sharesUp, type Value, valueCell } from './depth.ts';

/** Times chance from which a cell has its full colour. */
const full = 3;

type Variant = ProbeResult['variants'][number];

const aspects = [
  { of: 'weight', title: 'squared weight' },
  { of: 'signal', title: 'what it puts out' },
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
      about: `Share of the token probe’s ${name}, by point and by eighth of the components; the numbers are in the table`,
      rowLabel: 'point',
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
      `Shares in %, of ${runs} runs of neighbouring components, the largest first; chance is ${percent(1 / runs)} in each. The last two rows: the embedding’s and the ` +
      'unembedding’s own shares of squared norm. Much weight where the embedding has little means that the input is kept beside the guess. ' +
      `What it puts out: weight × the residual’s variance there. Full colour: ${full} times chance or more.`,
    notShown:
      'A ridge regression puts little weight where the residual varies little, and much on small directions that tell tokens apart: weight is not content. The parts below are the better evidence.',
    panels,
    table: {
      name: `probe-weight-${basis}`,
      about: 'Shares by run of components',
      head: ['model', 'share of', 'point', ...Array.from({ length: runs }, (_, i) => `>${i + 1}/${runs}`)],
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

/** Probes that see a part of the space alone, a panel a size. */
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
          y: { label: 'read rightly', ...sharesUp },
          show: share,
          curves,
        }),
      );
    }
  }
  return {
    title: 'The input, read inside a part of the space alone',
    caption:
      `Probes of the embedding refitted inside the leading or the trailing singular vectors of ${result.rules.matrices.unembed}, or as many random directions, which are chance here; ` +
      `nearest of the vocabulary is the right one. Bars and brackets: ${result.rules.intervals}.`,
    notShown:
      'The parts overlap in what they hold: that one half reads a token well does not mean that the other does not, and shares do not add up to the whole.',
    panels,
    legend: [partSeries.all, partSeries.leading, partSeries.trailing, partSeries.random],
    table: {
      name: 'probe-parts',
      about: 'Read rightly inside each part, the last point first',
      head: ['model', 'directions', 'point', ...parts.toReversed().map((part) => `>${partSeries[part].name}`)],
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
