// Prompts and sampling options as the generating commands use them.
import type { Checkpoint } from '../checkpoint/reader.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { PromptInfo, SamplingInfo } from '../results/shapes.ts';
import { type Conversation, readConversations } from '../text/conversations.ts';
import { readPrompt } from '../text/text-file.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { hashOf } from './model.ts';
import { isoDate, promptNotes, samplingNotes } from './notes.ts';
import type { PromptOptions, SamplingOptions } from './options.ts';
import type { Choices } from './recorded-command.ts';

export interface Prompt {
  /** The prompt as given, or in the chat template. */
  readonly text: string;
  readonly ids: readonly number[];
  /** Whether the chat template wrote it, including special tokens. */
  readonly isChat: boolean;
}

/** Prompts, with what results record and note about them. */
export interface Prompts {
  readonly prompts: readonly Prompt[];
  readonly info: PromptInfo;
  readonly notes: readonly string[];
  /** The date that a template took from this machine's clock. */
  readonly chosen: Choices;
}

export const noPrompts: Prompts = { prompts: [], info: {}, notes: [], chosen: {} };

/**
 * The prompts of --prompt (- is standard input) or --chat, or a default: a question in the model's chat template, or the beginning of a story.
 * @throws SurgeryError `text` for a prompt that does not fit the context, and for a file of conversations as
 * {@link readConversations}; `config` for a model whose chat template does not support the options
 */
export async function promptsOf(
  options: PromptOptions,
  tokenizer: Tokenizer,
  checkpoint: Checkpoint,
): Promise<Prompts> {
  const { prompt, chat: wanted, system, raw, chatDate: given } = options;
  const chat = typeof wanted === 'string' ? wanted : undefined;
  const needsTemplate = wanted !== undefined ? '--chat' : system !== undefined ? '--system' : undefined;
  if (!tokenizer.hasChatTemplate && needsTemplate)
    throw new SurgeryError('config', `this model has no chat template, which ${needsTemplate} needs: leave it out`);
  const isChat = tokenizer.hasChatTemplate && !raw;
  if (chat !== undefined && prompt !== undefined)
    throw new SurgeryError('usage', `--chat ${chat} replaces the prompts: leave out --prompt, or the name of the file`);
  const date = tokenizer.chatDate && (given ?? tokenizer.chatDate);
  if (given && !date)
    throw new SurgeryError('config', 'no chat template of this model uses a date: leave --chat-date out');
  const texts: string[] = [];
  for (const text of prompt ?? [isChat ? 'What is machine learning?' : 'Once upon a time'])
    texts.push(text === '-' ? await readPrompt() : text);
  const questions = texts.map((content): Conversation => [{ role: 'user', content }]);
  const conversations = chat === undefined ? questions : await readConversations(chat);
  const prompts = isChat
    ? conversations.map((messages, i) =>
        chatPrompt(messages, { system, date }, tokenizer, `${chat}, conversation ${i + 1}`),
      )
    : texts.map((text) => ({ text, ids: tokenizer.encode(text), isChat }));
  for (const { ids } of prompts) requireFitting(ids, checkpoint);
  const info = {
    ...(system === undefined ? {} : { system }),
    ...(chat === undefined ? {} : { chat: hashOf(conversations) }),
  };
  const chosen = isChat && date && tokenizer.readsClock ? { '--chat-date': isoDate(date) } : {};
  const notes = [...wrappingNote(options, tokenizer), ...promptNotes(prompts, tokenizer, date)];
  return { prompts, info, notes, chosen };
}

/** Whether prompts are wrapped, for a model that has a chat template. */
function wrappingNote({ chat, raw }: PromptOptions, { hasChatTemplate }: Tokenizer): string[] {
  if (!hasChatTemplate || typeof chat === 'string') return [];
  return [
    raw
      ? "Prompts are used verbatim, not in the model's chat template."
      : "Prompts are wrapped in the model's chat template; --raw uses them verbatim.",
  ];
}

/** {@link promptsOf}, with notes on sampling. @throws SurgeryError as {@link promptsOf} */
export async function samplePrompts(
  options: SamplingOptions,
  tokenizer: Tokenizer,
  checkpoint: Checkpoint,
): Promise<Prompts> {
  const found = await promptsOf(options, tokenizer, checkpoint);
  return { ...found, notes: [...found.notes, ...(await samplingNotes(options, checkpoint, tokenizer))] };
}

/** What a template gets in addition to the messages. */
interface Setting {
  readonly system: string | undefined;
  readonly date: Date | undefined;
}

/** @param where the conversation is from, for messages */
function chatPrompt(messages: Conversation, { system, date }: Setting, tokenizer: Tokenizer, where: string): Prompt {
  if (system !== undefined && messages[0]?.role === 'system')
    throw new SurgeryError('text', `${where} begins with a system message of its own: leave --system out`);
  const all: Conversation = system === undefined ? messages : [{ role: 'system', content: system }, ...messages];
  const text = tokenizer.chat(all, date);
  if (system !== undefined && text === without(messages, tokenizer, date))
    throw new SurgeryError('config', "the model's chat template leaves a system message out: leave out --system too");
  return { text, ids: tokenizer.encodeChat(text), isChat: true };
}

/** The prompt without a system message; undefined if the template requires one. */
function without(messages: Conversation, tokenizer: Tokenizer, date: Date | undefined): string | undefined {
  try {
    return tokenizer.chat(messages, date);
  } catch {
    return undefined;
  }
}

function requireFitting({ length }: readonly number[], { config }: Checkpoint): void {
  if (length > config.contextLength)
    throw new SurgeryError(
      'text',
      `the prompt takes ${length} tokens, the model's context is ${config.contextLength}: shorten it`,
    );
  if (length === 0)
    throw new SurgeryError(
      'text',
      "the prompt is empty and this model's texts begin with no BOS token: give some text",
    );
}

export function samplingInfo(
  { temperature, topP, topK, repetitionPenalty, seed, maxNewTokens }: SamplingOptions,
  info: PromptInfo,
): SamplingInfo {
  return { temperature, topP, topK, repetitionPenalty, seed, maxNewTokens, ...info };
}

/** The sampling options as generate takes them, with the model's own stop tokens. */
export function generateSettings(options: SamplingOptions, { config }: Checkpoint) {
  const { temperature, topP, topK, repetitionPenalty, seed, maxNewTokens } = options;
  return {
    sampling: { temperature, topP, topK, repetitionPenalty },
    seed,
    maxNewTokens,
    stopIds: config.eosIds,
  };
}

/** The notes as a field of a result, which lacks it if there are none. */
export const withNotes = (notes: readonly string[]): { readonly notes?: readonly string[] } =>
  notes.length > 0 ? { notes } : {};
