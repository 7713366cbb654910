// Figures of basis.json: the tokens of each component, the reconstruction error, and each map's share along them.

import type { BasisResult, Component, DictionaryReport } from '../../../analyses/basis/result.ts';
import { coherenceRows, matrixWords, shareColumns } from '../../basis-columns.ts';
import { counted, integer, percent, sentence } from '../../format.ts';
import { spelling } from '../../tokens.ts';
import type { Series } from '../axes.ts';
import type { Figure, Section } from '../figure.ts';
import type { Head } from '../header.ts';
import { panelSvg } from '../panels.ts';
import { type Cell, number } from '../table.ts';
import { alongFigure } from './along.ts';
import { spelledOut } from './spelled.ts';

/** Components that the table has; basis.json has all. */
const mostRows = 256;

const share = (value: number) => percent(value, 2);

export async function basisSections(result: BasisResult): Promise<Section[]> {
  const { dictionary, of, method } = result;
  const reconstruction = await reconstructionFigure(result);
  return [
    {
      id: 'basis',
      title: `A basis of the ${matrixWords[of]}: ${method}`,
      lead: `${sentence(result.rules.basis)}.`,
      figures: [componentsFigure(result), reconstruction, ...(dictionary ? [coherenceFigure(dictionary)] : [])],
    },
    { id: 'basis-along', title: 'Shares along the basis', figures: [await alongFigure(result)] },
  ];
}

export function basisGlance({
  of,
  hidden,
  components,
  reconstruction,
  method,
  dictionary,
}: BasisResult): Head['glance'] {
  const last = reconstruction.at(-1);
  const [first] = components;
  if (!last) return [];
  const atoms = dictionary?.coherence.independent[0];
  return [
    [
      percent(1 - last.error),
      `of the ${matrixWords[of]}’s squared norm reconstructed by ${counted(last.components, 'component')} of ${method}`,
    ],
    ...(first
      ? [
          [
            share(first.shares[of]),
            `of it along component 1, nearest ${first.nearest
              .slice(0, 2)
              .map((one) => `“${spelledOut(one)}”`)
              .join(' ')}; uniform baseline ${share(1 / hidden)}`,
          ] as const,
        ]
      : []),
    ...(atoms === undefined
      ? []
      : [[integer(atoms), `atoms are all within ${dictionary?.limits[0]} of orthogonal to each other`] as const]),
  ];
}

/** Tokens, and the share of each map. */
function componentsFigure(result: BasisResult): Figure {
  const { components, method, rules, hidden } = result;
  const isFromTokens = method === 'frequency';
  const named = (list: Component['nearest'], some: number) =>
    list
      .slice(0, some)
      .map((one) => `“${spelledOut(one)}”`)
      .join(', ');
  const columns = shareColumns(result).all;
  const rest =
    components.length > mostRows
      ? ` The first ${mostRows} of ${integer(components.length)} are shown; basis.json lists all.`
      : '';
  return {
    title: 'Components, and the tokens nearest to them',
    caption:
      `Of ${rules.matrix}, columns centred; nearest and farthest by cosine; ${spelling} Shares of squared norm along each component: of the embedding, of the ` +
      `unembedding with the final norm’s weight in it, which is the lens’s, and of the token probe at some layers; uniform baseline: ${share(1 / hidden)}.${rest}`,
    notShown: 'The nearest tokens describe a component only if their cosine is large.',
    panels: [],
    table: {
      name: 'basis-components',
      about: 'Components in their order',
      head: [
        '>no.',
        ...(isFromTokens ? ['from'] : []),
        'nearest',
        '>cosine',
        ...columns.map(({ title }) => `>${title}`),
        'farthest',
      ],
      rows: components
        .slice(0, mostRows)
        .map((one): Cell[] => [
          number(one.component, String),
          ...(isFromTokens
            ? [one.from === undefined ? '' : spelledOut({ token: one.from, shown: one.fromShown })]
            : []),
          named(one.nearest, 3),
          number(one.nearest[0]?.cosine, (cosine) => cosine.toFixed(2)),
          ...columns.map(({ of }) => number(of(one), share)),
          named(one.farthest, 3),
        ]),
    },
    open: true,
  };
}

const missed: Series = { name: 'missed', colour: 's0', shape: 'circle' };

async function reconstructionFigure({
  reconstruction,
  dictionary,
  sparsity,
  rules,
  method,
}: BasisResult): Promise<Figure> {
  const error = { label: 'squared error', domain: [0, 1], format: '.0%' } as const;
  const curve = async (
    title: string,
    label: string,
    log: boolean,
    marks: readonly { x: number; error: number; what: string }[],
  ) => ({
    title,
    svg: await panelSvg({
      about: `${title}: squared error over ${label}; the numbers are in the table`,
      x: { label, ...(log ? { log, domain: reach(marks.map(({ x }) => x)) } : { format: 'd', ticks: marks.length }) },
      y: error,
      lines: [
        { series: missed, marks: marks.map(({ x, error: y, what }) => ({ x, y, tip: `${what}: ${share(y)} missed` })) },
      ],
      size: [340, 190],
    }),
  });
  const sizes = reconstruction.map(({ components: x, error: missed }) => ({
    x,
    error: missed,
    what: counted(x, 'component'),
  }));
  const atoms = dictionary?.sparsity.map(({ atoms: x, error: missed }) => ({
    x,
    error: missed,
    what: `${counted(x, 'atom')} for each token`,
  }));
  return {
    title: 'Reconstruction error',
    caption:
      `‖M − M̂‖² / ‖M‖² of ${rules.matrix}, columns centred. ` +
      (sparsity === undefined
        ? 'Of the first components of an orthonormal basis; other bases are refitted for each size.'
        : `Dictionaries of several sizes with ${counted(sparsity, 'atom')} per token; the largest also with fewer.`),
    notShown: 'A basis that reconstructs a matrix well need not be the one that the model uses.',
    panels: [
      await curve(method, 'components', true, sizes),
      ...(atoms ? [await curve('Fewer atoms for each token', 'atoms', false, atoms)] : []),
    ],
    legend: [missed],
    table: {
      name: 'basis-error',
      about: 'Squared error',
      head: ['>components', '>atoms for each token', '>missed'],
      rows: [
        ...reconstruction.map((one): Cell[] => [
          number(one.components, integer),
          number(sparsity, String),
          number(one.error, share),
        ]),
        ...(dictionary?.sparsity ?? []).map((one): Cell[] => [
          number(reconstruction.at(-1)?.components, integer),
          number(one.atoms, String),
          number(one.error, share),
        ]),
      ],
    },
  };
}

/** Ends of a logarithmic axis, also for one value. */
function reach(values: readonly number[]): [number, number] {
  const placed = values.filter((value) => Number.isFinite(value) && value > 0);
  if (placed.length === 0) return [1, 10];
  const [low, high] = [Math.min(...placed), Math.max(...placed)];
  return low < high ? [low, high] : [low / 2, low * 2];
}

/** Coherence of the atoms, and of as many random directions. */
function coherenceFigure(dictionary: DictionaryReport): Figure {
  return {
    title: 'Coherence of the atoms',
    caption: `By |cosine| of two atoms; random: as many random directions of the same size, mean of ${counted(dictionary.random.length, 'draw')}. Atoms all within a limit: a greedy count, in their order.`,
    notShown:
      'More nearly orthogonal pairs than among random directions would indicate packing; fewer indicate clusters of atoms. The greedy count is a lower bound for both.',
    panels: [],
    table: {
      name: 'basis-coherence',
      about: 'Coherence of the atoms and of random directions',
      head: ['figure', '>atoms', '>random'],
      rows: coherenceRows(dictionary).map(({ name, atoms, random, show }): Cell[] => [
        name,
        number(atoms, show),
        number(random, show),
      ]),
    },
    open: true,
  };
}
