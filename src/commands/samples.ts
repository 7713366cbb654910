// Prompts and sampling options as the generating commands use them.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { SurgeryError } from '../errors.ts';
import type { SamplingInfo } from '../report/results.ts';
import type { Runtime } from '../runtime/session.ts';
import type { Tokenizer } from '../runtime/tokenizer.ts';
import type { SamplingOptions } from './options.ts';

export interface Prompt {
  /** As given, or as the chat template wrapped it. */
  readonly text: string;
  readonly ids: readonly number[];
}

/**
 * The prompts asked for, or the default one: a question in the model's chat template, or a story's beginning.
 * @throws SurgeryError `text` for a prompt that does not fit the context
 */
export function promptsOf(
  { prompt, raw }: Pick<SamplingOptions, 'prompt' | 'raw'>,
  tokenizer: Tokenizer,
  { config }: Checkpoint,
): Prompt[] {
  const chat = tokenizer.hasChatTemplate && !raw;
  const texts = prompt ?? [chat ? 'What is machine learning?' : 'Once upon a time'];
  return texts.map((content) => {
    const text = chat ? wrapped(tokenizer, content) : content;
    const ids = tokenizer.encode(text);
    if (ids.length > config.contextLength) {
      throw new SurgeryError(
        'text',
        `the prompt takes ${ids.length} tokens, the model's context is ${config.contextLength}: shorten it`,
      );
    }
    if (ids.length === 0)
      throw new SurgeryError(
        'text',
        "the prompt is empty and this model's texts begin with no BOS token: give some text",
      );
    return { text, ids };
  });
}

/** The question in the model's chat template. Some templates know no system line. */
function wrapped(tokenizer: Tokenizer, content: string): string {
  const question = { role: 'user', content } as const;
  try {
    return tokenizer.chat([{ role: 'system', content: 'You are a helpful assistant.' }, question]);
  } catch {
    return tokenizer.chat([question]);
  }
}

export function samplingInfo({
  temperature,
  topP,
  topK,
  repetitionPenalty,
  seed,
  maxNewTokens,
}: SamplingOptions): SamplingInfo {
  return { temperature, topP, topK, repetitionPenalty, seed, maxNewTokens };
}

/** The sampling options as generate takes them, with the model's own stop tokens. */
export function generateSettings(options: SamplingOptions, runtime: Runtime) {
  return {
    sampling: options,
    seed: options.seed,
    maxNewTokens: options.maxNewTokens,
    stopIds: runtime.checkpoint.config.eosIds,
  };
}
