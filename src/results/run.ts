// run.json: one variant, scored and sampled next to the original. A study of one cell, with the machine it was made on.
import { z } from 'zod';
import { weightDtypes } from '../checkpoint/dtypes.ts';
import { spectrumCurves } from '../operations/pca/curves.ts';
import { type Frozen, numbers, problem } from '../platform/schemas.ts';
import { format } from './format.ts';
import { calibration, modelHere, notes, number, sampling, scoredText, text, versions } from './shapes.ts';
import { type CellResult, cell, original, type Study, unmatched } from './study.ts';

/** A rate is infinite where no time was measured; JSON has null for it. */
const speed = number.nullable().transform((value) => value ?? Number.POSITIVE_INFINITY);

/** The loss from parts of an edit that breaks the model, on a sample of the text: KL in nats per token. */
const diagnosis = z.object({
  /** The sample: beginnings of the first documents, and the number of scored tokens. */
  documents: number,
  tokens: number,
  /** The edited weights of one layer in the original. */
  layers: z.array(z.object({ layer: number, kl: number })),
  /** Of one projection of the worst layer; none where it has a single one. */
  projections: z.array(z.object({ layer: number, projection: text, kl: number })),
  /** The edit without its worst layers, as few as make it work or half of them; null for one layer. */
  rest: z.object({ layers: numbers, kl: number, works: z.boolean() }).nullable(),
});

export const run = z
  .object({
    format: z.literal(format),
    kind: z.literal('run'),
    command: text,
    /** When it was done, ISO 8601, UTC. */
    date: text,
    versions,
    model: modelHere,
    precision: z.enum(['fp32', 'int8']),
    /** Of the weights that are written. */
    dtype: z.enum(weightDtypes),
    /** Of the token ids of the documents. */
    documentsSha256: text.optional(),
    text: scoredText,
    calibration: calibration.optional(),
    tasks: z.object({ file: text, rule: text }).optional(),
    sampling,
    notes,
    original,
    cell,
    /** Where the damage lies; only of edits that break the model, and not of older results. */
    diagnosis: diagnosis.optional(),
    /** Why it was not looked for, where it was wanted. */
    undiagnosed: text.optional(),
    /** The spectrum of each group that was decomposed. */
    curves: spectrumCurves,
    /** Of each sample, after its first token. */
    tokensPerSecond: z.object({ original: z.array(speed), variant: z.array(speed) }),
    seconds: z.record(text, number),
    /** The folder of the results, on screens. */
    output: text.optional(),
  })
  .check(({ value: { tasks, original: base, cell: own }, issues }) => {
    issues.push(...unmatched(own, base).map((issue) => ({ ...issue, path: ['cell', ...issue.path] })));
    for (const [name, one] of Object.entries({ original: base, cell: own }))
      if ((one.tasks === undefined) !== (tasks === undefined))
        issues.push(problem(one.tasks, [name, 'tasks'], `expected ${tasks ? 'answers' : 'none'}`));
  });

export type Diagnosis = Frozen<z.infer<typeof diagnosis>>;
export type RunResult = Frozen<z.infer<typeof run>>;

/** A run as a study of one cell. It can be placed next to others but not paired with them. */
export function asStudy(run: RunResult): { study: Study; cells: ReadonlyMap<string, CellResult> } {
  const {
    command,
    model,
    versions,
    precision,
    dtype,
    documentsSha256 = '',
    text,
    calibration,
    tasks,
    original,
    cell,
    curves,
  } = run;
  const study: Study = {
    format,
    kind: 'sweep',
    complete: true,
    command,
    model,
    text,
    ...(calibration ? { calibration } : {}),
    ...(tasks ? { tasks } : {}),
    context: {
      format,
      versions,
      model: model.sha256,
      precision,
      engine: '',
      dtype,
      documents: documentsSha256,
      tasks: null,
      prompts: null,
      sampling: null,
      ...(calibration ? { calibration: calibration.documentsSha256 } : {}),
    },
    cells: [cell.id],
    original,
    pairs: [],
    controls: [],
    angles: [],
    curves,
  };
  return { study, cells: new Map([[cell.id, cell]]) };
}
