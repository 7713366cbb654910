// study.json and a line of cells.jsonl: the files of a study. They hold no clock time and no path, so that a repeated study gives the same bytes.

import { z } from 'zod';
import { projections } from '../checkpoint/names.ts';
import { modelUnits } from '../operations/kind.ts';
import { spectrumCurves } from '../operations/pca/curves.ts';
import { itemAt } from '../platform/indexing.ts';
import { type Frozen, type Issue, numbers, ofOneLength, type Path, problem, texts } from '../platform/schemas.ts';
import { scoreShapes } from '../scores/registry.ts';
import { interval } from '../scores/score.ts';
import { format } from './format.ts';
import {
  calibration,
  footprint,
  model,
  notes,
  number,
  recipe,
  reports,
  sampleIssues,
  sampling,
  scoredText,
  taskScores,
  text,
  versions,
} from './shapes.ts';

/** A model's continuation of a prompt. */
const sample = z.object({
  prompt: text,
  /** The prompt as read back from its tokens, and what follows it. */
  text,
  /** Only what follows. */
  completion: text,
  /** What each new token adds to the completion. */
  pieces: texts,
  /** The prompt and what follows it. */
  ids: numbers,
  /** Log-probability of each new token under the model that wrote it: nats, before temperature and nucleus. */
  logprobs: numbers,
  /** The stop token, where it came first: its piece and log-probability. Not known of older results. */
  end: z.object({ token: text, logprob: number }).optional(),
});
const originalSample = sample.check(({ value, issues }) => {
  issues.push(...sampleIssues(value, { logprobs: value.logprobs }));
});
/** A cell's sample, with the log-probabilities that a comparison with the original needs. */
const cellSample = sample
  .extend({
    /** The original's log-probabilities of this text's new tokens. */
    underOriginal: numbers,
    /** This cell's log-probabilities of the new tokens that the original wrote after the same prompt. */
    ofOriginal: numbers,
  })
  .check(({ value, issues }) => {
    const { logprobs, underOriginal } = value;
    issues.push(...sampleIssues(value, { logprobs, underOriginal }));
  });

/** Sums over each document's scored tokens, in the order of the documents. */
const sums = { tokens: numbers, nll: numbers };

/** A line of cells.jsonl: a variant and its scores. */
export const cell = z
  .object({
    id: text,
    /** The operations in order, every default filled in. */
    recipe,
    /** Null where nothing changes, and for several operations on the same weights. */
    footprint: footprint.nullable(),
    reports,
    scores: scoreShapes.compared,
    byDocument: z.object({ ...sums, kl: numbers }).check(ofOneLength('tokens', 'nll', 'kl')),
    tasks: taskScores.optional(),
    samples: z.array(cellSample),
  })
  .check(({ value: { recipe: operations, reports: own }, issues }) => {
    if (operations.map(({ kind }) => kind).join() !== own.map(({ kind }) => kind).join())
      issues.push(problem(own, ['reports'], 'expected one of each operation of the recipe'));
  });

export const original = z.object({
  scores: scoreShapes.alone,
  byDocument: z.object(sums).check(ofOneLength('tokens', 'nll')),
  tasks: taskScores.optional(),
  samples: z.array(originalSample),
});

/** The difference of two cells, the first minus the second, token-weighted over documents. Null as long as one is missing. */
const difference = z.object({ deltaNll: number, interval, deltaKl: number, intervalKl: interval }).nullable();

/** Leading row spaces of a layer's k and v, and random subspaces of the same dimensions. */
const angle = z.object({
  layer: number,
  variance: number,
  dimensions: z.tuple([number, number]),
  /** Mean of the squared cosines of the principal angles, and the largest cosine. */
  meanSquaredCosine: number,
  largestCosine: number,
  /** The same of random subspaces: the mean, and the largest of all draws. */
  random: z.object({
    draws: number,
    meanSquaredCosine: number,
    mostMeanSquaredCosine: number,
    largestCosine: number,
  }),
});

const budget = z.strictObject({
  variance: number.optional(),
  rank: number.optional(),
  ratio: number.optional(),
  energy: number.optional(),
  bits: number.optional(),
});

const sensitivity = z
  .object({
    by: z.enum(['layer', 'projection', 'both', ...modelUnits]),
    kept: z.array(budget),
    /** Cells by name, one a threshold. */
    rows: z.array(
      z.object({ layers: numbers, targets: z.array(z.enum(projections)), unit: text.optional(), cells: texts }),
    ),
    /** Everything at once, one a threshold. */
    joint: texts,
    /** Δnll in nats of all at once and of the parts' sum, one a threshold. */
    additivity: z.array(z.object({ joint: number, sum: number, difference: number, interval }).nullable()),
  })
  .check(ofOneLength('kept', 'joint', 'additivity'), ({ value: { kept, rows }, issues }) => {
    for (const [i, { cells }] of rows.entries())
      if (cells.length !== kept.length)
        issues.push(
          problem(cells, ['rows', i, 'cells'], `expected ${kept.length} items as in kept, received ${cells.length}`),
        );
  });

/** Everything but the recipe that decides a cell's result. */
const context = z.looseObject({
  /** Of the meaning of cells: changes when they are made in another way. */
  format: number,
  versions,
  /** SHA-256 of the model's weights. */
  model: text,
  precision: text,
  engine: text,
  dtype: text,
  /** SHA-256 of the token ids of the documents, of the questions if there are any, and of the prompts. */
  documents: text,
  tasks: text.nullable(),
  prompts: text.nullable(),
  /** How samples are drawn; null without samples. */
  sampling: sampling.nullable(),
  /** SHA-256 of the calibration text's token ids, where a cell looks at it. */
  calibration: text.optional(),
});

/** What study.json says. */
export const study = z
  .object({
    format: z.literal(format),
    kind: z.enum(['sweep', 'sensitivity']),
    /** Whether every cell is there. */
    complete: z.boolean(),
    command: text,
    model,
    context,
    text: scoredText,
    /** What cells are fitted to, where one is. */
    calibration: calibration.optional(),
    tasks: z.object({ file: text, rule: text }).optional(),
    /** Cells by name, in order. */
    cells: texts,
    original: original.nullable(),
    notes,
    pairs: z.array(
      z.object({
        rule: text,
        cell: text,
        partner: text,
        difference,
        /** For `error`: whether the partner reaches the cell's error, which dropped means may prevent. Null while unknown. */
        met: z.boolean().nullable(),
      }),
    ),
    /** A control, and the cell that it is a control of; null for one that belongs to all. */
    controls: z.array(z.object({ control: text, cell: text, of: text.nullable(), difference })),
    angles: z.array(angle),
    /** The spectrum of each group of the cells that are no controls. */
    curves: spectrumCurves,
    sensitivity: sensitivity.optional(),
  })
  .check(({ value, issues }) => {
    const { kind, sensitivity: map, original: base } = value;
    if (kind === 'sensitivity' && !map)
      issues.push(problem(map, ['sensitivity'], 'expected the rows of a sensitivity study'));
    issues.push(...unknownCells(value as Study));
    if (base) issues.push(...mismatches(base, value, ['original']));
  });

export type Sample = Frozen<z.infer<typeof sample>>;
export type CellSample = Frozen<z.infer<typeof cellSample>>;
export type CellResult = Frozen<z.infer<typeof cell>>;
export type OriginalResult = Frozen<z.infer<typeof original>>;
export type Study = Frozen<z.infer<typeof study>>;
export type Context = Study['context'];
export type Difference = NonNullable<Frozen<z.infer<typeof difference>>>;
export type PairResult = Study['pairs'][number];
export type AngleResult = Study['angles'][number];
export type SensitivityResult = NonNullable<Study['sensitivity']>;
export type Additivity = NonNullable<SensitivityResult['additivity'][number]>;

/** Cells that pairs, controls or a map name and the study's list does not. */
function unknownCells({ cells, pairs, controls, sensitivity: map }: Study): Issue[] {
  const known = new Set(cells);
  const named: (readonly [Path, string | null])[] = [
    ...pairs.flatMap(({ cell: id, partner }, i) => [
      [['pairs', i, 'cell'], id] as const,
      [['pairs', i, 'partner'], partner] as const,
    ]),
    ...controls.flatMap(({ cell: id, of }, i) => [
      [['controls', i, 'cell'], id] as const,
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
export function mismatches(
  { byDocument, tasks: answers }: Pick<OriginalResult, 'byDocument' | 'tasks'>,
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

/** Where a cell's samples do not stand next to the original's, token by token. */
export function unmatched({ samples }: Pick<CellResult, 'samples'>, base: OriginalResult | null): Issue[] {
  if (!base) return [];
  const { samples: originals } = base;
  if (samples.length !== originals.length)
    return [
      problem(samples, ['samples'], `expected ${originals.length} as of the original, received ${samples.length}`),
    ];
  return samples.flatMap(({ ofOriginal }, i) => {
    const { length } = itemAt(originals, i).logprobs;
    const words = `expected ${length} items as the original's sample has, received ${ofOriginal.length}`;
    return ofOriginal.length === length ? [] : problem(ofOriginal, ['samples', i, 'ofOriginal'], words);
  });
}
