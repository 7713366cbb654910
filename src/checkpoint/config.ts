// config.json and generation_config.json → the numbers that define the forward pass. Refuses what it does not know.
import { z } from 'zod';
import { messageOf, SurgeryError, shown } from '../errors.ts';
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

/** A Llama-architecture model's shape. Every projection W is (out_features, in_features) and acts as `x @ W.T`. */
export interface LlamaConfig {
  readonly architecture: string;
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
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  readonly tiedEmbeddings: boolean;
  readonly bosId: number | undefined;
  readonly eosIds: readonly number[];
}

const count = z.int().positive();
const tokenId = z.int().nonnegative();
const tokenIds = z.union([tokenId, z.array(tokenId)]).nullish();

const ropeSchema = z.object({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: count.optional(),
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
  sliding_window: z.unknown().optional(),
  quantization_config: z.unknown().optional(),
});

type RawConfig = z.infer<typeof configSchema>;

const generationSchema = z.object({ eos_token_id: tokenIds });

/**
 * The configuration in the text of config.json and, where there is one, generation_config.json (whose stop ids win).
 * @throws SurgeryError `config` for text that is not such a file, `unsupported` for models this program cannot run.
 */
export function parseConfig(text: string, file: string, generation?: { text: string; file: string }): LlamaConfig {
  const raw = parse(configSchema, text, file);
  refuseUnsupported(raw, file);
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
    architecture: raw.architectures[0],
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
    attentionBias: raw.attention_bias,
    mlpBias: raw.mlp_bias,
    tiedEmbeddings: raw.tie_word_embeddings,
    bosId: list(raw.bos_token_id)[0],
    eosIds: list(stop ?? raw.eos_token_id),
  };
}

function refuseUnsupported(raw: RawConfig, file: string): void {
  const refuse = (key: string, found: unknown, allowed: string): never => {
    throw new SurgeryError('unsupported', `${file}: ${key} ${shown(found)} is not supported, only ${allowed}`);
  };
  const architecture = raw.architectures[0];
  if (architecture !== 'LlamaForCausalLM') refuse('architecture', architecture, 'LlamaForCausalLM');
  if (raw.hidden_act !== 'silu') refuse('hidden_act', raw.hidden_act, '"silu"');
  if (raw.sliding_window != null) refuse('sliding_window', raw.sliding_window, 'full attention (null)');
  if (raw.quantization_config != null)
    refuse('quantization_config', raw.quantization_config, 'F32, F16 and BF16 weights');
  if ((raw.partial_rotary_factor ?? 1) !== 1) refuse('partial_rotary_factor', raw.partial_rotary_factor, '1');
}

function ropeScaling(raw: RawConfig, file: string): RopeScaling {
  const rope = raw.rope_parameters ?? raw.rope_scaling;
  const kind = rope?.rope_type ?? rope?.type ?? 'default';
  const need = (key: keyof typeof ropeSchema.shape): number => {
    const value = rope?.[key];
    if (typeof value === 'number') return value;
    throw new SurgeryError('config', `${file}: rope type "${kind}" needs ${key}, which is missing`);
  };
  switch (kind) {
    case 'default':
      return { kind };
    case 'linear':
      return { kind, factor: need('factor') };
    case 'llama3':
      return {
        kind,
        factor: need('factor'),
        lowFreqFactor: need('low_freq_factor'),
        highFreqFactor: need('high_freq_factor'),
        originalPositions: need('original_max_position_embeddings'),
      };
    default:
      throw new SurgeryError(
        'unsupported',
        `${file}: rope type ${JSON.stringify(kind)} is not supported, only default, linear and llama3`,
      );
  }
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
