/**
 * surgery as a library: what its commands are made of, for a program of your own.
 *
 * ```ts
 * import { attentionWeights, openCheckpoint, operate, Runtime, score, Tokenizer } from 'surgery';
 *
 * const checkpoint = await openCheckpoint('pocket');
 * const runtime = await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint) });
 * const { tensors, layers } = await operate(checkpoint, { mode: 'shared-kv', variance: 0.7, mean: 'keep' });
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
import { type HubAccess, resolveModel } from './checkpoint/reference.ts';

export type { LlamaConfig } from './checkpoint/config.ts';
export { type WeightDtype, weightDtypes } from './checkpoint/dtypes.ts';
export type { PullReporter } from './checkpoint/hub/pull.ts';
export type { Projection } from './checkpoint/names.ts';
export { Checkpoint, type Extent, type Shard, type Tensor } from './checkpoint/reader.ts';
export type { HubAccess } from './checkpoint/reference.ts';
export { type Replacements, type WriteOptions, writeCheckpoint } from './checkpoint/writer.ts';
export type { FitsOptions, OnProgress } from './decompose/fits.ts';
export type { Budget } from './decompose/group.ts';
export { type Mode, modes } from './decompose/groups.ts';
export { type GroupReport, type LayerReport, type Operated, operate } from './decompose/operate.ts';
export type { Control, MatchRule, MeanRule, Operation } from './decompose/operation.ts';
export { type Spectrum, spectra, thresholds } from './decompose/spectrum.ts';
export { type ErrorCode, SurgeryError } from './errors.ts';
export { type Eigen, type EigenOptions, symmetricEigen } from './linalg/eigen.ts';
export { type Matrix, multiply, type Numbers, type Transposes } from './linalg/products.ts';
export { readDocuments, readTasks, type Task } from './measure/documents.ts';
export {
  type Generated,
  type GenerateOptions,
  generate,
  generateTogether,
  type Start,
} from './measure/generate.ts';
export type { Sampling } from './measure/sampling.ts';
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
} from './measure/score.ts';
export { bootstrapMean, type DocumentSum, type Estimate } from './measure/statistics.ts';
export { encodeTasks, type Question, scoreTasks, type TaskScore, type TaskScores } from './measure/tasks.ts';
export type { Message } from './runtime/chat.ts';
export { Batch, type Engine, Sequence, type Weights } from './runtime/sequence.ts';
export { attentionWeights, type Precision, Runtime, type RuntimeOptions } from './runtime/session.ts';
export { StreamDecoder, Tokenizer } from './runtime/tokenizer.ts';

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
