// Notes on samples: one line for each way in which the model's files make them differ from what a reader expects.

import type { Checkpoint } from '../checkpoint/reader.ts';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { shown } from '../platform/errors.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { SamplingOptions } from './options.ts';

/** Notes on the chat template: BOS tokens and dates that it writes. @param date that it sees, if it uses one */
export function promptNotes(
  prompts: readonly { readonly ids: readonly number[]; readonly isChat: boolean }[],
  tokenizer: Tokenizer,
  date: Date | undefined,
): string[] {
  const { bosId: bos } = tokenizer;
  const chats = prompts.filter(({ isChat }) => isChat);
  const name = bos === undefined ? '' : tokenizer.piece(bos);
  return [
    bos !== undefined &&
      chats.some(({ ids }) => ids[0] !== bos) &&
      `The chat template writes no BOS, though this model's texts begin with ${name}: the prompts have none, as in transformers.`,
    bos !== undefined &&
      chats.some(({ ids }) => ids[0] === bos && ids[1] === bos) &&
      `The chat template writes BOS twice: the prompts begin with ${name}${name}, as in transformers.`,
    chats.length > 0 && date && `The chat template takes ${isoDate(date)} for today: --chat-date names another day.`,
  ].filter((note) => typeof note === 'string');
}

/** Notes on sampling: the stop tokens, and settings of generation_config.json that are not used. */
export async function samplingNotes(
  options: SamplingOptions,
  { folder, config }: Checkpoint,
  tokenizer: Tokenizer,
): Promise<string[]> {
  const { eosId } = tokenizer;
  const spelt = (id: number) => `${tokenizer.piece(id)} (${id})`;
  const stops = config.eosIds.length > 0 ? `at ${config.eosIds.map(spelt).join(', ')}` : 'at no token';
  const generation = JSON.parse((await readText(folder, 'generation_config.json', maxBytes.config)) ?? '{}');
  const unused = unusedSettings(generation, options);
  return [
    eosId !== undefined &&
      !config.eosIds.includes(eosId) &&
      `A text ends ${stops}, as eos_token_id says, and not at the tokenizer's eos_token ${spelt(eosId)}.`,
    unused.length > 0 && `Not used, though generation_config.json has it: ${unused.join(', ')}.`,
  ].filter((note) => typeof note === 'string');
}

/** "2026-11-27", of the day here. */
export function isoDate(date: Date): string {
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((one) => String(one).padStart(2, '0')).join('-');
}

/** Settings of transformers that change which token comes next, each with its neutral value. */
const always = {
  no_repeat_ngram_size: 0,
  min_length: 0,
  min_new_tokens: 0,
  num_beams: 1,
  penalty_alpha: 0,
  guidance_scale: 1,
  suppress_tokens: null,
  begin_suppress_tokens: null,
  bad_words_ids: null,
  sequence_bias: null,
  stop_strings: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  exponential_decay_length_penalty: null,
};
/** Further settings that matter only with `do_sample`. */
const drawing = { min_p: 0, typical_p: 1, epsilon_cutoff: 0, eta_cutoff: 0, top_h: null };

/** "repetition_penalty 1.3 (here 1)" for each setting that differs from the options. */
function unusedSettings(generation: Readonly<Record<string, unknown>>, options: SamplingOptions): string[] {
  const { temperature, topP, topK, repetitionPenalty } = options;
  // At temperature 0 the text is greedy, whatever the file recommends for sampling.
  const isDrawn = generation.do_sample === true && temperature > 0;
  const known = {
    repetition_penalty: repetitionPenalty,
    ...(isDrawn ? { temperature, top_p: topP, top_k: topK } : {}),
  };
  const differs = (key: string, own: unknown) => generation[key] != null && generation[key] !== own;
  return [
    ...Object.entries(known).flatMap(([key, own]) =>
      differs(key, own) ? `${key} ${shown(generation[key])} (here ${own})` : [],
    ),
    ...Object.entries({ ...always, ...(isDrawn ? drawing : {}) }).flatMap(([key, neutral]) =>
      differs(key, neutral) ? `${key} ${shown(generation[key])}` : [],
    ),
  ];
}
