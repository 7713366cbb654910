// A model's chat template: which file holds it, which variables it gets, and the prompt that it makes from a
// conversation.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { maxBytes, readText } from '../checkpoint/safe-paths.ts';
import { messageOf, SurgeryError } from '../platform/errors.ts';
import { renderTemplate, strftime } from './chat-template.ts';
import { stripped } from './jinja/values.ts';

export const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

/** A turn of a conversation. */
export interface Message {
  readonly role: (typeof roles)[number];
  readonly content: string;
}

/** Templates by name, as tokenizer_config.json has them where there are several. */
export type NamedTemplates = ReadonlyMap<string, string>;

/**
 * Llama 3.2's template writes today's date into every prompt unless it gets one, and the same command would give other
 * text tomorrow. This is the date that the templates of Llama 3.x themselves fall back on.
 */
const promptDate = new Date(2024, 6, 26);

/** What transformers appends to a message that is to be continued, to find its end in the prompt. */
const endMark = 'CONTINUE_FINAL_MESSAGE_TAG ';

export class ChatTemplate {
  readonly #source: string;
  readonly #tokens: Readonly<Record<string, string>>;

  /** @param tokens special tokens by the names that templates know */
  constructor(source: string, tokens: Readonly<Record<string, string>>) {
    this.#source = source;
    this.#tokens = tokens;
  }

  /**
   * The prompt for the assistant's answer; one that ends in an assistant's turn continues that turn, as the
   * text-generation pipeline of transformers does.
   * @param date that the template sees as today's. Default: see {@link date}
   * @throws SurgeryError `config` if the template fails, may never end, or does not write the turn that is to be continued
   */
  prompt(messages: readonly Message[], date?: Date): string {
    const last = messages.at(-1);
    if (last?.role !== 'assistant') return this.#rendered(messages, true, date);
    const marked = { ...last, content: `${last.content}${endMark}` };
    const text = this.#rendered([...messages.slice(0, -1), marked], false, date);
    const at = text.lastIndexOf(endMark.trim());
    if (at < 0 || !text.includes(stripped(last.content, null)))
      throw new SurgeryError(
        'config',
        "the model's chat template does not write the conversation's last turn, which is the assistant's and is to be continued: end with another's",
      );
    const before = text.slice(0, at);
    return text.startsWith(endMark, at) ? before : stripped(before, null, 'right');
  }

  /** The date that the template sees where none is given: Llama 3's own, or today's, at midnight. Undefined if it uses none. */
  get date(): Date | undefined {
    if (/\bdate_string\b/.test(this.#source)) return promptDate;
    return this.readsClock ? new Date(new Date().setHours(0, 0, 0, 0)) : undefined;
  }

  /** Whether that date is another one tomorrow. */
  get readsClock(): boolean {
    return /\bstrftime_now\b/.test(this.#source) && !/\bdate_string\b/.test(this.#source);
  }

  #rendered(messages: readonly Message[], add_generation_prompt: boolean, date = this.date ?? promptDate): string {
    try {
      const variables = {
        date_string: strftime(date, '%d %b %Y'),
        ...this.#tokens,
        messages,
        tools: null,
        documents: null,
        add_generation_prompt,
      };
      return renderTemplate(this.#source, variables, date);
    } catch (cause) {
      throw new SurgeryError('config', `the model's chat template fails: ${messageOf(cause)}`, cause);
    }
  }
}

/**
 * The text of a model's chat template, as transformers chooses it: files come before tokenizer_config.json, and of several
 * it is the one named "default". Undefined for a model that has none.
 * @param own what tokenizer_config.json has
 * @returns an error in place of the text where there are several and none is the default: who gives no chat is not concerned
 */
export async function chatTemplate(
  folder: string,
  own: string | NamedTemplates | undefined,
): Promise<string | SurgeryError | undefined> {
  const more = 'additional_chat_templates';
  const names = (await readdir(join(folder, more)).catch(() => [])).filter((name) => name.endsWith('.jinja'));
  const single = await readText(folder, 'chat_template.jinja', maxBytes.template);
  const byName = names.includes('default.jinja')
    ? await readText(folder, join(more, 'default.jinja'), maxBytes.template)
    : single;
  if (byName !== undefined) return byName;
  if (names.length > 0) return without(names.map((name) => name.replace(/\.jinja$/, '')));
  if (typeof own === 'string' || own === undefined) return own;
  return own.get('default') ?? without([...own.keys()]);
}

function without(names: readonly string[]): SurgeryError {
  return new SurgeryError(
    'config',
    `this model has several chat templates (${names.toSorted().join(', ')}) and none is the default one: give --raw prompts`,
  );
}
