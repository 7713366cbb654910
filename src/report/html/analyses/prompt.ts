// The logit lens on a prompt: maps of points and tokens, and what it says after the last token.
import type { LensResult, PromptLens, SpelledCell } from '../../../analyses/lens/result.ts';
import { itemAt } from '../../../platform/indexing.ts';
import { figure, integer, percent } from '../../format.ts';
import { shadeOf } from '../../terminal/heat-map.ts';
import type { Figure, Section } from '../figure.ts';
import { shadesSvg } from '../shades.ts';
import { type Cell, number } from '../table.ts';
import { spelled, spelling } from './spelled.ts';

/** Positions that are shown at most, the last ones: lens.json has all. */
const mostShown = 32;
/** Tokens across one map at most; a longer prompt goes on below. */
const acrossMap = 13;

/** What a map is coloured by, and what it says in each cell. */
interface Measure {
  readonly title: string;
  readonly reading: string;
  /** For the uniform distribution. */
  readonly chance: (result: LensResult) => string;
  readonly of: (cell: SpelledCell) => number | undefined;
  readonly text: (cell: SpelledCell) => string;
  readonly tip: (cell: SpelledCell) => string;
  readonly log?: boolean;
}

const measures: readonly Measure[] = [
  {
    title: 'Likeliest next token at each point',
    reading: `The lens’s likeliest token; colour: its probability. ${spelling}`,
    chance: ({ vocabulary }) => figure(1 / vocabulary),
    of: ({ top }) => top[0]?.probability,
    text: ({ top }) => spelled(top[0]?.token ?? ''),
    tip: ({ top, entropy }) => [...likeliest(top, 5), `entropy ${figure(entropy)} bits`].join('\n'),
  },
  {
    title: 'KL from the last point to the lens',
    reading: 'KL(last point ‖ lens) in bits.',
    chance: ({ vocabulary }) => `${figure(Math.log2(vocabulary))} bits less the last point’s entropy`,
    of: ({ kl }) => Math.max(kl, 0),
    text: ({ kl }) => Math.max(kl, 0).toFixed(kl < 0.995 ? 2 : kl < 9.95 ? 1 : 0),
    tip: ({ kl, probabilityFinal }) =>
      `KL ${figure(roundedKl(kl))} bits\nprobability of the final token ${percent(probabilityFinal)}`,
  },
  {
    title: 'Rank of the final token',
    reading: 'Rank of the token that the last point finds likeliest, 1 the first; logarithmic colours.',
    chance: ({ vocabulary }) => figure((vocabulary + 1) / 2),
    of: ({ rankFinal }) => rankFinal,
    text: ({ rankFinal }) => String(rankFinal),
    tip: ({ rankFinal, rankInput }) => `final token: rank ${rankFinal}\ninput token: rank ${rankInput}`,
    log: true,
  },
];

function likeliest(top: SpelledCell['top'], count: number): string[] {
  return top.slice(0, count).map(({ token, probability }) => `${spelled(token)} ${percent(probability)}`);
}

/** The last point against itself is 0 but for rounding. */
const roundedKl = (kl: number) => (Math.abs(kl) < 1e-12 ? 0 : kl);

export async function promptSection(result: LensResult, prompt: PromptLens, i: number): Promise<Section> {
  const figures: Figure[] = [];
  for (const measure of measures) figures.push(await mapFigure(result, prompt, measure));
  const number = result.prompts.length > 1 ? ` ${i + 1}` : '';
  return {
    id: `prompt${i > 0 ? `-${i + 1}` : ''}`,
    title: `The lens on the prompt${number}`,
    lead: `“${prompt.prompt.trim()}”`,
    figures: [...figures, lastFigure(result, prompt)],
  };
}

async function mapFigure(result: LensResult, { tokens, variants }: PromptLens, measure: Measure): Promise<Figure> {
  const first = Math.max(0, tokens.length - mostShown);
  // One scale of shades for both models.
  const values = variants.flatMap(({ cells }) => cells.map((row) => row.slice(first).map(measure.of)));
  const shade = shadeOf({
    title: '',
    rowLabel: '',
    rows: [],
    columnLabel: '',
    columns: [],
    values,
    ...(measure.log ? { log: true } : {}),
  });
  const pieces = Math.ceil((tokens.length - first) / acrossMap);
  const across = Math.ceil((tokens.length - first) / pieces);
  const starts = Array.from({ length: pieces }, (_, k) => first + k * across);
  const panels = [];
  for (const from of starts) {
    const shown = tokens.slice(from, from + across);
    for (const { variant, cells } of variants) {
      const svg = await shadesSvg({
        about: `${measure.title}, ${variant} model, tokens ${from} to ${from + shown.length - 1}`,
        rowLabel: 'point',
        columnLabel: 'input token',
        width: 58,
        cells: result.points.toReversed().flatMap((point, up) =>
          shown.flatMap((token, k) => {
            const cell = cells[result.points.length - 1 - up]?.[from + k];
            if (!cell) return [];
            const value = measure.of(cell);
            const tip = `${variant}, point ${point}, after “${spelled(token)}”\n${measure.tip(cell)}`;
            return [
              {
                row: point,
                column: `${from + k} ${spelled(token)}`,
                text: measure.text(cell),
                shade: shade(value),
                tip,
              },
            ];
          }),
        ),
      });
      const range = starts.length > 1 ? `, tokens ${from} to ${from + shown.length - 1}` : '';
      panels.push({ title: `${variant}${range}`, svg });
    }
  }
  const cut = first > 0 ? ` The last ${mostShown} of ${tokens.length} tokens are shown; lens.json lists all.` : '';
  return {
    title: measure.title,
    caption:
      `${measure.reading} y: points from the embedding to the last block; x: input tokens, each read with its preceding ` +
      `context.${cut} ${variants.length > 1 ? 'Both models share one colour scale. ' : ''}Uniform over ${integer(result.vocabulary)} tokens: ${measure.chance(result)}.`,
    panels,
    layout: 'wide',
  };
}

/** Every point after the last token, in numbers. */
function lastFigure(result: LensResult, { tokens, variants }: PromptLens): Figure {
  const rows = variants.flatMap(({ variant, cells }) =>
    cells
      .map((row, i): Cell[] => {
        const cell = row.at(-1);
        return [
          variant,
          itemAt(result.points, i),
          likeliest(cell?.top ?? [], 4).join(', '),
          number(cell?.entropy, figure),
          number(cell && roundedKl(cell.kl), figure),
          number(cell?.probabilityFinal, (share) => percent(share)),
          number(cell?.rankFinal, String),
          number(cell?.rankInput, String),
        ];
      })
      .toReversed(),
  );
  return {
    title: `After the last token, “${spelled(tokens.at(-1) ?? '')}”`,
    caption: `Entropy and KL in bits. Rank and probability of the token that the last point finds likeliest; rank of the input token. ${spelling} For chance levels see the figures above.`,
    notShown:
      'One prompt does not show how often a layer predicts the final token. The lens applies the unembedding to a point; ' +
      'it does not show what later blocks read there.',
    panels: [],
    table: {
      name: 'lens-prompt',
      about: 'The lens after the last token, the last point first',
      head: ['model', 'point', 'likeliest', '>entropy', '>KL', '>probability', '>rank final', '>rank input'],
      rows,
    },
    open: true,
  };
}
