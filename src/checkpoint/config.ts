// config.json and generation_config.json → the numbers that define the forward pass. Refuses what it does not know.
import { z } from 'zod';
import { SurgeryError, shown } from '../platform/errors.ts';
import { parseJsonFile } from '../platform/strict-json.ts';
import {
  type Architecture,
  architectures,
  isArchitecture,
  missingFor,
  missingForRope,
  modelTypes,
} from './architectures.ts';

export type RopeScaling =
  | { readonly kind: 'default' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalPositions: number;
    };

/** Layers from `fromLayer` on attend to the last `size` positions alone, a token's own included. */
export interface SlidingWindow {
  readonly size: number;
  readonly fromLayer: number;
}

/** A Llama-architecture model's shape. Every projection W is (out_features, in_features) and acts as `x @ W.T`. */
export interface LlamaConfig {
  readonly architecture: Architecture;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  /** Longest sequence in tokens. */
  readonly contextLength: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  readonly slidingWindow: SlidingWindow | undefined;
  /** The projections of attention that have a bias. */
  readonly attentionBias: readonly ('q' | 'k' | 'v' | 'o')[];
  readonly mlpBias: boolean;
  readonly tiedEmbeddings: boolean;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
}

const count = z.int().positive();
const tokenId = z.int().nonnegative();
const tokenIds = z.union([tokenId, z.array(tokenId)]).nullish();

const ropeSchema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: z.number().positive().nullish(),
  factor: z.number().positive().nullish(),
  low_freq_factor: z.number().positive().nullish(),
  high_freq_factor: z.number().positive().nullish(),
  original_max_position_embeddings: count.nullish(),
  partial_rotary_factor: z.number().nullish(),
  mrope_section: z.unknown().optional(), // of images' positions: a text's are the same in all sections
});

const familySchema = z.object({ architectures: z.array(z.string()).nullish(), model_type: z.string().nullish() });

const configSchema = z.object({
  hidden_act: z.string(),
  num_hidden_layers: count,
  hidden_size: count,
  intermediate_size: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  vocab_size: count,
  max_position_embeddings: count,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  original_max_position_embeddings: count.nullish(),
  partial_rotary_factor: z.number().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean(),
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
  sliding_window: count.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().nonnegative(),
  layer_types: z.array(z.string()).nullish(),
  attention_chunk_size: z.unknown().optional(),
  is_causal: z.unknown().optional(),
  per_layer_config: z.unknown().optional(),
  text_config: z.unknown().optional(),
  quantization_config: z.unknown().optional(),
  compression_config: z.unknown().optional(),
});

/**
 * Defaults of transformers' config classes for keys that config.json lacks. A key that is null is not missing.
 * transformers also has defaults for the sizes that every config.json gives; here a missing size is an error.
 */
const common = { hidden_act: 'silu', rms_norm_eps: 1e-6, tie_word_embeddings: false, max_window_layers: 28 };
const defaults: Record<Architecture, Partial<z.input<typeof configSchema>>> = {
  LlamaForCausalLM: { ...common, max_position_embeddings: 2048 },
  MistralForCausalLM: { ...common, max_position_embeddings: 131072, num_key_value_heads: 8, sliding_window: 4096 },
  Qwen2ForCausalLM: { ...common, max_position_embeddings: 32768, num_key_value_heads: 32, sliding_window: 4096 },
};

type RawConfig = z.infer<typeof configSchema>;
type Refuse = (key: string, found: unknown, allowed: string) => never;

const generationSchema = z.object({ eos_token_id: tokenIds });

/**
 * The configuration in the text of config.json, with stop ids from generation_config.json alone where there is one.
 * Order and defaults of the keys are those of transformers 5.24, which `test/fixtures/configs.json` was seen on.
 * @throws SurgeryError `config` for text that is not such a file, `unsupported` for models this program cannot run.
 */
export function parseConfig(text: string, file: string, generation?: { text: string; file: string }): LlamaConfig {
  const refuse: Refuse = (key, found, allowed) => {
    throw new SurgeryError('unsupported', `${file}: ${key} ${shown(found)} is not supported, only ${allowed}`);
  };
  const written = readObject(text, file);
  const architecture = architectureOf(check(familySchema, written, file), file);
  const raw = check(configSchema, { ...defaults[architecture], ...written }, file);
  refuseUnsupported(raw, refuse);
  const heads = raw.num_attention_heads;
  const kvHeads = raw.num_key_value_heads ?? heads;
  const headDim = raw.head_dim ?? raw.hidden_size / heads;
  if (heads % kvHeads !== 0) {
    throw new SurgeryError(
      'config',
      `${file}: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    const from = raw.head_dim ? 'head_dim' : 'hidden_size / num_attention_heads';
    throw new SurgeryError('config', `${file}: ${from} is ${headDim}, rotary embedding needs an even whole number`);
  }
  const stop = generation && check(generationSchema, readObject(generation.text, generation.file), generation.file);
  return {
    architecture,
    layers: raw.num_hidden_layers,
    hiddenSize: raw.hidden_size,
    intermediateSize: raw.intermediate_size,
    heads,
    kvHeads,
    headDim,
    vocabSize: raw.vocab_size,
    contextLength: raw.max_position_embeddings,
    rmsNormEps: raw.rms_norm_eps,
    ...rope(raw, file),
    slidingWindow: slidingWindow(raw, architecture, refuse),
    attentionBias: attentionBias(raw, architecture),
    mlpBias: architecture === 'LlamaForCausalLM' && raw.mlp_bias === true,
    tiedEmbeddings: raw.tie_word_embeddings,
    bosId: list(raw.bos_token_id)[0],
    eosIds: list((stop ?? raw).eos_token_id),
  };
}

/** The architecture that config.json names, or that of its model_type, which is what transformers uses. */
function architectureOf(
  { architectures: names, model_type }: z.infer<typeof familySchema>,
  file: string,
): Architecture {
  const unsupported = (what: string, supported: readonly string[], needs?: string) => {
    const why = needs ? ` (it needs ${needs})` : '';
    return new SurgeryError('unsupported', `${file}: ${what} is not supported${why}, only ${supported.join(', ')}`);
  };
  const type = Object.hasOwn(modelTypes, model_type ?? '') ? modelTypes[model_type ?? ''] : undefined;
  const name = names?.[0];
  if (name === undefined) {
    if (type) return type;
    if (model_type == null)
      throw new SurgeryError(
        'config',
        `${file} names neither architectures nor a model_type, of which one is needed: ${architectures.join(', ')}`,
      );
    const what = `architectures are missing, and model_type ${shown(model_type)}`;
    throw unsupported(what, Object.keys(modelTypes), missingFor(model_type));
  }
  if (!isArchitecture(name)) throw unsupported(`architecture ${shown(name)}`, architectures, missingFor(name));
  if (model_type == null || type === name) return name;
  throw new SurgeryError(
    'config',
    `${file}: architecture ${shown(name)} and model_type ${shown(model_type)} are of different models: make them agree`,
  );
}

function refuseUnsupported(raw: RawConfig, refuse: Refuse): void {
  if (raw.hidden_act !== 'silu' && raw.hidden_act !== 'swish') refuse('hidden_act', raw.hidden_act, '"silu"');
  for (const key of ['quantization_config', 'compression_config'] as const) {
    const found = raw[key];
    if (found != null) refuse(key, quantiser(found), 'F32, F16 and BF16 weights: give the model it was made from');
  }
  if (raw.text_config != null)
    refuse('text_config', raw.text_config, "a language model's own config.json: save that part of the model by itself");
  if (raw.per_layer_config != null && Object.keys(raw.per_layer_config).length > 0)
    refuse('per_layer_config', raw.per_layer_config, 'layers that are all alike');
  if (raw.attention_chunk_size != null)
    refuse('attention_chunk_size', raw.attention_chunk_size, 'attention to all before');
  if (raw.is_causal !== undefined && raw.is_causal !== true)
    refuse('is_causal', raw.is_causal, 'true: with it tokens see those after them, and there is no next one to score');
}

/** The name of a quantisation method (awq, gptq, fp8, …), or all that the config says where it has none. */
function quantiser(config: unknown): unknown {
  return (typeof config === 'object' && config && 'quant_method' in config && config.quant_method) || config;
}

/** Projections with a bias, as in transformers: Llama's flag is for all four, Qwen2 always has three, Mistral none. */
function attentionBias(raw: RawConfig, architecture: Architecture): LlamaConfig['attentionBias'] {
  if (architecture === 'Qwen2ForCausalLM') return ['q', 'k', 'v'];
  return architecture === 'LlamaForCausalLM' && raw.attention_bias ? ['q', 'k', 'v', 'o'] : [];
}

const layerTypes = { full: 'full_attention', sliding: 'sliding_attention' };

/**
 * As in transformers: Mistral's window is in every layer, Qwen2's where layer_types says so, else from max_window_layers on.
 * transformers' Llama applies full attention to the prompt and a window to what follows, and its Mistral with layer_types is
 * a different model. For these two, both keys must therefore describe the same attention.
 */
function slidingWindow(raw: RawConfig, architecture: Architecture, refuse: Refuse): SlidingWindow | undefined {
  if (architecture === 'LlamaForCausalLM' && raw.sliding_window != null)
    refuse('sliding_window', raw.sliding_window, 'full attention (null) in a LlamaForCausalLM');
  const isQwen2 = architecture === 'Qwen2ForCausalLM';
  const size = isQwen2 && !raw.use_sliding_window ? undefined : (raw.sliding_window ?? undefined);
  // transformers spelt full attention "attention" once.
  const types = raw.layer_types?.map((type) => (type === 'attention' ? layerTypes.full : type));
  if (types && types.length !== raw.num_hidden_layers)
    refuse('layer_types', raw.layer_types, `as many as num_hidden_layers, ${raw.num_hidden_layers}`);
  const firstSliding = types?.findIndex((type) => type !== layerTypes.full);
  const listed = firstSliding === -1 ? types?.length : firstSliding;
  const fromLayer = isQwen2 ? (listed ?? raw.max_window_layers) : 0;
  for (const [layer, type] of types?.entries() ?? []) {
    const expected = size !== undefined && layer >= fromLayer ? layerTypes.sliding : layerTypes.full;
    if (type !== expected)
      refuse(`layer_types.${layer}`, type, `"${expected}", as the other layers and the window say`);
  }
  return size === undefined ? undefined : { size, fromLayer };
}

/**
 * Base and scaling of the rotary embedding. As in transformers, a rope_scaling that is not empty stands for all of
 * rope_parameters; a key inside wins over the same key outside, except for original_max_position_embeddings of llama3.
 */
function rope(raw: RawConfig, file: string): Pick<LlamaConfig, 'ropeTheta' | 'ropeScaling'> {
  const key = Object.keys(raw.rope_scaling ?? {}).length > 0 ? 'rope_scaling' : 'rope_parameters';
  const inside: z.infer<typeof ropeSchema> = raw[key] ?? {};
  const first = <T>(...values: T[]) => values.find((value) => value !== undefined);
  const kind = first(inside.rope_type, inside.type, 'default');
  const refuse = (what: string) => {
    throw new SurgeryError('unsupported', `${file}: ${key}: ${what}`);
  };
  const nested = Object.entries(inside).find(([name, value]) => value != null && name.endsWith('_attention'));
  if (nested) refuse(`a rope for each kind of layer (${shown(nested[0])}) is not supported, only one for all`);
  if (kind !== 'default' && kind !== 'linear' && kind !== 'llama3') {
    const needs = typeof kind === 'string' ? missingForRope(kind) : undefined;
    refuse(
      `rope type ${shown(kind)} is not supported${needs ? ` (it needs ${needs})` : ''}, only default, linear and llama3`,
    );
  }
  const strange = Object.entries(inside).find(
    ([name, value]) => value != null && !Object.hasOwn(ropeSchema.shape, name),
  );
  if (strange)
    refuse(`rope type ${shown(kind)} with ${shown(strange[0])} ${shown(strange[1])} is not supported, only without it`);
  const rotated = first(inside.partial_rotary_factor, raw.partial_rotary_factor) ?? 1;
  if (rotated !== 1) refuse(`partial_rotary_factor ${rotated} is not supported, only 1`);
  const need = (name: string, value: number | null | undefined): number => {
    if (typeof value === 'number') return value;
    throw new SurgeryError(
      'config',
      `${file}: ${key}: rope type "${kind}" needs ${name}, which is ${value ?? 'missing'}`,
    );
  };
  const ropeTheta = need('rope_theta', first(inside.rope_theta, raw.rope_theta, 10000));
  if (kind === 'default') return { ropeTheta, ropeScaling: { kind } };
  const factor = need('factor', inside.factor);
  if (kind === 'linear') return { ropeTheta, ropeScaling: { kind, factor } };
  const original = 'original_max_position_embeddings';
  return {
    ropeTheta,
    ropeScaling: {
      kind: 'llama3',
      factor,
      lowFreqFactor: need('low_freq_factor', inside.low_freq_factor),
      highFreqFactor: need('high_freq_factor', inside.high_freq_factor),
      originalPositions: need(original, first(raw[original], inside[original], raw.max_position_embeddings)),
    },
  };
}

function list(ids: number | number[] | null | undefined): number[] {
  return ids == null ? [] : Array.isArray(ids) ? ids : [ids];
}

/** The object in JSON text, or a one-line error that names the file. */
function readObject(text: string, file: string): Record<string, unknown> {
  return check(z.record(z.string(), z.unknown()), parseJsonFile(text, 'config', file), file);
}

/** What `schema` reads from a value of this file, or a one-line error that names the file and the key. */
function check<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue?.path.join('.') || 'the file';
  const [name = ''] = issue?.path ?? [];
  const isMissing = issue?.path.length === 1 && typeof value === 'object' && value !== null && !(name in value);
  throw new SurgeryError('config', isMissing ? `${file} lacks ${key}` : `${file}: ${key}: ${issue?.message}`);
}
