/**
 * surgery as a library: what its commands are made of, for a program of your own.
 *
 * ```ts
 * import { openCheckpoint, operate, Runtime, score, Tokenizer, touchedBy } from 'surgery';
 *
 * const checkpoint = await openCheckpoint('pocket');
 * const { recipe, tensors } = await operate(checkpoint, [{ kind: 'pca', mode: 'shared-kv', variance: 0.7 }]);
 * const runtime = await Runtime.open(checkpoint, { replaceable: touchedBy([recipe], checkpoint.config) });
 * const tokenizer = await Tokenizer.open(checkpoint);
 * const documents = [tokenizer.encode('Once upon a time there was a dog.')];
 * const { original, variants } = await score(documents, { runtime }, [{ runtime, weights: runtime.variant(tensors) }]);
 * await runtime.close();
 * ```
 *
 * What a user of these functions can mend is thrown as a {@link SurgeryError}; any other error is a bug of ours.
 * @module surgery
 */
import { Checkpoint } from './checkpoint/reader.ts';
import { type HubAccess, resolveModel } from './hub/model-reference.ts';

export type { LlamaConfig } from './checkpoint/config.ts';
export { type WeightDtype, weightDtypes } from './checkpoint/dtypes.ts';
export type { Projection } from './checkpoint/names.ts';
export { type ByteRange, Checkpoint, type CheckpointShard, type Tensor } from './checkpoint/reader.ts';
export { type Replacements, type WriteOptions, writeCheckpoint } from './checkpoint/writer.ts';
export {
  type Generated,
  type GenerateOptions,
  generate,
  generateTogether,
  type Start,
} from './generate/generate.ts';
export type { Sampling } from './generate/sampling.ts';
export type { HubAccess } from './hub/model-reference.ts';
export type { PullReporter } from './hub/snapshot.ts';
export { type Eigen, type EigenOptions, symmetricEigen } from './linalg/eigen/eigen.ts';
export { type Matrix, multiply, type Numbers, type Transposes } from './linalg/products.ts';
export type { Footprint, OperatorSettings, PcaEngine } from './operations/kind.ts';
export { type OnProgress, type Operated, Operator, operate } from './operations/operator.ts';
export { type Mode, modes } from './operations/pca/grouping.ts';
export type { GroupReport, LayerReport, PcaReport } from './operations/pca/report.ts';
export type { MatchRule, MeanRule, PcaControl, PcaSpec } from './operations/pca/spec.ts';
export { type Spectrum, spectra, thresholds } from './operations/pca/spectrum.ts';
export { type CompleteRecipe, completeRecipe, type Recipe, recipeHash, touchedBy } from './operations/recipe.ts';
export { readRecipe, recipeText } from './operations/recipe-file.ts';
export type { CompleteOperation, Operation, OperationReport } from './operations/registry.ts';
export type { ZeroReport } from './operations/zero/report.ts';
export type { ZeroSpec } from './operations/zero/spec.ts';
export { type ErrorCode, SurgeryError } from './platform/errors.ts';
export { Batch, type GraphRunner, Sequence, type Weights } from './runtime/sequence.ts';
export { attentionWeights, type Precision, Runtime, type RuntimeOptions } from './runtime/session.ts';
export {
  type ByDocument,
  type Chunk,
  type Comparison,
  type Interval,
  type Model,
  type Predictions,
  type Score,
  type Scores,
  scoreDocuments as score,
} from './scores/likelihood.ts';
export { bootstrapMean, type DocumentSum, type Estimate } from './scores/statistics.ts';
export { type EncodedQuestion, encodeTasks, scoreTasks, type TaskScore, type TaskScores } from './scores/tasks.ts';
export type { Message } from './text/chat.ts';
export { type Question, readDocuments, readTasks } from './text/documents.ts';
export { StreamDecoder, Tokenizer } from './text/tokenizer.ts';

/**
 * Opens the model that `--model` would: a checkpoint's folder, `pocket`, or `org/name[@revision]`, which is pulled from
 * the Hub if the Hugging Face cache does not hold it.
 * @throws SurgeryError `model` if it leads to nothing, `network` if the Hub cannot be reached, `checkpoint` or
 * `unsupported` for one that cannot be read
 */
export async function openCheckpoint(reference: string, access: HubAccess = {}): Promise<Checkpoint> {
  const { folder } = await resolveModel(reference, access);
  return Checkpoint.open(folder);
}
