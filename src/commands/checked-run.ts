// run.json → the run it was, checked to the last figure that its page shows.
import { z } from 'zod';
import { weightDtypes } from '../checkpoint/dtypes.ts';
import type { ModelInfo, RunResult } from '../report/results.ts';
import {
  checked,
  comparison,
  curves,
  layerReports,
  model,
  notes,
  number,
  numbers,
  operation,
  parameters,
  sampleIssues,
  sampling,
  schema,
  score,
  scoredText,
  taskScores,
  text,
  texts,
  versions,
} from '../study/shapes.ts';

/** What took no time at all was infinitely fast, which is null in JSON. */
const speed = number.nullable().transform((value) => value ?? Number.POSITIVE_INFINITY);

const sample = z
  .object({
    ...{ variant: z.enum(['original', 'operated']), prompt: text, text, completion: text, pieces: texts, ids: numbers },
    ...{ logprobs: z.object({ original: numbers, operated: numbers }), tokensPerSecond: speed },
  })
  .check(({ value, issues }) => {
    issues.push(...sampleIssues(value, value.logprobs));
  });

const run: z.ZodType<RunResult> = z.object({
  ...{ schema, command: text, date: text, versions, output: text, precision: z.enum(['fp32', 'int8']) },
  model: model.transform((one) => one as unknown as ModelInfo),
  operation: operation.safeExtend({ groups: texts, dtype: z.enum(weightDtypes) }),
  ...{ layers: layerReports, curves, parameters, sampling, samples: z.array(sample), notes },
  scores: scoredText.extend({ original: score, operated: comparison }),
  tasks: z.object({ file: text, rule: text, original: taskScores, operated: taskScores }).optional(),
  seconds: z.object({ load: number, decompose: number, write: number, generate: number, score: number, total: number }),
});

/**
 * The run that run.json tells of.
 * @throws Error in words that follow the file's name: what is wrong, and where
 */
export function checkedRun(value: unknown): RunResult {
  return checked(run, value, 'a run that this version reads');
}
