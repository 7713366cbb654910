// Biases that an operation adds to a model without them, in the form that transformers needs to open the checkpoint.
import { SurgeryError } from '../platform/errors.ts';
import type { LlamaConfig } from './config.ts';
import { bitsPerElement } from './dtypes.ts';
import { hasBias, type Projection, projectionName } from './names.ts';
import type { Checkpoint } from './reader.ts';
import type { PlannedFile, PlannedTensor } from './shards.ts';

/** transformers gives biases to all projections of the attention, and of the MLP, or to none. */
const together: readonly (readonly Projection[])[] = [
  ['q', 'k', 'v', 'o'],
  ['gate', 'up', 'down'],
];

/**
 * Lists every bias that the written checkpoint holds and the source lacks. A bias in `names` requires those of all attention
 * projections, or of all MLP projections, in all layers; the ones not in `names` are zeros.
 * @throws SurgeryError `output` for an architecture whose checkpoints cannot hold them
 */
export function biasesToWrite({ config, tensors, folder }: Checkpoint, names: readonly string[]): string[] {
  const isAdded = (name: string) => !tensors.has(name);
  const some = names.filter(isAdded);
  if (some.length === 0) return [];
  const layers = Array.from({ length: config.layers }, (_, layer) => layer);
  const added = together
    .filter((all) => all.some((one) => hasBias(config, one) || some.some((name) => name.endsWith(`.${one}_proj.bias`))))
    .flatMap((all) => layers.flatMap((layer) => all.map((one) => projectionName(layer, one, 'bias'))))
    .filter(isAdded);
  if (config.slidingWindow)
    throw new SurgeryError(
      'output',
      `${folder}: a ${config.architecture} with a sliding window has no place for the biases that mean ablation adds: evaluate it without writing it, with --no-save`,
    );
  return added;
}

/** Adds each bias to the file of its weight, in the weight's dtype. */
export function withBiases(source: Checkpoint, files: readonly PlannedFile[], added: readonly string[]): PlannedFile[] {
  const names = new Set(added);
  const biasOf = ({ name, dtype }: PlannedTensor): PlannedTensor[] => {
    const bias = name.replace(/weight$/, 'bias');
    if (!names.has(bias)) return [];
    const numbers = source.numbersIn([bias]);
    return [
      { name: bias, dtype, shape: source.shapeOf(bias), bytes: (numbers * (bitsPerElement[dtype] as number)) / 8 },
    ];
  };
  return files.map((file) => ({ ...file, tensors: file.tensors.flatMap((one) => [one, ...biasOf(one)]) }));
}

/**
 * The entries of config.json for added biases. Of the supported architectures only Llama has flags for them. The others
 * compute the same forward pass, so their checkpoint is written as a Llama.
 */
export function biasFields(config: LlamaConfig, added: readonly string[]): Readonly<Record<string, unknown>> {
  if (added.length === 0) return {};
  const [attention, mlp] = together.map((all) =>
    all.some((one) => hasBias(config, one) || added.includes(projectionName(0, one, 'bias'))),
  );
  const biases = { attention_bias: attention, mlp_bias: mlp };
  if (config.architecture === 'LlamaForCausalLM') return biases;
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    // Their defaults differ in a Llama, and the file may name a window that is not used.
    num_key_value_heads: config.kvHeads,
    max_position_embeddings: config.contextLength,
    sliding_window: null,
    ...biases,
  };
}
