// The logit lens on a prompt: maps of layers and tokens, and its predictions after the last token.
import type { LensResult, PromptLens, SpelledCell } from '../../../analyses/lens/result.ts';
import { itemAt } from '../../../platform/indexing.ts';
import { figure, integer, probabilityText } from '../../format.ts';
import { cellColumns, cellsText, type LensMap, lensMaps } from '../../lens-columns.ts';
import { shadeOf } from '../../terminal/heat-map.ts';
import { spelling, tokensOf } from '../../tokens.ts';
import { roundedBits } from '../../values.ts';
import type { Series } from '../axes.ts';
import type { Figure, Section } from '../figure.ts';
import { shadesSvg } from '../shades.ts';
import { type Cell, number } from '../table.ts';
import { spelled, spelledOut } from './spelled.ts';

/** Positions that are shown at most, the last ones: lens.json has all. */
const mostShown = 32;
/** Tokens across one map at most; a longer prompt goes on below. */
const acrossMap = 13;

function likeliest(top: SpelledCell['top'], count: number): string[] {
  return top.slice(0, count).map((token) => `“${spelledOut(token)}” ${probabilityText(token.probability)}`);
}

export async function promptSection(result: LensResult, prompt: PromptLens, i: number): Promise<Section> {
  const figures: Figure[] = [];
  for (const [colour, map] of lensMaps) figures.push(await mapFigure(result, prompt, map, tipsOf(colour)));
  const number = result.prompts.length > 1 ? ` ${i + 1}` : '';
  return {
    id: `prompt${i > 0 ? `-${i + 1}` : ''}`,
    title: `The lens on the prompt${number}`,
    lead: `“${prompt.prompt.trim()}”`,
    figures: [...figures, ...(await differenceFigures(result, prompt)), lastFigure(result, prompt)],
  };
}

/** What pointing at a cell of a map shows. */
function tipsOf(colour: string): (cell: SpelledCell) => string[] {
  const columns = cellColumns.filter(({ tip: [on] }) => on === colour);
  return (cell) => [
    ...(colour === 'probability' ? likeliest(cell.top, 5) : []),
    ...columns.map(({ tip: [, words], of, show }) => words(show(of(cell)))),
  ];
}

async function mapFigure(
  result: LensResult,
  prompt: PromptLens,
  map: LensMap,
  tipOf: (cell: SpelledCell) => readonly string[],
): Promise<Figure> {
  const textOf = map.text ?? (({ top: [first] }) => (first ? spelled(first) : ''));
  const { variants } = prompt;
  const tokens = tokensOf(prompt);
  const { first, starts, across, cut } = piecesOf(tokens.length);
  // One scale of shades for both models.
  const values = variants.flatMap(({ cells }) => cells.map((row) => row.slice(first).map(map.of)));
  const shade = shadeOf({
    title: '',
    rowLabel: '',
    rows: [],
    columnLabel: '',
    columns: [],
    values,
    log: map.log,
  });
  const panels = [];
  for (const from of starts) {
    const shown = tokens.slice(from, from + across);
    for (const { variant, cells } of variants) {
      const svg = await shadesSvg({
        about: `${map.title}, ${variant} model, tokens ${from} to ${from + shown.length - 1}`,
        rowLabel: 'layer',
        columnLabel: 'input token',
        width: 58,
        cells: result.points.toReversed().flatMap((point, up) =>
          shown.flatMap((token, k) => {
            const cell = cells[result.points.length - 1 - up]?.[from + k];
            if (!cell) return [];
            const tip = `${variant}, layer ${point}, after “${spelledOut(token)}”\n${tipOf(cell).join('\n')}`;
            return [
              {
                row: point,
                column: `${from + k} ${spelled(token)}`,
                text: textOf(cell),
                shade: shade(map.of(cell)),
                tip,
              },
            ];
          }),
        ),
      });
      panels.push({ title: `${variant}${rangeOf(starts, from, shown)}`, svg });
    }
  }
  return {
    title: map.title,
    caption:
      `${map.reading} y: layers from the embedding to the last block; x: input tokens, each with its preceding context.` +
      `${cut} ${variants.length > 1 ? 'Both models share one colour scale. ' : ''}Uniform baseline over ${integer(result.vocabulary)} tokens: ${map.uniform(result.vocabulary)}.`,
    panels,
    layout: 'wide',
  };
}

/** The positions that maps show, in pieces that go on below each other. */
function piecesOf(length: number) {
  const first = Math.max(0, length - mostShown);
  const pieces = Math.ceil((length - first) / acrossMap);
  const across = Math.ceil((length - first) / pieces);
  const starts = Array.from({ length: pieces }, (_, k) => first + k * across);
  const cut = first > 0 ? ` The last ${mostShown} of ${length} tokens are shown; lens.json lists all.` : '';
  return { first, across, starts, cut };
}

const rangeOf = (starts: readonly number[], from: number, shown: readonly unknown[]) =>
  starts.length > 1 ? `, tokens ${from} to ${from + shown.length - 1}` : '';

const signs: readonly [below: Series, above: Series] = [
  { name: 'less likely in the operated model', colour: 's1' },
  { name: 'more likely in the operated model', colour: 's0' },
];

/** Changes of the lens by the operation at each layer and token; empty for results that lack them. */
async function differenceFigures(result: LensResult, prompt: PromptLens): Promise<Figure[]> {
  const tokens = tokensOf(prompt);
  const [original, operated] = prompt.variants;
  if (!original || !operated?.cells.some((row) => row.some(({ change }) => change))) return [];
  const { first, starts, across, cut } = piecesOf(tokens.length);
  const all = operated.cells.flatMap((row) => row.slice(first).flatMap(({ change }) => change?.logProbability ?? []));
  const most = Math.max(...all.map(Math.abs), Number.MIN_VALUE);
  const panels = [];
  for (const from of starts) {
    const shown = tokens.slice(from, from + across);
    const svg = await shadesSvg({
      about: `Change of the final token’s log-probability, tokens ${from} to ${from + shown.length - 1}`,
      rowLabel: 'layer',
      columnLabel: 'input token',
      width: 58,
      signs,
      cells: result.points.flatMap((_, down) => {
        const layer = result.points.length - 1 - down;
        return shown.flatMap((token, k) => {
          const [before, after] = [original, operated].map(({ cells }) => cells[layer]?.[from + k]);
          const final = original.cells.at(-1)?.[from + k]?.top[0];
          if (!before || !after?.change || !final) return [];
          const { kl, logProbability } = after.change;
          const top = (cell: SpelledCell) => likeliest(cell.top, 1).join();
          return [
            {
              row: itemAt(result.points, layer),
              column: `${from + k} ${spelled(token)}`,
              text: change(logProbability),
              shade: logProbability / most,
              tip:
                `Layer ${itemAt(result.points, layer)}, after “${spelledOut(token)}”\nchange of the log-probability of “${spelledOut(final)}”: ${change(logProbability)} bits\n` +
                `KL(original’s lens ‖ operated lens): ${figure(roundedBits(Math.max(kl, 0)))} bits\nlikeliest: ${top(before)} → ${top(after)}`,
            },
          ];
        });
      }),
    });
    panels.push({ title: `operated − original${rangeOf(starts, from, shown)}`, svg });
  }
  return [
    {
      title: 'What the operation changes',
      caption:
        'Change of the log-probability, in bits, that the lens gives to the token that the original’s last layer finds ' +
        `likeliest: operated − original, at the same layer and position. Full colour: ${figure(most)} bits.${cut} ` +
        'Pointing at a cell shows the KL between the two lenses.',
      notShown:
        'Both models read the same text: a change at a layer accumulates over all operated blocks below it. 0 does not mean that ' +
        'the two distributions are equal: see their KL.',
      panels,
      layout: 'wide',
      legend: signs,
    },
  ];
}

/** "+0.42", "−3.1"; 0 for what is rounding. */
function change(bits: number): string {
  if (Math.abs(bits) < 0.05) return '0';
  return `${bits > 0 ? '+' : '−'}${Math.abs(bits).toFixed(Math.abs(bits) < 9.95 ? 1 : 0)}`;
}

/** Every layer after the last token, in numbers. */
function lastFigure(result: LensResult, prompt: PromptLens): Figure {
  const { variants } = prompt;
  const last = tokensOf(prompt).at(-1);
  const rows = variants.flatMap(({ variant, cells }) =>
    cells
      .map((row, i): Cell[] => {
        const cell = row.at(-1);
        return [
          ...(variants.length > 1 ? [variant] : []),
          itemAt(result.points, i),
          likeliest(cell?.top ?? [], 3).join(' '),
          ...cellColumns.map(({ of, show }) => number(cell && of(cell), show)),
        ];
      })
      .toReversed(),
  );
  return {
    title: `After the last token${last ? `, “${spelledOut(last)}”` : ''}`,
    caption: `${cellsText(cellColumns)} ${spelling} For baselines see the figures above.`,
    notShown:
      'One prompt does not show how often a layer predicts the final token. The lens applies the unembedding to a layer’s ' +
      'residual; it does not show what later blocks read there.',
    panels: [],
    table: {
      name: 'lens-prompt',
      about: 'The lens after the last token, the last layer first',
      head: [
        ...(variants.length > 1 ? ['model'] : []),
        'layer',
        'likeliest',
        ...cellColumns.map(({ label }) => `>${label}`),
      ],
      rows,
    },
    open: true,
  };
}
