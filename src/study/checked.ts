// study.json and lines of cells.jsonl → what they were, checked to the last figure that a page or a resumed study uses.
import { z } from 'zod';
import { projections } from '../decompose/groups.ts';
import { controls, matchRules } from '../decompose/operation.ts';
import type { CellResult, OriginalResult, Study } from './results.ts';
import {
  checked,
  comparison,
  curves,
  type Issue,
  interval,
  layerReports,
  model,
  notes,
  number,
  numbers,
  ofOneLength,
  operation,
  type Path,
  parameters,
  problem,
  sampleIssues,
  sampling,
  schema,
  score,
  scoredText,
  taskScores,
  text,
  texts,
  unlike,
  versions,
  withPerplexity,
} from './shapes.ts';

const sample = z.object({
  ...{ prompt: text, text, completion: text, pieces: texts, ids: numbers, logprobs: numbers },
});
const originalSample = sample.check(({ value, issues }) => {
  issues.push(...sampleIssues(value, { logprobs: value.logprobs }));
});
const cellSample = sample.extend({ underOriginal: numbers, ofOriginal: numbers }).check(({ value, issues }) => {
  const { logprobs, underOriginal } = value;
  issues.push(...sampleIssues(value, { logprobs, underOriginal }));
});
const sums = { tokens: numbers, nll: numbers };

const extent = z.object({
  ...{ rank: number, width: number, parameters, relativeError: number, relativeErrorKv: number.nullable() },
});

const cell = z
  .object({
    ...{ id: text, operation, extent: extent.nullable(), layers: layerReports, scores: comparison },
    byDocument: z.object({ ...sums, kl: numbers }).check(ofOneLength('tokens', 'nll', 'kl')),
    ...{ tasks: taskScores.optional(), samples: z.array(cellSample) },
  })
  .refine(({ extent, layers }) => (extent === null) === (layers.length === 0), {
    ...{ path: ['extent'], message: 'expected one where there are layers, and none where there are not' },
  }) satisfies z.ZodType<CellResult>;

const original = z.object({
  ...{ scores: score, byDocument: z.object(sums).check(ofOneLength('tokens', 'nll')) },
  ...{ tasks: taskScores.optional(), samples: z.array(originalSample) },
}) satisfies z.ZodType<OriginalResult>;

const difference = z.object({ deltaNll: number, interval, deltaKl: number, intervalKl: interval }).nullable();
const angle = z.object({
  ...{ layer: number, variance: number, dimensions: z.tuple([number, number]) },
  ...{ meanSquaredCosine: number, largestCosine: number },
  random: z.object({
    ...{ draws: number, meanSquaredCosine: number, mostMeanSquaredCosine: number, largestCosine: number },
  }),
});
const sensitivity = z
  .object({
    by: z.enum(['layer', 'projection', 'both']),
    kept: z.array(
      z.union([z.object({ variance: number }), z.object({ rank: number })], 'expected a variance or a rank'),
    ),
    rows: z.array(z.object({ layers: numbers, targets: z.array(z.enum(projections)), cells: texts })),
    joint: texts,
    additivity: z.array(z.object({ joint: number, sum: number, difference: number, interval }).nullable()),
  })
  .check(ofOneLength('kept', 'joint', 'additivity'), ({ value: { kept, rows }, issues }) => {
    for (const [i, { cells }] of rows.entries())
      if (cells.length !== kept.length)
        issues.push(
          problem(cells, ['rows', i, 'cells'], `expected ${kept.length} items as in kept, received ${cells.length}`),
        );
  });

const study = z
  .object({
    ...{ schema, kind: z.enum(['sweep', 'sensitivity']), complete: z.boolean(), command: text, model },
    context: z.looseObject({
      ...{ format: z.literal(2), versions, model: text, precision: text, engine: text, dtype: text },
      ...{ documents: text, tasks: text.nullable(), prompts: text.nullable(), sampling: sampling.nullable() },
    }),
    ...{ text: scoredText, tasks: z.object({ file: text, rule: text }).optional() },
    ...{ cells: texts, original: original.nullable(), notes },
    pairs: z.array(
      z.object({
        ...{ rule: z.enum(['variance', 'rank', ...matchRules, 'allocate']), cell: text, partner: text },
        ...{ difference, met: z.boolean().nullable() },
      }),
    ),
    controls: z.array(z.object({ control: z.enum(controls), cell: text, of: text.nullable(), difference })),
    ...{ angles: z.array(angle), curves, sensitivity: sensitivity.optional() },
  })
  .check(({ value, issues }) => {
    const { kind, sensitivity: map, original } = value;
    if (kind === 'sensitivity' && !map)
      issues.push(problem(map, ['sensitivity'], 'expected the rows of a sensitivity study'));
    issues.push(...strangers(value));
    if (original) issues.push(...mismatches(original, value, ['original']));
  }) satisfies z.ZodType<Study>;

/** Cells that pairs, controls or a map name and the study's list does not. */
function strangers({ cells, pairs, controls: held, sensitivity: map }: Study): Issue[] {
  const known = new Set(cells);
  const named: (readonly [Path, string | null])[] = [
    ...pairs.flatMap(({ cell, partner }, i) => [
      [['pairs', i, 'cell'], cell] as const,
      [['pairs', i, 'partner'], partner] as const,
    ]),
    ...held.flatMap(({ cell, of }, i) => [
      [['controls', i, 'cell'], cell] as const,
      [['controls', i, 'of'], of] as const,
    ]),
    ...(map?.rows ?? []).flatMap((row, i) =>
      row.cells.map((id, j) => [['sensitivity', 'rows', i, 'cells', j], id] as const),
    ),
    ...(map?.joint ?? []).map((id, i) => [['sensitivity', 'joint', i], id] as const),
  ];
  return named.flatMap(([path, id]) =>
    id === null || known.has(id) ? [] : problem(id, path, `expected one of the study's cells, received "${id}"`),
  );
}

/** Where a result has other documents or questions than its study, whose differences would then be of unlike things. */
function mismatches(
  { byDocument, tasks: answers }: OriginalResult | CellResult,
  { text: { documents }, tasks }: Pick<Study, 'text' | 'tasks'>,
  at: Path = [],
): Issue[] {
  const { length } = byDocument.tokens;
  const wrong: Issue[] = [];
  if (length !== documents)
    wrong.push(
      problem(length, [...at, 'byDocument'], `expected ${documents} documents as in the study, received ${length}`),
    );
  if ((answers === undefined) !== (tasks === undefined))
    wrong.push(problem(answers, [...at, 'tasks'], `expected ${tasks ? 'answers' : 'none'} as in the study`));
  return wrong;
}

/** Where a cell's samples do not stand beside the original's, token by token. */
function unmatched({ samples }: CellResult, original: OriginalResult | null): Issue[] {
  if (!original) return [];
  const { samples: originals } = original;
  if (samples.length !== originals.length)
    return [
      problem(samples, ['samples'], `expected ${originals.length} as of the original, received ${samples.length}`),
    ];
  return samples.flatMap(({ ofOriginal }, i) => {
    const length = originals[i]?.logprobs.length ?? 0;
    const words = `expected ${length} items as the original's sample has, received ${ofOriginal.length}`;
    return ofOriginal.length === length ? [] : problem(ofOriginal, ['samples', i, 'ofOriginal'], words);
  });
}

/**
 * What study.json said, with its keys in its own order.
 * @throws Error in words that follow the file's name: what is wrong, and where
 */
export function checkedStudy(value: unknown): Study {
  checked(study, value, 'a study that this version reads');
  const { original } = value as Study;
  return { ...(value as Study), original: original && { ...original, scores: withPerplexity(original.scores) } };
}

/**
 * What a line of cells.jsonl said, with its keys in its own order: it may be written again, and has to be the same bytes.
 * @param beside the study that it is a cell of
 * @throws Error in words that follow the line's number: what is wrong, and where
 */
export function checkedCell(value: unknown, beside: Study | undefined): CellResult {
  const read = checked(cell, value, 'a cell');
  const issues = beside ? [...mismatches(read, beside), ...unmatched(read, beside.original)] : [];
  if (issues[0]) throw unlike('a cell of its study', issues[0]);
  return { ...(value as CellResult), scores: withPerplexity((value as CellResult).scores) };
}
