// config.json and generation_config.json → the numbers that define the forward pass. Refuses what it does not know.
import { z } from 'zod';
import { messageOf, SurgeryError, shown } from '../errors.ts';
import { type Architecture, architectures, isArchitecture, missingFor, missingForRope } from './families.ts';
import { parseJson } from './json.ts';

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
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: count.optional(),
  partial_rotary_factor: z.number().nullish(),
});

const configSchema = z.object({
  architectures: z.tuple([z.string()]).rest(z.string()),
  model_type: z.string().optional(),
  hidden_act: z.string().default('silu'),
  num_hidden_layers: count,
  hidden_size: count,
  intermediate_size: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  vocab_size: count,
  max_position_embeddings: count,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  partial_rotary_factor: z.number().nullish(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
  sliding_window: count.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
  quantization_config: z.unknown().optional(),
  compression_config: z.unknown().optional(),
});

type RawConfig = z.infer<typeof configSchema>;
type Refuse = (key: string, found: unknown, allowed: string) => never;

const generationSchema = z.object({ eos_token_id: tokenIds });

/**
 * The configuration in the text of config.json and, where there is one, generation_config.json (whose stop ids win).
 * @throws SurgeryError `config` for text that is not such a file, `unsupported` for models this program cannot run.
 */
export function parseConfig(text: string, file: string, generation?: { text: string; file: string }): LlamaConfig {
  const raw = parse(configSchema, text, file);
  const refuse: Refuse = (key, found, allowed) => {
    throw new SurgeryError('unsupported', `${file}: ${key} ${shown(found)} is not supported, only ${allowed}`);
  };
  const architecture = architectureOf(raw, file);
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
  const stop = generation && parse(generationSchema, generation.text, generation.file).eos_token_id;
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
    ropeTheta: raw.rope_parameters?.rope_theta ?? raw.rope_theta ?? 10000,
    ropeScaling: ropeScaling(raw, file),
    slidingWindow: slidingWindow(raw, architecture, refuse),
    attentionBias: attentionBias(raw, architecture),
    mlpBias: raw.mlp_bias,
    tiedEmbeddings: raw.tie_word_embeddings,
    bosId: list(raw.bos_token_id)[0],
    eosIds: list(stop ?? raw.eos_token_id),
  };
}

function architectureOf(raw: RawConfig, file: string): Architecture {
  const [name] = raw.architectures;
  if (isArchitecture(name)) return name;
  const needs = missingFor(name);
  throw new SurgeryError(
    'unsupported',
    `${file}: architecture ${shown(name)} is not supported${needs ? ` (it needs ${needs})` : ''}, only ${architectures.join(', ')}`,
  );
}

function refuseUnsupported(raw: RawConfig, refuse: Refuse): void {
  if (raw.hidden_act !== 'silu') refuse('hidden_act', raw.hidden_act, '"silu"');
  for (const key of ['quantization_config', 'compression_config'] as const) {
    const found = raw[key];
    if (found != null) refuse(key, quantiser(found), 'F32, F16 and BF16 weights: give the model it was made from');
  }
  const rotated = raw.rope_parameters?.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1;
  if (rotated !== 1) refuse('partial_rotary_factor', rotated, '1');
}

/** The name of a quantisation method (awq, gptq, fp8, …), or all that the config says where it has none. */
function quantiser(config: unknown): unknown {
  return (typeof config === 'object' && config && 'quant_method' in config && config.quant_method) || config;
}

/** As in transformers: Llama's flag is for all four, Qwen2 always has three, Mistral none. */
function attentionBias(raw: RawConfig, architecture: Architecture): LlamaConfig['attentionBias'] {
  if (architecture === 'Qwen2ForCausalLM') return ['q', 'k', 'v'];
  return architecture === 'LlamaForCausalLM' && raw.attention_bias ? ['q', 'k', 'v', 'o'] : [];
}

/** As in transformers, whose Mistral has a window of 4096 where the key is absent, and none where it is null. */
function slidingWindow(raw: RawConfig, architecture: Architecture, refuse: Refuse): SlidingWindow | undefined {
  const size = raw.sliding_window === undefined ? 4096 : raw.sliding_window;
  const window: Record<Architecture, SlidingWindow | undefined> = {
    LlamaForCausalLM: undefined,
    MistralForCausalLM: size === null ? undefined : { size, fromLayer: 0 },
    Qwen2ForCausalLM:
      raw.use_sliding_window && size !== null ? { size, fromLayer: raw.max_window_layers ?? 28 } : undefined,
  };
  const found = window[architecture];
  if (architecture === 'LlamaForCausalLM' && raw.sliding_window != null)
    refuse('sliding_window', raw.sliding_window, 'full attention (null) in a LlamaForCausalLM');
  for (const [layer, type] of raw.layer_types?.entries() ?? []) {
    const expected = found && layer >= found.fromLayer ? 'sliding_attention' : 'full_attention';
    if (type !== expected) refuse(`layer_types.${layer}`, type, `"${expected}", as the keys of the window say`);
  }
  return found;
}

function ropeScaling(raw: RawConfig, file: string): RopeScaling {
  const rope = raw.rope_parameters ?? raw.rope_scaling;
  const kind = rope?.rope_type ?? rope?.type ?? 'default';
  const strange = Object.entries(rope ?? {}).find(([key, value]) => value != null && !(key in ropeSchema.shape));
  const need = (key: keyof typeof ropeSchema.shape): number => {
    const value = rope?.[key];
    if (typeof value === 'number') return value;
    throw new SurgeryError('config', `${file}: rope type "${kind}" needs ${key}, which is missing`);
  };
  if (kind !== 'default' && kind !== 'linear' && kind !== 'llama3') {
    const needs = missingForRope(kind);
    throw new SurgeryError(
      'unsupported',
      `${file}: rope type ${shown(kind)} is not supported${needs ? ` (it needs ${needs})` : ''}, only default, linear and llama3`,
    );
  }
  if (strange) {
    throw new SurgeryError(
      'unsupported',
      `${file}: rope type ${shown(kind)} with ${shown(strange[0])} ${shown(strange[1])} is not supported, only without it`,
    );
  }
  if (kind === 'default') return { kind };
  if (kind === 'linear') return { kind, factor: need('factor') };
  return {
    kind,
    factor: need('factor'),
    lowFreqFactor: need('low_freq_factor'),
    highFreqFactor: need('high_freq_factor'),
    originalPositions: need('original_max_position_embeddings'),
  };
}

function list(ids: number | number[] | null | undefined): number[] {
  return ids == null ? [] : Array.isArray(ids) ? ids : [ids];
}

/** The value that `schema` reads from JSON text, or a one-line error that names the file and the key. */
function parse<T>(schema: z.ZodType<T>, text: string, file: string): T {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw new SurgeryError('config', `${file} ${messageOf(cause)}`, cause);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new SurgeryError('config', `${file}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}`);
}
