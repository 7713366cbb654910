// The version of result files, and how those of older versions become it.

import { footprint } from '../operations/pca/footprint.ts';
import { pcaReport } from '../operations/pca/report.ts';
import { isObject } from '../platform/strict-json.ts';

/** Version of run.json, study.json and cells.jsonl. */
export const format = 3;

type Json = Readonly<Record<string, unknown>>;

/**
 * A run.json or study.json of an older version as this version writes it: before recipes, a PCA was the only operation.
 * Anything else comes back as it is, and the schema says what is wrong with it.
 */
export function upgraded(value: unknown): unknown {
  if (!isObject(value) || 'format' in value || value.schema !== 1) return value;
  return 'scores' in value ? upgradedRun(value) : upgradedStudy(value);
}

/** The same for the result of an analysis. */
export function upgradedFinding(value: unknown): unknown {
  if (!isObject(value) || value.schema !== 1) return value;
  const { schema: _, operation, ...rest } = value;
  if (!isObject(operation)) return { format, ...rest };
  const { groups: __, ...settings } = operation;
  return { format, ...rest, recipe: [{ kind: 'pca', ...settings }] };
}

/** The same for a line of cells.jsonl. */
export function upgradedCell(value: unknown): unknown {
  if (!isObject(value) || 'recipe' in value || !isObject(value.operation)) return value;
  const { id, operation, extent: _, layers, ...rest } = value;
  return { id, ...variantOf(operation as Json, layers), ...rest };
}

function upgradedStudy({ schema: _, ...study }: Json): Json {
  return { format, ...study };
}

function upgradedRun(run: Json): unknown {
  const { operation, layers, scores, samples, tasks, curves, parameters: _, schema: __, ...rest } = run;
  if (!isObject(operation) || !isObject(scores) || !Array.isArray(samples) || !Array.isArray(layers)) return run;
  const { original, operated, ...text } = scores;
  const { dtype, groups: ___, ...settings } = operation;
  const byDocument = { tokens: [], nll: [] };
  const of = (variant: string) => samples.filter((one): one is Json => isObject(one) && one.variant === variant);
  const own = (sample: Json, at: number) => (of('operated')[at] ?? sample) as Json;
  const both = (sample: Json) => sample.logprobs as { original?: unknown; operated?: unknown } | undefined;
  const answers = isObject(tasks) ? tasks : undefined;
  const plain = ({ variant: _, tokensPerSecond: __, ...sample }: Json) => sample;
  return {
    format,
    kind: 'run',
    ...rest,
    dtype,
    text,
    ...(answers ? { tasks: { file: answers.file, rule: answers.rule } } : {}),
    original: {
      scores: original,
      byDocument,
      ...(answers ? { tasks: answers.original } : {}),
      samples: of('original').map((sample) => ({ ...plain(sample), logprobs: both(sample)?.original })),
    },
    cell: {
      id: 'run',
      ...variantOf(settings, layers),
      scores: operated,
      byDocument: { ...byDocument, kl: [] },
      ...(answers ? { tasks: answers.operated } : {}),
      samples: of('original').map((sample, i) => ({
        ...plain(own(sample, i)),
        logprobs: both(own(sample, i))?.operated,
        underOriginal: both(own(sample, i))?.original,
        ofOriginal: both(sample)?.operated,
      })),
    },
    curves,
    tokensPerSecond: { original: speeds(of('original')), variant: speeds(of('operated')) },
  };
}

const speeds = (samples: readonly Json[]) => samples.map(({ tokensPerSecond }) => tokensPerSecond);

/** The recipe of an older file's single operation, which may be the control `none`. */
function variantOf({ control, ...rest }: Json, layers: unknown): Json {
  if (control === 'none') {
    const { targets, layers: chosen } = rest;
    return { recipe: [{ kind: 'none', targets, layers: chosen }], footprint: null, reports: [{ kind: 'none' }] };
  }
  const { success, data } = pcaReport.safeParse({ kind: 'pca', layers });
  return {
    recipe: [{ kind: 'pca', ...rest, ...(control === undefined ? {} : { control }) }],
    footprint: success ? footprint(data.layers) : null,
    reports: [{ kind: 'pca', layers }],
  };
}
