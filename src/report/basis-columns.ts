// The figures of a basis, each stated once: tables in a terminal and on pages, and the pages' charts.
import type { BasisResult, Component, DictionaryReport } from '../analyses/basis/result.ts';
import type { VocabularyMatrix } from '../analyses/vocabulary.ts';
import { itemAt } from '../platform/indexing.ts';
import { integer, percent } from './format.ts';

export const matrixWords: Readonly<Record<VocabularyMatrix, string>> = { embed: 'embedding', unembed: 'unembedding' };

/** A map, and its share of squared norm along each component. */
export interface ShareColumn {
  /** In the legends of charts. */
  readonly name: string;
  /** In pages' tables. */
  readonly title: string;
  /** In a terminal's tables. */
  readonly label: string;
  /** NaN where a file lacks it. */
  readonly of: (component: Component) => number;
}

/** The embedding, the lens, and the token probe of each model after the first block, in the middle and at the end. */
export function shareColumns({ components, points }: BasisResult) {
  const matrices: ShareColumn[] = [
    { name: 'embedding', title: 'embedding', label: 'embed', of: ({ shares }) => shares.embed },
    { name: 'unembedding (lens)', title: 'lens', label: 'lens', of: ({ shares }) => shares.unembed },
  ];
  const probed = [...new Set([1, Math.floor(points.length / 2), points.length - 1])];
  const probes = (components[0]?.probe ?? []).map(({ variant }, i, { length }) => ({
    variant,
    columns: probed.map((point): ShareColumn => {
      const name = itemAt(points, point);
      return {
        name: `probe at ${name}`,
        title: `probe, ${name}${length > 1 ? `, ${variant}` : ''}`,
        label: `${variant === 'operated' ? "probe'" : 'probe'} ${name}`,
        of: ({ probe }) => probe[i]?.points[point] ?? Number.NaN,
      };
    }),
  }));
  return { matrices, probes, all: [...matrices, ...probes.flatMap(({ columns }) => columns)] };
}

export interface CoherenceRow {
  readonly name: string;
  readonly atoms: number;
  /** Mean over the draws of as many random directions. */
  readonly random: number;
  readonly show: (value: number) => string;
}

export function coherenceRows({ limits, coherence, random }: DictionaryReport): CoherenceRow[] {
  const row = (name: string, of: (one: typeof coherence) => number, show: (value: number) => string): CoherenceRow => ({
    name,
    atoms: of(coherence),
    random: random.reduce((sum, draw) => sum + of(draw), 0) / random.length,
    show,
  });
  const threeDecimals = (value: number) => value.toFixed(3);
  return [
    row('largest |cosine|', ({ largest }) => largest, threeDecimals),
    row('mean |cosine|', ({ mean }) => mean, threeDecimals),
    ...limits.flatMap((limit, i) => [
      row(
        `pairs within ${limit}`,
        ({ pairs }) => pairs[i] ?? Number.NaN,
        (value) => percent(value),
      ),
      row(
        `atoms all within ${limit}`,
        ({ independent }) => independent[i] ?? Number.NaN,
        (value) => integer(Math.round(value * 10) / 10),
      ),
    ]),
  ];
}
