// config.json read as transformers reads it: test/fixtures/configs.json holds what its models were seen to be.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type LlamaConfig, parseConfig } from '../../src/checkpoint/config.ts';
import { rotaryFrequencies } from '../../src/graph/rope.ts';
import { SurgeryError } from '../../src/platform/errors.ts';
import { fixture } from '../support/paths.ts';

type Change = Record<string, unknown>;
interface Seen extends Record<string, unknown> {
  readonly frequencies: readonly number[];
}
const table: {
  readonly tokens: number;
  readonly absent: string;
  readonly base: Change;
  readonly usual: Readonly<Record<Family, Seen>>;
  readonly results: readonly Partial<Seen>[];
  readonly cases: readonly (readonly [change: Change, ...places: number[]])[];
} = JSON.parse(readFileSync(fixture('configs.json'), 'utf8'));

const families = ['llama', 'mistral', 'qwen2'] as const;
type Family = (typeof families)[number];

/** What is refused here though transformers takes it, by the message: its versions or classes differ, or it is not ours to run. */
const stricter = [
  /partial_rotary_factor 0(\.5)? is not supported/, // ignored for some rope types, though the config asks for it
  /rope type .* with "(attention_factor|mscale)" 1(\.5)? is not supported/, // the same
  /rope type "(dynamic|yarn|longrope|proportional)" is not supported/,
  /a rope for each kind of layer/, // ignored by a Llama
  /sliding_window (1|5|100) is not supported, only full attention \(null\) in a LlamaForCausalLM/, // kept to in its cache alone
  /sliding_window: (Too small|Invalid input)/, // 0 and -1 are no window, or a look ahead
  /layer_types\.\d "\w+" is not supported/, // AutoModelForCausalLM keeps to them where MistralForCausalLM does not
  /attention_chunk_size/, // kept to in the cache alone
  /per_layer_config/,
  /text_config/,
  /(rms_norm_eps|head_dim): Too small/,
  /rope_scaling: Invalid input/, // false, 0, [] and "" are as good as none to Python
  /rope_parameters\.(rope_theta|factor): /, // of no effect next to a rope_scaling
  /max_window_layers: Invalid input/,
];

/** What is taken here though this version of transformers fails on it: these have one meaning. */
const lenient: Readonly<Record<Family | 'all', RegExp>> = {
  all: /^{"rms_norm_eps":1}$|"partial_rotary_factor":null|"original_max_position_embeddings":null.*"original_max_position_embeddings":32/,
  llama: /^{"(attention_bias|mlp_bias)":null}$|"hidden_size":30.*"head_dim":8/, // no need for hidden / heads then
  mistral: /"num_key_value_heads":null|"layer_types":/, // as many as heads; layer_types that say what the window says
  qwen2: /"head_dim":null|^{"use_sliding_window":null}$|"full_attention":null/, // hidden / heads
};

/** What is wrong with the reading of a case, undefined where nothing is; `place` is transformers' in `results`. */
function judge(change: Change, family: Family, place: number): string | undefined {
  const config = Object.entries({ model_type: family, ...table.base, ...change });
  const text = JSON.stringify(Object.fromEntries(config.filter(([, value]) => value !== table.absent)));
  let found: LlamaConfig;
  try {
    found = parseConfig(text, 'config.json');
  } catch (error) {
    if (!(error instanceof SurgeryError)) throw error;
    const isOwn = place === -1 || stricter.some((reason) => reason.test(error.message));
    return isOwn ? undefined : `is refused: ${error.message}`;
  }
  if (place === -1)
    return [lenient.all, lenient[family]].some((taken) => taken.test(JSON.stringify(change)))
      ? undefined
      : 'is taken, transformers fails on it';
  const { frequencies, ...expected } = { ...table.usual[family], ...table.results[place] };
  const { slidingWindow: window, layers } = found;
  const reach = Array.from({ length: layers }, (_, layer) =>
    window && layer >= window.fromLayer ? Math.min(window.size, table.tokens) : table.tokens,
  );
  const own: Record<string, unknown> = { ...found, reach };
  const wrong = Object.keys(expected).filter((key) => JSON.stringify(own[key]) !== JSON.stringify(expected[key]));
  const rotation = rotaryFrequencies(found);
  const isFar = frequencies.some((frequency, pair) => !(Math.abs((rotation[pair] ?? 0) / frequency - 1) < 1e-6));
  if (isFar || rotation.length !== frequencies.length) wrong.push('frequencies');
  return wrong.length > 0 ? `differs in ${wrong}` : undefined;
}

describe.each(families.map((family, i) => [family, i] as const))('%s', (family, i) => {
  test('each case is read as transformers reads it, or refused for a reason', () => {
    const problems = table.cases.flatMap(([change, ...places]) => {
      const problem = judge(change, family, places[i] ?? -1);
      return problem ? [`${JSON.stringify(change)} ${problem}`] : [];
    });
    expect(problems).toEqual([]);
  });
});
