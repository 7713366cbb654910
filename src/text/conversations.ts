// --chat: a file of conversations → their turns, checked to the last one.
import { z } from 'zod';
import { SurgeryError } from '../platform/errors.ts';
import { parseJsonFile } from '../platform/strict-json.ts';
import { type Message, roles } from './chat.ts';
import { decodeText, readContents } from './text-file.ts';

export type Conversation = readonly Message[];

const conversation = z.array(z.strictObject({ role: z.enum(roles), content: z.string() })).min(1, 'it has no message');

/**
 * The conversations of a JSON file: a list of `{"role", "content"}`, or a list of such lists.
 * @throws SurgeryError `text`, with the conversation and the message, counted from 1
 */
export async function readConversations(file: string): Promise<Conversation[]> {
  const text = decodeText(await readContents(file, 'a .json file'));
  const value = parseJsonFile(text, 'text', file);
  if (!Array.isArray(value) || value.length === 0)
    throw new SurgeryError(
      'text',
      `${file} is not a conversation: give a list of {"role", "content"}, or a list of such lists`,
    );
  const isOne = !Array.isArray(value[0]);
  const { success, data, error } = z.array(conversation).safeParse(isOne ? [value] : value);
  if (success) return data;
  const [issue] = error.issues;
  const [which = 0, message, ...key] = issue?.path ?? [];
  const place = [
    ...(isOne ? [] : [`conversation ${Number(which) + 1}`]),
    ...(message === undefined ? [] : [`message ${Number(message) + 1}`]),
    ...key,
  ].join(', ');
  throw new SurgeryError('text', `${file}${place && `, ${place}`}: ${issue?.message}`);
}
