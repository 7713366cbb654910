/**
 * surgery as a library: an experiment, a sensitivity study, a lens, probes, and the parts that they are made of.
 *
 * An experiment applies recipes to a checkpoint and scores each variant against the original on the same documents:
 *
 * ```ts
 * import { openCheckpoint, runExperiment, Tokenizer } from 'surgery';
 *
 * const checkpoint = await openCheckpoint('pocket');
 * const tokenizer = await Tokenizer.open(checkpoint);
 * const documents = ['Once upon a time there was a dog.', 'Tom saw a big red ball.'].map((text) => tokenizer.encode(text));
 * const { original, cells } = await runExperiment(
 *   checkpoint,
 *   [[{ kind: 'pca', mode: 'shared-kv', variance: 0.7 }], [{ kind: 'zero', heads: ['2.1'] }]],
 *   documents,
 * );
 * for (const { recipe, scores } of cells) console.log(recipe, scores.kl, scores.perplexity / original.scores.perplexity);
 * ```
 *
 * The logit lens and probes, of the original and of the variant that a recipe makes, are one call each:
 *
 * ```ts
 * import { lens, probe } from 'surgery';
 *
 * const recipe = [{ kind: 'pca', variance: 0.7 }];
 * const { prompts } = await lens(checkpoint, ['Lily had a red'], { recipe });
 * const { points, variants } = await probe(checkpoint, documents, { recipe });
 * ```
 *
 * So are `unlikely`, `outliers`, `basis` and `sensitivity`, each of which does what the command of its name does.
 *
 * A model that does not fit in memory is walked through: all documents of all variants go through a block before the next
 * one is read. A visitor sees the residual stream at every point:
 *
 * ```ts
 * import { Operator, scoreWalk, Walk } from 'surgery';
 *
 * const walk = new Walk(checkpoint, documents, { memory: 6e9 });
 * const operator = new Operator(checkpoint);
 * const variant = await operator.layered([{ kind: 'zero', blocks: [3] }]);
 * const scores = await scoreWalk(walk, [variant]);
 * const norms = [];
 * await walk.run([], { visit: ({ point, batch, residual }) => void norms.push([point, batch.rows, Math.hypot(...residual.slice(0, 9))]) });
 * await walk.close();
 * ```
 *
 * Or what projections read, summed up layer by layer:
 *
 * ```ts
 * const { visitBlock, activations } = statisticsVisitor(walk, ({ layer, activations, cosine }) =>
 *   console.log(layer, activations.get('qkv')?.secondMoment, 1 - cosine),
 * );
 * await walk.run([], { visitBlock, activations });
 * ```
 *
 * Multiple-choice questions go through a walk as trees of a context and its choices, with the documents or alone:
 *
 * ```ts
 * import { encodeTasks, readTasks, taskTrees, walkedTasks } from 'surgery';
 *
 * const asked = await encodeTasks(await readTasks('tasks.jsonl'), 'tasks.jsonl', tokenizer, checkpoint.config.contextLength);
 * const quiz = new Walk(checkpoint, [], { trees: taskTrees(asked) });
 * const end = await quiz.run([variant]);
 * const { accuracy } = await walkedTasks(quiz, end.original, await quiz.unembedding(), asked);
 * await quiz.close();
 * ```
 *
 * A chat model's prompt comes from its own template: `tokenizer.encodeChat(tokenizer.chat(messages))`.
 *
 * A {@link SurgeryError} is a mistake that the caller can correct, with a message of one line. Any other error is a bug
 * of this program.
 * @module surgery
 */
import { Checkpoint } from './checkpoint/reader.ts';
import { type HubAccess, resolveModel } from './hub/model-reference.ts';
import { aFlag, isPlainObject, requireArgument, requireOptions } from './platform/arguments.ts';

export { type BasisOfCheckpoint, type BasisOfCheckpointOptions, basis } from './analyses/basis/of-checkpoint.ts';
export { type LensOfCheckpoint, type LensOptions, lens } from './analyses/lens/of-checkpoint.ts';
export type { DepthProfiles } from './analyses/lens/over-text.ts';
export { type OutlierOptions, outliers } from './analyses/outliers/of-checkpoint.ts';
export type { Outlier, OutlierLayer } from './analyses/outliers/result.ts';
export {
  type ProbeOfCheckpoint,
  type ProbeOfCheckpointOptions,
  probe,
} from './analyses/probe/probe.ts';
export type { DepthEvaluation, MapEvaluation, PointEvaluation } from './analyses/probe/result.ts';
export { type UnlikelyOptions, unlikely } from './analyses/unlikely/of-checkpoint.ts';
export type { UnlikelyTokens } from './analyses/unlikely/result.ts';
export type { VariantOptions } from './analyses/variants.ts';
export type { LlamaConfig } from './checkpoint/config.ts';
export { type WeightDtype, weightDtypes } from './checkpoint/dtypes.ts';
export type { Activation, Projection } from './checkpoint/names.ts';
export { type ByteRange, Checkpoint, type CheckpointShard, type Tensor } from './checkpoint/reader.ts';
export { type Replacements, type WriteOptions, writeCheckpoint } from './checkpoint/writer.ts';
export { planSweep, type Sweep } from './experiments/design.ts';
export { type ExperimentOptions, type ExperimentResult, runExperiment } from './experiments/experiment.ts';
export { type SensitivityOfCheckpoint, type SensitivityOptions, sensitivity } from './experiments/sensitivity.ts';
export {
  type Generated,
  type GenerateOptions,
  type GenerationSettings,
  generate,
  generateTogether,
  type Start,
} from './generate/generate.ts';
export { greedy, type Sampling } from './generate/sampling.ts';
export type { HubAccess } from './hub/model-reference.ts';
export type { PullReporter } from './hub/snapshot.ts';
export { type Eigen, type EigenOptions, symmetricEigen } from './linalg/eigen/eigen.ts';
export { type Matrix, multiply, type Numbers, type Transposes } from './linalg/products.ts';
export type { Footprint, OperatorSettings, PcaEngine, SweepPlan, SweepRequest } from './operations/kind.ts';
export { type OnProgress, type Operated, Operator, operate } from './operations/operator.ts';
export { type Mode, modes } from './operations/pca/grouping.ts';
export type { GroupReport, LayerReport, PcaReport } from './operations/pca/report.ts';
export type { MatchRule, MeanRule, PcaControl, PcaSpec } from './operations/pca/spec.ts';
export { type Spectrum, spectra, thresholds } from './operations/pca/spectrum.ts';
export type { QuantiseReport } from './operations/quantise/report.ts';
export type { QuantiseSpec } from './operations/quantise/spec.ts';
export { type CompleteRecipe, completeRecipe, type Recipe, recipeHash, touchedBy } from './operations/recipe.ts';
export { readRecipe, recipeText } from './operations/recipe-file.ts';
export type { CompleteOperation, Operation, OperationReport } from './operations/registry.ts';
export type { ZeroReport } from './operations/zero/report.ts';
export type { ZeroSpec } from './operations/zero/spec.ts';
export { type ErrorCode, SurgeryError } from './platform/errors.ts';
export type { CellResult, CellSample, OriginalResult, Sample } from './results/study.ts';
export type { Precision } from './runtime/precision.ts';
export { Batch, type GraphRunner, Sequence, type Weights } from './runtime/sequence.ts';
export { Runtime, type RuntimeOptions } from './runtime/session.ts';
export {
  type ActivationStatistics,
  type LayerStatistics,
  type StatisticsRequest,
  statisticsVisitor,
} from './runtime/statistics.ts';
export type { RowBatch } from './runtime/walk/batches.ts';
export type { WalkVariant } from './runtime/walk/steps.ts';
export type { Stream } from './runtime/walk/streams.ts';
export type { TokenTree } from './runtime/walk/trees.ts';
export type { VisitedBlock, VisitedRows, WalkVisitor } from './runtime/walk/visitor.ts';
export { type Unembedding, Walk, type WalkOptions, type WalkRun } from './runtime/walk/walk.ts';
export {
  type ByDocument,
  type Chunk,
  type Predictions,
  type Scores,
  scoreDocuments as score,
} from './scores/likelihood.ts';
export type { Model } from './scores/model.ts';
export type { Comparison, Score } from './scores/registry.ts';
export { bootstrapMean, type DocumentSum, type Estimate } from './scores/statistics.ts';
export { type EncodedQuestion, encodeTasks, scoreTasks, type TaskScore, type TaskScores } from './scores/tasks.ts';
export type { Interval } from './scores/token-sums.ts';
export { scoreWalk } from './scores/walked.ts';
export { taskTrees, walkedTasks } from './scores/walked-tasks.ts';
export type { Message } from './text/chat.ts';
export { type Question, readDocuments, readTasks } from './text/documents.ts';
export type { Documents } from './text/encode-documents.ts';
export { StreamDecoder, Tokenizer } from './text/tokenizer.ts';

/**
 * Opens a model, with the same references as `--model`: a checkpoint folder, `pocket` (the embedded model), or
 * `org/name[@revision]`, which is downloaded from the Hub unless the Hugging Face cache holds it.
 * @throws SurgeryError `model` if there is no such model, `network` if the Hub cannot be reached, `checkpoint` if its files
 * are damaged or incomplete, `unsupported` for an architecture that does not run
 */
export async function openCheckpoint(reference: string, access: HubAccess = {}): Promise<Checkpoint> {
  requireArgument('reference', reference, {
    words: 'a checkpoint folder, "pocket" or "org/name[@revision]"',
    test: (value) => typeof value === 'string' && value !== '',
  });
  requireOptions('openCheckpoint', access, {
    offline: aFlag,
    reporter: { words: 'an object with say and step', test: isPlainObject },
  });
  const { folder } = await resolveModel(reference, access);
  return Checkpoint.open(folder);
}
